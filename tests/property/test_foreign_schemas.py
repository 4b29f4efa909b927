"""Schemas that other programs make: what DeeBase generates, migrates and copies equals them, or names the difference.

The schemas are SQL text, not made by DeeBase, and a reader of the catalogs that shares nothing with it decides.
`DEEBASE_EXAMPLES=2000 pytest --long tests/property/test_foreign_schemas.py` runs as many cases as one likes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from benchmarks.real_databases.places import Place, PostgresPlace, SqlitePlace
from benchmarks.real_databases.postgres_catalog import PostgresTools
from benchmarks.real_databases.values import catalog_differences, compared, unnamed
from deebase import Database
from deebase.migrations import Migrator
from deebase.tools.codegen import create_mod_from_database
from deebase.tools.copying import copy_database
from tests.support.foreign_schemas import postgres_schemas, sqlite_schemas
from tests.support.modules import imported
from tests.support.postgres import PostgresTestServer

CASES = int(os.environ.get("DEEBASE_EXAMPLES", "500"))


class Bench:
    """Gives empty databases of both kinds, for one case."""

    def __init__(self, server: PostgresTestServer, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._server = server
        self._stack = stack
        self._tools = PostgresTools()
        self._numbers = itertools.count()

    def file(self) -> SqlitePlace:
        """Return an empty SQLite file."""
        return SqlitePlace(self.directory / f"{next(self._numbers)}.db")

    def database(self) -> PostgresPlace:
        """Return an empty PostgreSQL database."""
        return PostgresPlace(self._stack.enter_context(self._server.fresh_database()), self._tools)

    def file_of(self, sql: str) -> SqlitePlace:
        """Return a SQLite file that a script has made."""
        place = self.file()
        with closing(sqlite3.connect(place.path)) as connection:
            connection.executescript(sql)
        return place

    def database_of(self, sql: str) -> PostgresPlace:
        """Return a PostgreSQL database that a script has made."""
        place = self.database()
        self._tools.psql(place.url, text=sql)
        return place


#: A step is given the directory of the case, the source, an empty database of the same kind and one of the other kind.
Step = Callable[[Path, Place, Place, Place], Coroutine[Any, Any, list[str]]]


async def generated(directory: Path, source: Place, made: Place, _: Place) -> list[str]:
    """Generate classes, create their tables in an empty database, and return what is different and not named."""
    path = directory / "models.py"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with Database(source.url) as db:
            await create_mod_from_database(path, db)
    with imported(path) as module, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with Database(made.url) as db:
            await module.create_tables(db)
    comments = [line for line in path.read_text().splitlines() if line.lstrip().startswith("#")]
    said = "\n".join([*comments, *(str(warning.message) for warning in caught)])
    return unnamed(catalog_differences(source.meaning(), made.meaning()), said)


async def migrated(directory: Path, source: Place, made: Place, _: Place) -> list[str]:
    """Write the baseline, apply it to an empty database, and return what is different and not named."""
    before = source.exact()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with Database(source.url) as db:
            await Migrator(db, directory / "migrations").baseline()
        async with Database(made.url) as db:
            await Migrator(db, directory / "migrations").up()
    text = "\n".join(path.read_text() for path in (directory / "migrations").iterdir() if path.is_file())
    comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    said = "\n".join([*comments, *(str(warning.message) for warning in caught)])
    return unnamed(catalog_differences(before, source.exact()), "") + unnamed(
        catalog_differences(before, made.exact()), said
    )


async def copied(_: Path, source: Place, made: Place, __: Place) -> list[str]:
    """Copy to a database of the same kind, and return what is different and not named."""
    said = await _copy(source, made)
    differences = catalog_differences(source.exact(), made.exact())
    return unnamed(differences + compared(source.rows(loose=False), made.rows(loose=False)), said)


async def there_and_back(_: Path, source: Place, back: Place, there: Place) -> list[str]:
    """Copy to the other kind of database and back, and return the values that differ and are not named."""
    said = await _copy(source, there) + await _copy(there, back)
    return unnamed(compared(source.rows(loose=True), back.rows(loose=True)), said)


async def _copy(source: Place, target: Place) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with Database(source.url) as one, Database(target.url) as two:
            report = await copy_database(one, two)
    return "\n".join([*report.left_out, *report.notes])


STEPS: tuple[Step, ...] = (generated, migrated, copied, there_and_back)


@pytest.fixture
def cases(postgres_server: PostgresTestServer) -> Callable[..., None]:
    """Return a function that takes random schemas through a step."""

    def run(step: Step, schemas: st.SearchStrategy[str], kind: str, number: int, *phases: Phase) -> None:
        @settings(
            max_examples=number,
            deadline=None,
            derandomize=not phases,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, *phases),
        )
        @given(schemas)
        def case(sql: str) -> None:
            note(sql)
            with ExitStack() as stack:
                directory = Path(tempfile.mkdtemp(prefix="dbforeign-"))
                stack.callback(shutil.rmtree, directory)
                bench = Bench(postgres_server, directory, stack)
                makers = {"sqlite": (bench.file_of, bench.file, bench.database)}
                makers["postgres"] = (bench.database_of, bench.database, bench.file)
                source, same, other = makers[kind]
                places = (source(sql), same(), other())
                with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                    assert runner.run(step(directory, *places)) == []

        case()

    return run


SCHEMAS = {"sqlite": sqlite_schemas(), "postgres": postgres_schemas()}


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("number", [3, pytest.param(5, marks=pytest.mark.long)])
def test_nothing_of_a_foreign_schema_is_lost_silently(
    cases: Callable[..., None], step: Step, kind: str, number: int
) -> None:
    cases(step, SCHEMAS[kind], kind, number)


@pytest.mark.long
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("kind", sorted(SCHEMAS))
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_nothing_is_lost_silently_in_many_cases(cases: Callable[..., None], step: Step, kind: str) -> None:
    cases(step, SCHEMAS[kind], kind, CASES, Phase.shrink)
