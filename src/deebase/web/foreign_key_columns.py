"""The columns of the foreign keys of a table, and the columns that they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Key:
    """A foreign key.

    Attributes:
        columns: of the table.
        table: the other one.
        targets: the columns there.
        on_delete: what a deletion there does, in lower case; empty where the database refuses it.
    """

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    on_delete: str


def keys_in(source: Any) -> Iterator[Key]:
    """Return the foreign keys of a table; a view has none."""
    for key in getattr(source, "foreign_keys", ()):
        columns, references = key["column"], key["references"]
        if isinstance(columns, str):
            columns, references = [columns], [references]
        places = [text.rpartition(".") for text in references]
        yield Key(tuple(columns), places[0][0], tuple([place[2] for place in places]), key.get("on_delete", ""))
