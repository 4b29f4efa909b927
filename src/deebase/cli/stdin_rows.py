"""Rows as JSON on stdin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from deebase.cli.frame import Refusal
from deebase.cli.value_arguments import record_of_json
from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._tables.table import Table


def read_records(table: Table[Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows on stdin: an object, an array of objects, or one object after another.

    Args:
        table: the table that the rows are for.

    Raises:
        Refusal: stdin is a terminal.
        ValidationError: it is not JSON, or not objects; the message names the line.
    """
    if sys.stdin.isatty():
        raise Refusal("Pass values with -f COLUMN=VALUE, or rows as JSON on stdin.")
    return _records(table)


def _records(table: Table[Any]) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(_objects(), 1):
        try:
            yield record_of_json(table, row)
        except RecursionError:
            raise ValidationError(
                f"row {number} is nested too deeply", hint="check that it is the right file"
            ) from None


def _objects() -> Iterator[dict[str, Any]]:
    # SQLAlchemy is loaded with the modules that read files.
    from deebase._files.file_errors import Fault
    from deebase._files.inputs import make_input, reading
    from deebase._files.json_objects import ArrayReader

    with ExitStack() as stack:
        try:
            with reading():
                found = ArrayReader(make_input("-", "utf-8-sig", stack).open())
                while rows := found.read():
                    yield from rows
        except Fault as fault:
            raise fault.error("stdin") from fault
