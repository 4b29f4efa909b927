"""Labels: the text that stands for a row where another one refers to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from deebase import DeeBaseError, Table
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields

#: Names of columns that say what a row is, the best first.
_NAMES = ("name", "title", "label", "username", "email", "code", "slug", "subject", "headline")


@dataclass(frozen=True)
class Reference:
    """A foreign key of one column.

    Attributes:
        column: its name.
        table: the table that it refers to.
        target: the column there.
        label: the expression of the label; None where the other table has no column of text.
        found: the expression of the value in the other table, NULL where no such row exists; None if it cannot be read.
        leads_to_key: whether the value is the key of the other row.
    """

    column: str
    table: str
    target: str
    label: Any
    found: Any
    leads_to_key: bool


def label_column(fields: Fields) -> str | None:
    """Return the column of a table that says what a row is; None if no column does."""
    texts = [name for name, kind in fields.kinds.items() if kind == "text" and name not in fields.handle.pks]
    by_name = {name.lower(): name for name in reversed(texts)}
    for wanted in _NAMES:
        if wanted in by_name:
            return by_name[wanted]
    named = [name for name in texts if name.lower().endswith(("name", "title"))]
    # Of several other texts, none says what the row is.
    return named[0] if named else texts[0] if len(texts) == 1 else None


def references_of(site: Site, fields: Fields, shown: Iterable[str]) -> dict[str, Reference]:
    """Return the foreign keys of the shown columns that lead to a row of a known table."""
    handle = fields.handle
    if not isinstance(handle, Table):
        return {}
    found: dict[str, Reference] = {}
    for name in shown:
        target = fields.columns[name].references
        if target is None or target[0] not in site.db.t:
            continue
        other = site.fields_of(target[0])
        if target[1] not in other.columns:
            continue
        is_key = other.handle.pks == (target[1],)
        if is_key or _is_unique(other.handle, target[1]):
            found[name] = Reference(name, *target, *_expressions(handle, name, other, target[1]), is_key)
    return found


def _expressions(handle: Table[dict[str, Any]], name: str, other: Fields, target: str) -> tuple[Any, Any]:
    """Return the label of the other row, and its value, as columns of a join; NULL where it is outside of its scope."""
    label = label_column(other)
    try:
        columns = handle.fk[name].c
    except DeeBaseError:
        # The column is part of several foreign keys.
        return None, None
    scope = other.conditions(columns)

    def visible(column: Any) -> Any:
        return sa.case((sa.and_(*scope), column)) if scope else column

    return None if label is None else visible(columns[label]), visible(columns[target])


def _is_unique(handle: Any, column: str) -> bool:
    return any(index["unique"] and index["columns"] == [column] for index in handle.indexes)
