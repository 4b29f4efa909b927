"""Tables and their foreign keys as plain values, from which each format is drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel


@dataclass(frozen=True)
class Line:
    """A column of a box: its name, its type as the database writes it, and the keys that it is part of."""

    name: str
    type: str
    key: bool
    refers: bool
    nullable: bool

    @property
    def marks(self) -> str:
        """The keys that the column is part of: PK, FK, both or none."""
        return ", ".join([mark for mark, given in (("PK", self.key), ("FK", self.refers)) if given])


@dataclass(frozen=True)
class Box:
    """A table or view."""

    name: str
    lines: tuple[Line, ...]
    view: bool = False


@dataclass(frozen=True)
class Link:
    """A foreign key from ``child`` to ``parent``.

    Attributes:
        child: the referring table.
        columns: the columns of the foreign key.
        parent: the referenced table.
        targets: the referenced columns.
        optional: whether the foreign key may be NULL.
        single: whether no two rows may refer to the same row.
    """

    child: str
    columns: tuple[str, ...]
    parent: str
    targets: tuple[str, ...]
    optional: bool
    single: bool


def boxes_of(models: Iterable[TableModel], dialect: Dialect, *, views: bool = False) -> list[Box]:
    """Return a box for each table or view."""
    return [
        Box(
            model.name,
            tuple(
                Line(
                    name,
                    column.sa_type.compile(dialect=dialect) if str(column.sa_type) != "NULL" else "",
                    name in model.pks and not views,
                    any(name in key.columns for key in model.foreign_keys),
                    column.nullable,
                )
                for name, column in model.columns.items()
            ),
            views,
        )
        for model in models
    ]


def links_of(models: Iterable[TableModel]) -> list[Link]:
    """Return the foreign keys between these tables; foreign keys to other tables are left out."""
    known = {model.name: model for model in models}
    links: list[Link] = []
    for model in known.values():
        alone = [model.pks, *[unique.columns for unique in model.uniques.values() if not unique.partial]]
        for key in model.foreign_keys:
            if key.target in known:
                optional = any(model.columns[name].nullable for name in key.columns)
                single = any(columns and set(columns) <= set(key.columns) for columns in alone)
                links.append(Link(model.name, key.columns, key.target, key.targets, optional, single))
    return links


def visible(text: str) -> str:
    """Return a name that fits on one line: control characters, which XML forbids, become their symbols."""
    return "".join([_shown(character) for character in text])


def _shown(character: str) -> str:
    code = ord(character)
    if code < 32:
        return chr(0x2400 + code)
    if code == 127 or unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"):
        # These characters change how text is displayed, for example from right to left.
        return "\N{REPLACEMENT CHARACTER}"
    return character


def columns_wide(text: str) -> int:
    """Return the width of a text in columns of a fixed-width font."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def shortened(text: str, columns: int) -> str:
    """Return a text of at most this width, which ends in an ellipsis if it is cut."""
    if columns_wide(text) <= columns:
        return text
    kept = ""
    for character in text:
        if columns_wide(kept + character) >= columns:
            break
        kept += character
    return kept + "\N{HORIZONTAL ELLIPSIS}"
