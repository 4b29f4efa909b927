"""The doctor: problems of a database, and problems that it will have when it grows."""

from __future__ import annotations

from collections.abc import Iterable

from deebase._backends.database_tools import Diagnosis, Severity
from deebase._engine.core import core_of
from deebase._model.facts import TableInfo
from deebase._schema.reflect import inventory
from deebase.database import Database
from deebase.tools.access import tools_of

__all__ = ["Diagnosis", "examine"]

Diagnosis.__module__ = __name__


async def examine(db: Database) -> list[Diagnosis]:
    """Examine settings, keys, indexes and the file itself; nothing is changed.

    Returns:
        The findings, errors first.

    Example:
        ```python
        for finding in await examine(db):
            print(finding.severity, finding.message)
        ```
    """
    found = await tools_of(db).examine()
    if any(finding.rule == "damaged" for finding in found):
        return found
    tables = await inventory(core_of(db).executor, None)
    found += [finding for table in tables if table.kind == "table" for finding in _of_table(table)]
    order: tuple[Severity, ...] = ("error", "warning", "advice")
    return sorted(found, key=lambda finding: (order.index(finding.severity), finding.rule, finding.table or ""))


def _of_table(table: TableInfo) -> Iterable[Diagnosis]:
    name = table.name
    if not table.pks:
        yield Diagnosis(
            "no-key",
            "warning",
            name,
            f"{name} has no primary key",
            "add one: transform(pk=...); operations by key need it",
        )
    indexed = [table.pks, *[index.columns for index in table.indexes if not index.partial]]
    for key in table.foreign_keys:
        if not any(columns[: len(key.columns)] == key.columns for columns in indexed):
            columns = ", ".join(key.columns)
            yield Diagnosis(
                "foreign-key-without-index",
                "advice",
                name,
                f"{name} ({columns}) refers to {key.target} without an index: a delete there scans all rows here",
                f"create_index({list(key.columns)!r})",
            )
    seen: dict[tuple[str | None, ...], str] = {}
    for index in table.indexes:
        if index.partial or None in index.columns:
            continue
        if index.columns in seen and not index.unique:
            yield Diagnosis(
                "duplicate-index",
                "advice",
                name,
                f"{index.name} has the same columns as {seen[index.columns]}",
                f"drop_index({index.name!r})",
            )
        seen.setdefault(index.columns, index.name)
