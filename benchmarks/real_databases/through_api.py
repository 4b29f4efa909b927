"""What has no command: run in a process of its own, `python -m benchmarks.real_databases.through_api read URL`."""

from __future__ import annotations

import asyncio
import csv
import importlib.util
import json
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from benchmarks.real_databases.values import Rows, loosely
from deebase import Database, DatabaseError

#: The tables that are exported, and the rows of the largest.
MOST_TABLES, MOST_ROWS = 8, 5_000


async def read(url: str) -> dict[str, int]:
    """Reflect all schemas, and read each row of each table and view."""
    counts: dict[str, int] = {}
    async with Database(url) as db:
        await db.reflect()
        for schema in await _other_schemas(db):
            await db.reflect(schema=schema)
        for table in [*db.t, *db.v]:
            count = 0
            try:
                async for _ in table:
                    count += 1
            except DatabaseError as error:
                # No program can read a materialized view that was never refreshed.
                if "has not been populated" not in str(error):
                    raise
            counts[table.name] = count
    return counts


async def _other_schemas(db: Database) -> list[str]:
    if db.engine.dialect.name != "postgresql":
        return []
    rows = await db.q(
        "SELECT DISTINCT n.nspname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
        "AND n.nspname <> current_schema()"
    )
    return [row["name"] for row in rows]


async def create(url: str, module: str) -> None:
    """Create the tables of a generated module."""
    spec = importlib.util.spec_from_file_location("models", module)
    assert spec is not None
    assert spec.loader is not None
    models = importlib.util.module_from_spec(spec)
    sys.modules["models"] = models
    spec.loader.exec_module(models)
    async with Database(url) as db:
        await models.create_tables(db)


async def files(url: str) -> list[str]:
    """Export tables, import the files into new tables, export those again, and return how the files differ."""
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dbfiles-") as directory:
        async with Database(url) as db:
            await db.reflect()
            tables = [table for table in db.t if 0 < await table.count() <= MOST_ROWS][:MOST_TABLES]
            for number, table in enumerate(tables):
                for suffix in ("csv", "json"):
                    one, other = (Path(directory) / f"{number}{which}.{suffix}" for which in "ab")
                    try:
                        await table.export_file(one)
                        await _exported_again(one, other, list(table.columns))
                        found += [
                            f"{table.name}.{suffix}: {note}" for note in _file_rows(one).differences(_file_rows(other))
                        ]
                    except Exception as error:
                        found.append(f"{table.name}.{suffix}: {type(error).__name__}: {error}")
    return found


async def _exported_again(one: Path, other: Path, columns: list[str]) -> None:
    async with Database(":memory:") as db:
        again = await db.import_file(one, "again")
        await again.export_file(other, select=columns)


def _file_rows(path: Path) -> Rows:
    """Return the rows of a file, read without DeeBase."""
    with path.open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file)) if path.suffix == ".csv" else json.load(file)
    columns = tuple(sorted(read[0]))
    return Rows(columns, Counter(tuple(repr(loosely(row[name])) for name in columns) for row in read))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    work = {"read": read, "create": create, "files": files}[sys.argv[1]]
    print(json.dumps(asyncio.run(work(*sys.argv[2:]))))  # type: ignore[operator]
