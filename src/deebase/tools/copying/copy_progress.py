"""The progress of a copy, stored in the target, so that an interrupted copy can be resumed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deebase._tables.table import Table
from deebase.database import Database
from deebase.errors import IntegrityError, InvalidOperationError, SchemaError
from deebase.types import Text

#: The table, which exists until a copy is finished.
PROGRESS = "_deebase_copy"


@dataclass(frozen=True)
class CopiedTable:
    """A copied table: the number of its rows, and their checksum, which is the same on both sides."""

    name: str
    rows: int
    checksum: str


@dataclass
class Step:
    """A row of the table: a table of the copy, or a text to keep until the end.

    Attributes:
        name: the name of a table.
        sql: how it is copied; or the text to keep.
        rows: the number of rows of a copied table.
        checksum: the checksum of its rows.
    """

    id: int | None = None
    name: str | None = None
    sql: Text | None = None
    rows: int | None = None
    checksum: str | None = None


@dataclass(frozen=True)
class BegunTable:
    """A table of an unfinished copy: how it is copied, and the result if it is finished."""

    how: str
    copied: CopiedTable | None


class CopyProgress:
    """The progress of a copy into one database."""

    def __init__(self, target: Database) -> None:
        self._target = target

    @property
    def begun(self) -> bool:
        """Whether the target has an unfinished copy."""
        return PROGRESS in self._target.t

    @property
    def _steps(self) -> Table[Any]:
        return self._target.t[PROGRESS].rows_as(Step)

    async def begin(self, tables: Mapping[str, str], kept: Sequence[str]) -> None:
        """Record the tables of the copy and how each is copied, and texts to keep until the end."""
        await self._target.create(Step, name=PROGRESS)
        steps = [*[Step(name=name, sql=how) for name, how in tables.items()], *[Step(sql=text) for text in kept]]
        await self._steps.insert_all(steps)

    async def tables(self) -> dict[str, BegunTable]:
        """Return the tables of the copy by name."""
        steps: list[Step] = await self._steps(self._steps.c.name.is_not(None), order_by="id")
        return {str(step.name): BegunTable(str(step.sql), _copied(step)) for step in steps}

    async def kept(self) -> list[str]:
        """Return the texts that were kept."""
        steps: list[Step] = await self._steps(self._steps.c.name.is_(None), order_by="id")
        return [str(step.sql) for step in steps]

    async def done(self, table: CopiedTable) -> None:
        """Record a copied table."""
        await self._steps.update_where({"rows": table.rows, "checksum": table.checksum}, name=table.name)

    async def end(self) -> None:
        """Drop the table."""
        await self._target.t[PROGRESS].drop()

    def unfinished(self) -> InvalidOperationError:
        """Return the error of a copy into a database with an unfinished one."""
        return InvalidOperationError(
            "this database has an unfinished copy",
            operation="copy_database",
            target=PROGRESS,
            hint="resume=True continues it, restart=True starts again (deebase db copy --resume or --restart)",
        )


def _copied(step: Step) -> CopiedTable | None:
    if step.name is None or step.rows is None or step.checksum is None:
        return None
    return CopiedTable(step.name, step.rows, step.checksum)


def changed(name: str) -> InvalidOperationError:
    """Return the error of a table of the source that has changed since it was copied."""
    return InvalidOperationError(
        f"{name} of the source has changed since it was copied",
        operation="copy_database",
        target=name,
        hint="start again: restart=True (deebase db copy --restart)",
    )


def differing(sent: CopiedTable, stored: int) -> IntegrityError:
    """Return the error of a table that has other rows in the target.

    Args:
        sent: the table in the source.
        stored: the number of rows in the target.
    """
    return IntegrityError(
        f"{sent.name}: the copy differs from the source: {stored} rows of {sent.rows}",
        table_name=sent.name,
        hint="if no other program writes to the target, please report it with the types of the columns",
    )


def require_same_tables(names: Iterable[str], begun: Iterable[str]) -> None:
    """Refuse to resume a copy of other tables."""
    if set(names) != set(begun):
        raise InvalidOperationError(
            f"the unfinished copy is of other tables: {', '.join(sorted(begun))}",
            operation="copy_database",
            target=PROGRESS,
            hint="name the same tables, or start again: restart=True (deebase db copy --restart)",
        )


def require_absent(names: Iterable[str], existing: Collection[str]) -> None:
    """Refuse to copy a table that the target has."""
    for name in names:
        if name in existing:
            raise SchemaError(
                f"table {name} already exists in the target",
                table_name=name,
                hint="drop it, name other tables, or copy its rows with insert_all",
            )
