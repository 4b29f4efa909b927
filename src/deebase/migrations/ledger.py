"""The ledger: the table that records which migrations a database has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateTable

from deebase._sql.statement import Statement
from deebase._types.base import literal
from deebase._types.moments import AwareDateTime
from deebase._types.number import Float
from deebase.migrations.files import DRAFT, MigrationFile

if TYPE_CHECKING:
    from deebase.migrations.target import Target

#: The name of the ledger.
TABLE = "_deebase_migrations"

_table = sa.Table(
    TABLE,
    sa.MetaData(),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("suffix", sa.Text, nullable=False),
    sa.Column("checksum", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("started_at", AwareDateTime(), nullable=False),
    sa.Column("finished_at", AwareDateTime()),
    sa.Column("seconds", Float()),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("progress", sa.Text),
)

#: For a ledger of an older version.
_ADD_PROGRESS = Statement(f"ALTER TABLE {TABLE} ADD COLUMN progress TEXT")


@dataclass(frozen=True)
class LedgerEntry:
    """A row of the ledger.

    Attributes:
        name: the name of the migration, or "draft" for the recorded commands of the open draft that ran here.
        suffix: the suffix of its file.
        checksum: the checksum of its text.
        source: its text as it was applied, its downgrade included.
        position: its place in the order of application.
        started_at: when it started, in UTC.
        finished_at: when it finished, in UTC; None if it is running, or was cut off, outside of a transaction.
        seconds: how long it took.
        version: the version of DeeBase.
        progress: the progress of an unfinished migration that runs in chunks.
    """

    name: str
    suffix: str
    checksum: str
    source: str
    position: int
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    version: str
    progress: str | None = None


class Ledger:
    """Reads and writes the ledger of one database."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._db = target.db

    async def entries(self) -> dict[str, LedgerEntry]:
        """Return the rows by name, in the order of application; none if the ledger does not exist."""
        existing = await self._columns()
        if not existing:
            return {}
        columns = [column for column in _table.c if column.name in existing]
        rows = await self._db.q(sa.select(*columns).order_by(_table.c.position, _table.c.name))
        return {row["name"]: LedgerEntry(**row) for row in rows}

    async def _columns(self) -> set[str]:
        return await self._target.support.column_names(self._target, TABLE)

    async def make(self) -> None:
        """Create the ledger if it does not exist, and add the columns that an older one lacks."""
        async with self._db.transaction():
            if "progress" in await self._columns():
                return
            # Two programs that record at once must not both find the ledger missing.
            await self._target.executor.lock_schema()
            await self._db.q(CreateTable(_table, if_not_exists=True))
            if "progress" not in await self._columns():
                await self._target.fetch(_ADD_PROGRESS, [])

    async def lock(self) -> None:
        """Keep every other runner from writing the ledger until the transaction of this task ends.

        Readers are not blocked. A runner that has lost its lock meets here the one that has it now.
        """
        await self._target.support.lock_table(self._target, TABLE)

    async def has(self, name: str) -> bool:
        """Whether a migration has a row."""
        return bool(await self._db.q(sa.select(_table.c.position).where(_table.c.name == name)))

    async def find(self, name: str) -> LedgerEntry | None:
        """Return the row of a migration; None if it has none."""
        rows = await self._db.q(sa.select(_table).where(_table.c.name == name))
        return LedgerEntry(**rows[0]) if rows else None

    async def progress_of(self, name: str) -> str | None:
        """Return the progress of an unfinished migration, and lock its row until the transaction ends."""
        asked = sa.select(_table.c.progress).where(_table.c.name == name, _table.c.finished_at.is_(None))
        rows = await self._db.q(asked.with_for_update())
        return rows[0]["progress"] if rows else None

    async def add(self, name: str, file: MigrationFile, *, started_at: datetime, seconds: float | None) -> None:
        """Add the row of a migration.

        Args:
            name: its name, or "draft".
            file: the file that runs.
            started_at: when it started.
            seconds: how long it took; None if it has not finished.
        """
        last = await self._db.item(sa.select(sa.func.coalesce(sa.func.max(_table.c.position), 0)))
        await self._db.q(
            sa.insert(_table).values(
                name=name,
                suffix=file.suffix,
                checksum=file.checksum,
                source=file.text,
                position=last + 1,
                started_at=started_at,
                finished_at=None if seconds is None else datetime.now(UTC),
                seconds=seconds,
                version=version("deebase"),
            )
        )

    def ddl(self) -> str:
        """Return the statement that creates the ledger."""
        return str(CreateTable(_table, if_not_exists=True).compile(dialect=self._target.dialect)).strip()

    def insert(self, file: MigrationFile) -> str:
        """Return the statement that adds the row of a migration, for a script that is run by hand."""
        dialect, now = self._target.dialect, self._target.support.now
        values = {
            **{"name": file.name, "suffix": file.suffix, "checksum": file.checksum, "source": file.text},
            "version": version("deebase"),
        }
        columns = ", ".join([*values, "position", "started_at", "finished_at", "seconds"])
        listed = ", ".join([literal(value, dialect) for value in values.values()])
        last = f"SELECT coalesce(max(position), 0) + 1 FROM {TABLE}"
        return f"INSERT INTO {TABLE} ({columns}) VALUES ({listed}, ({last}), {now}, {now}, 0)"

    def delete(self, file: MigrationFile) -> str:
        """Return the statement that removes the row of a migration, for a script that is run by hand."""
        return f"DELETE FROM {TABLE} WHERE name = {literal(file.name, self._target.dialect)}"

    async def change(self, key: str, **values: Any) -> None:
        """Change columns of a row."""
        await self._db.q(sa.update(_table).where(_table.c.name == key).values(**values))

    async def rename(self, old: str, new: str) -> None:
        """Rename the row of a migration."""
        await self.change(old, name=new)

    async def replace(self, file: MigrationFile, last: str) -> None:
        """Replace the rows of migrations by that of the one they were squashed into.

        Args:
            file: the squashed migration.
            last: the name of the replaced one that was applied last.
        """
        async with self._db.transaction():
            for name in file.replaces:
                if name != last:
                    await self.remove(name)
            values = {"name": file.name, "suffix": file.suffix, "checksum": file.checksum, "source": file.text}
            await self.change(last, **values)

    async def remove(self, name: str) -> None:
        """Remove the row of a migration."""
        await self._db.q(sa.delete(_table).where(_table.c.name == name))

    async def record_draft(self, file: MigrationFile, *, all_of_it: bool) -> None:
        """Record that this database has run the open draft.

        Args:
            file: the draft as it is now.
            all_of_it: whether every step of it ran here.
        """
        await self.make()
        await self.remove(DRAFT)
        await self.add(DRAFT, file, started_at=datetime.now(UTC), seconds=0.0)
        if not all_of_it:
            await self.change(DRAFT, checksum="")
