"""t-strings (PEP 750) as SQL: their values are bound, their tables and columns are quoted."""

from __future__ import annotations

# Values of any type stand in a template, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Iterable
from typing import Any, Protocol, TypeGuard, cast

import sqlalchemy as sa

from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.placeholders import scan
from deebase._sqltext.quoted_columns import quoted_column, quoted_table
from deebase._sqltext.quoting import identifier
from deebase.errors import ValidationError
from deebase.types import SqlExpression, SqlTemplate

#: The names of the values in the text, with a number behind; a text of a user may have other names.
_PREFIX = "deebase_value_"


class Interpolation(Protocol):
    """One pair of braces of a template."""

    @property
    def value(self) -> Any: ...
    @property
    def expression(self) -> str: ...
    @property
    def conversion(self) -> str | None: ...
    @property
    def format_spec(self) -> str: ...


class QuotesItself(Protocol):
    """A table or view that gives its name for the text of a statement."""

    def __sql__(self) -> str: ...


def is_template(value: object) -> TypeGuard[SqlTemplate]:
    """Tell whether an argument is a t-string. A ``string.Template`` is not one."""
    return type(value).__name__ == "Template" and hasattr(value, "interpolations") and hasattr(value, "strings")


def bound_template(template: SqlTemplate, rules: TokenRules) -> tuple[str, dict[str, Any]]:
    """Return the text of a template with named placeholders, and their values.

    Raises:
        ValidationError: a value inside quotes or a comment, a placeholder in the text, a format or conversion,
            an object that is neither a value nor a name.
    """
    pieces: list[str] = []
    values: dict[str, Any] = {}
    expressions: list[str] = []
    _collect(template, pieces, values, expressions)
    text = "".join(pieces)
    holes = scan(text, rules).holes
    if holes != tuple(values):
        _refuse_placeholder(holes, values, has_operators=rules.has_question_operators)
        missing = [each for name, each in zip(values, expressions, strict=True) if name not in holes]
        if missing:
            raise ValidationError(
                f"{{{missing[0]}}} stands inside quotes or a comment",
                field="sql",
                hint="remove the quotes: the value is bound, and needs none",
            )
    return text, values


def _refuse_placeholder(holes: Iterable[str | None], values: dict[str, Any], *, has_operators: bool) -> None:
    for hole in holes:
        if hole not in values and not (hole is None and has_operators):
            written = "?" if hole is None else f":{hole}"
            raise ValidationError(
                f"the template has the placeholder {written}", field="sql", hint="write the value as {value}"
            )


def _collect(template: SqlTemplate, pieces: list[str], values: dict[str, Any], expressions: list[str]) -> None:
    pieces.append(template.strings[0])
    for found, after in zip(template.interpolations, template.strings[1:], strict=True):
        one = cast(Interpolation, found)
        if one.conversion is not None or (one.format_spec and one.format_spec != "name"):
            suffix = f"!{one.conversion}" if one.conversion else f":{one.format_spec}"
            raise ValidationError(
                f"{{{one.expression}{suffix}}} has a conversion or a format",
                field="sql",
                hint="format the value before; {table.c.column:name} is the name of a column alone",
            )
        if is_template(one.value):
            _collect(one.value, pieces, values, expressions)
        else:
            written = _name(one)
            if written is None:
                name = f"{_PREFIX}{len(values)}"
                values[name] = one.value
                expressions.append(one.expression)
                written = f":{name}"
            pieces.append(written)
        pieces.append(after)


def _name(one: Interpolation) -> str | None:
    """Return the quoted name that an interpolation stands for, or None for a value."""
    value = one.value
    if isinstance(value, sa.Column):
        return identifier(value.name) if one.format_spec else quoted_column(value)
    if one.format_spec:
        raise ValidationError(f"{{{one.expression}:name}} is not a column", field="sql", hint="{table.c.column:name}")
    if isinstance(value, sa.Table):
        return quoted_table(value)
    if hasattr(type(value), "__sql__"):
        return cast(QuotesItself, value).__sql__()
    if isinstance(value, (sa.ClauseElement, SqlExpression)) or hasattr(value, "__clause_element__"):
        raise ValidationError(
            f"{{{one.expression}}} is an expression of SQLAlchemy",
            field="sql",
            hint="a template takes tables, columns, values and templates; db.q(sa.select(...)) takes expressions",
        )
    return None
