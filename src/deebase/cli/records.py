"""Rows that come as JSON on stdin."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, cast

from deebase.cli.frame import Refusal
from deebase.cli.values import record_of_json
from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase.table import Table


def read_records(table: Table[Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows on stdin: an object, an array of objects, or an object on each line, which are read one by one.

    Args:
        table: to whose columns the values belong.

    Raises:
        Refusal: stdin is a terminal.
        ValidationError: what comes is no JSON, or something else than objects.
    """
    if sys.stdin.isatty():
        raise Refusal("Give values with -f COLUMN=VALUE, or rows as JSON on stdin.")
    return (record_of_json(table, _an_object(item, number)) for number, item in enumerate(_items(), 1))


def _items() -> Iterator[Any]:
    lines = iter(sys.stdin)
    first = next((line for line in lines if line.strip()), "")
    try:
        begun = json.loads(first, parse_constant=_no_constant)
    except ValueError:
        # Not a line for itself: one document over several lines.
        yield from _of_document(first + "".join(lines))
        return
    yield from _listed(begun)
    for number, line in enumerate(lines, 2):
        if line.strip():
            yield _parsed(line, f"row {number}")


def _of_document(text: str) -> list[Any]:
    if not text.strip():
        raise ValidationError("there is nothing on stdin", hint='echo \'{"name": "Ada"}\' | deebase data insert ...')
    return _listed(_parsed(text, "stdin"))


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]  # pyright: ignore[reportUnknownVariableType]


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"{where} is no JSON: {error.msg.lower()}, line {error.lineno}, character {error.colno}",
            hint='an object {"name": "Ada"}, an array of them, or one on each line',
        ) from None
    except ValueError as error:
        raise ValidationError(f"{where} is no JSON: {error} is no number", hint="use null") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _an_object(item: Any, number: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise ValidationError(f"row {number} is no JSON object", hint='{"name": "Ada"}')
    return cast("dict[str, Any]", item)
