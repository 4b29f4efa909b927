"""What a copy has done so far, kept in the target, so that one that was cut off can go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deebase._tables.table import Table
from deebase.database import Database
from deebase.errors import InvalidOperationError
from deebase.types import Text

#: The table; it is there while a copy is not finished.
PROGRESS = "_deebase_copy"


@dataclass(frozen=True)
class CopiedTable:
    """A table that was copied: its rows, and a checksum of them that is the same on both sides."""

    name: str
    rows: int
    checksum: str


@dataclass
class Step:
    """A row of the table: a table that was made, or SQL that is run when all rows are there.

    Attributes:
        name: of a table.
        sql: what is left to do.
        rows: of a table that was copied.
        checksum: of its rows.
    """

    id: int | None = None
    name: str | None = None
    sql: Text | None = None
    rows: int | None = None
    checksum: str | None = None


class CopyProgress:
    """The progress of a copy into one database."""

    def __init__(self, target: Database) -> None:
        self._target = target

    @property
    def begun(self) -> bool:
        """Whether a copy was begun and not finished."""
        return PROGRESS in self._target.t

    @property
    def _steps(self) -> Table[Any]:
        return self._target.t[PROGRESS].rows_as(Step)

    async def begin(self, names: Sequence[str], later: Sequence[str]) -> None:
        """Note the tables that were made, and what is left to do at the end."""
        await self._target.create(Step, name=PROGRESS)
        await self._steps.insert_all([*[Step(name=name) for name in names], *[Step(sql=sql) for sql in later]])

    async def tables(self) -> dict[str, CopiedTable | None]:
        """Return the tables that were made, and what was copied of those that are done."""
        steps: list[Step] = await self._steps(self._steps.c.name.is_not(None), order_by="id")
        return {str(step.name): _copied(step) for step in steps}

    async def later(self) -> list[str]:
        """Return the SQL that is left to do."""
        steps: list[Step] = await self._steps(self._steps.c.sql.is_not(None), order_by="id")
        return [str(step.sql) for step in steps]

    async def done(self, table: CopiedTable) -> None:
        """Note that a table was copied."""
        await self._steps.update_where({"rows": table.rows, "checksum": table.checksum}, name=table.name)

    async def end(self) -> None:
        """Forget it."""
        await self._target.t[PROGRESS].drop()

    def unfinished(self) -> InvalidOperationError:
        """Return the error of a copy into a database that has half of another one."""
        return InvalidOperationError(
            "a copy into this database was not finished",
            operation="copy_database",
            target=PROGRESS,
            hint="resume=True goes on with it, restart=True begins anew (deebase db copy --resume or --restart)",
        )


def _copied(step: Step) -> CopiedTable | None:
    if step.name is None or step.rows is None or step.checksum is None:
        return None
    return CopiedTable(step.name, step.rows, step.checksum)
