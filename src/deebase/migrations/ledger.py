"""The ledger: the table of a database that says which migrations it has."""

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
    from deebase._engine.executor import Executor
    from deebase.database import Database

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

_COLUMNS = {
    "sqlite": Statement(f"SELECT name FROM pragma_table_info('{TABLE}')", reads=True),
    "postgresql": Statement(
        f"SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass('{TABLE}') AND attnum > 0", reads=True
    ),
}
#: For a ledger that was made before there was such a column.
_ADD_PROGRESS = Statement(f"ALTER TABLE {TABLE} ADD COLUMN progress TEXT")
#: Readers go on; a runner that lost its lock on the way meets the one that got it here (PostgreSQL).
_LOCK = Statement(f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE", keeps_session=True)


@dataclass(frozen=True)
class LedgerEntry:
    """A row of the ledger.

    Attributes:
        name: of the migration, or "draft" for the commands of the open draft that were run here.
        suffix: of its file.
        checksum: of its text.
        source: its text, as it was applied; what it says of the way back is a part of it.
        position: its place in the order of application.
        started_at: when, in UTC.
        finished_at: when, in UTC; None for one that runs, or was cut off, outside of a transaction.
        seconds: how long it took.
        version: of DeeBase.
        progress: how far one has come that is applied in chunks, while it is half done.
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

    def __init__(self, db: Database, executor: Executor) -> None:
        self._db = db
        self._executor = executor
        self._postgres = executor.settings.name == "postgresql"

    async def entries(self) -> dict[str, LedgerEntry]:
        """Return the rows by name, in the order of application; none when there is no ledger yet."""
        there = await self._columns()
        if not there:
            return {}
        columns = [column for column in _table.c if column.name in there]
        rows = await self._db.q(sa.select(*columns).order_by(_table.c.position, _table.c.name))
        return {row["name"]: LedgerEntry(**row) for row in rows}

    async def _columns(self) -> set[str]:
        """Return the columns of the ledger; none where there is no ledger yet."""
        rows = await self._executor.fetch(_COLUMNS[self._executor.settings.name], [])
        return {str(name) for (name,) in rows}

    async def make(self) -> None:
        """Create the ledger unless it is there, as it is today."""
        async with self._db.transaction():
            if "progress" in await self._columns():
                return
            # Two programs that record at once must not both find the ledger missing.
            await self._executor.lock_schema()
            await self._db.q(CreateTable(_table, if_not_exists=True))
            if "progress" not in await self._columns():
                await self._executor.fetch(_ADD_PROGRESS, [])

    async def lock(self) -> None:
        """Keep every other runner from the ledger until the transaction of this task ends."""
        # BEGIN IMMEDIATE has done so already on SQLite.
        if self._postgres:
            await self._executor.fetch(_LOCK, [])

    async def has(self, name: str) -> bool:
        """Whether there is a row of a migration."""
        return bool(await self._db.q(sa.select(_table.c.position).where(_table.c.name == name)))

    async def find(self, name: str) -> LedgerEntry | None:
        """Return the row of a migration, if there is one."""
        rows = await self._db.q(sa.select(_table).where(_table.c.name == name))
        return LedgerEntry(**rows[0]) if rows else None

    async def progress_of(self, name: str) -> str | None:
        """Return how far a half-done migration has come, and keep others from changing that in this transaction."""
        asked = sa.select(_table.c.progress).where(_table.c.name == name, _table.c.finished_at.is_(None))
        rows = await self._db.q(asked.with_for_update())
        return rows[0]["progress"] if rows else None

    async def add(self, name: str, file: MigrationFile, *, started_at: datetime, seconds: float | None) -> None:
        """Add the row of a migration.

        Args:
            name: its name, or "draft".
            file: what is or was run.
            started_at: when.
            seconds: how long it took; None: it is not finished.
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
        made = CreateTable(_table, if_not_exists=True).compile(dialect=self._executor.settings.dialect)
        return str(made).strip()

    def insert(self, file: MigrationFile) -> str:
        """Return the statement that adds the row of a migration, for who runs it by hand."""
        dialect = self._executor.settings.dialect
        # SQLite's CURRENT_TIMESTAMP has another form than the other rows.
        sqlite = dialect.name == "sqlite"
        now = "strftime('%Y-%m-%d %H:%M:%f000', 'now')" if sqlite else "CURRENT_TIMESTAMP"
        values = {
            **{"name": file.name, "suffix": file.suffix, "checksum": file.checksum, "source": file.text},
            "version": version("deebase"),
        }
        columns = ", ".join([*values, "position", "started_at", "finished_at", "seconds"])
        listed = ", ".join([literal(value, dialect) for value in values.values()])
        last = f"SELECT coalesce(max(position), 0) + 1 FROM {TABLE}"
        return f"INSERT INTO {TABLE} ({columns}) VALUES ({listed}, ({last}), {now}, {now}, 0)"

    def delete(self, file: MigrationFile) -> str:
        """Return the statement that removes the row of a migration, for who undoes it by hand."""
        return f"DELETE FROM {TABLE} WHERE name = {literal(file.name, self._executor.settings.dialect)}"

    async def change(self, key: str, **values: Any) -> None:
        """Change columns of a row."""
        await self._db.q(sa.update(_table).where(_table.c.name == key).values(**values))

    async def rename(self, old: str, new: str) -> None:
        """Give the row of a migration another name."""
        await self.change(old, name=new)

    async def replace(self, file: MigrationFile, last: str) -> None:
        """Put one migration in the place of those that it was squashed from.

        Args:
            file: the one.
            last: the name of the one of them that was applied last.
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

    async def note_draft(self, file: MigrationFile, *, all_of_it: bool) -> None:
        """Note that this database has run the open draft.

        Args:
            file: the draft as it is now.
            all_of_it: nothing of it was left out here.
        """
        await self.make()
        await self.remove(DRAFT)
        await self.add(DRAFT, file, started_at=datetime.now(UTC), seconds=0.0)
        if not all_of_it:
            await self.change(DRAFT, checksum="")
