"""Values on the command line: from text and JSON to what a column takes, and back."""

from __future__ import annotations

# Values may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._tables.table import Table
    from deebase._tables.view import View


def text_of(value: Any) -> str:
    """Return a value, which is not None, as text: JSON for documents."""
    from deebase._types import registry

    return registry.text_of(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dates in ISO 8601, Decimals and UUIDs as text, bytes in base64."""
    from deebase._types import registry

    return registry.json_value(value)


def guessed(text: str) -> Any:
    """Return a value for a text that no column says the type of: what is JSON is read as such, the rest is text."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def named(items: Iterable[str], option: str, known: Iterable[str] = ()) -> dict[str, str]:
    """Return ``name=value`` options by name.

    Args:
        items: what was given.
        option: the option, for the error.
        known: names, which may hold an "=" themselves.

    Raises:
        ValidationError: one has no "=".
    """
    found: dict[str, str] = {}
    for item in items:
        name, separator, text = item.partition("=")
        if not separator or not name:
            raise ValidationError(f"{option} takes name=value", field=option, hint=f"{option} age=30")
        longer = [other for other in known if item.startswith(f"{other}=")]
        if longer:
            name = max(longer, key=len)
            text = item[len(name) + 1 :]
        found[name] = text
    return found


def record(table: Table[Any] | View[Any], texts: Mapping[str, str], nulls: Iterable[str] = ()) -> dict[str, Any]:
    """Return values by column, each made of its text as the column's type says.

    Args:
        table: whose columns these are.
        texts: by column.
        nulls: the columns to set to NULL.

    Raises:
        ColumnNotFoundError: a name is not a column.
        ValidationError: a text is not a value of its column.
    """
    return {**{name: value(table, name, text) for name, text in texts.items()}, **dict.fromkeys(nulls)}


def record_of_json(table: Table[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by column from a JSON object; texts become what the column's type says."""
    return {name: value(table, name, item, from_json=True) for name, item in given.items()}


def value(table: Table[Any] | View[Any], name: str, given: Any, *, from_json: bool = False) -> Any:
    """Return a value of a column from text.

    Args:
        table: whose column it is.
        name: of the column; the table refuses one that does not exist.
        given: the text.
        from_json: it is a JSON value instead.

    Raises:
        ValidationError: the text is not a value of the column.
    """
    if name not in table.columns or given is None:
        return given
    from deebase._types.registry import column_type

    kind = column_type(table.c[name].type)
    if not kind.wanted:
        return given if from_json else guessed(given)
    try:
        return kind.of_json(given) if from_json else kind.parse(given)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        raise ValidationError(
            f"{table.name}.{name}: this is not {kind.wanted}",
            field=name,
            value=given,
            hint=f"such as {kind.example}" if kind.example else None,
        ) from None


def key(table: Table[Any] | View[Any], texts: Iterable[str]) -> Any:
    """Return a key from the text of each of its parts."""
    parts = tuple(texts)
    names = table.pks
    if len(parts) != len(names):
        return parts
    values = tuple([value(table, name, text) for name, text in zip(names, parts, strict=True)])
    return values[0] if len(values) == 1 else values
