"""The examples of docstrings run, in a world that has the tables and names they take for granted."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import deebase
from deebase import Database, queries
from deebase.migrations import Migrator, irreversible
from tests.project.test_docstrings import OWN_SPECIALS, example_of
from tests.support.docs import Block, start_block
from tests.support.examples import world

CLASSES = (
    deebase.Database,
    deebase.Table,
    deebase.SchemaEditor,
    deebase.TransformPlan,
    deebase.Query,
    deebase.SearchQuery,
    deebase.Hit,
    deebase.View,
    deebase.Transaction,
    Migrator,
)
OTHERS = (
    deebase.Index,
    deebase.dataclass_src,
    deebase.create_mod,
    deebase.create_mod_from_tables,
    irreversible,
    *[getattr(queries, name) for name in queries.__all__],
)

NOT_RUN = {
    "Migrator.repair": "it mends what is left when a process dies: tests/faults/test_migration_faults.py",
}
POSTGRES_ONLY = {"View.refresh"}
#: The role of these tests is a superuser, whom row security does not restrict.
SQLITE_ONLY = {"Database.acting"}


def examples() -> dict[str, str]:
    """Return the code of each example by the name of its member."""
    found: dict[str, str] = {}
    for cls in CLASSES:
        for base in cls.__mro__:
            if not base.__module__.startswith("deebase"):
                continue
            found[base.__name__] = example_of(inspect.getdoc(base) or "")
            for name, member in vars(base).items():
                if (not name.startswith("_") or name in OWN_SPECIALS) and hasattr(member, "__doc__"):
                    found[f"{base.__name__}.{name}"] = example_of(inspect.getdoc(member) or "")
    for other in OTHERS:
        found[other.__name__] = example_of(inspect.getdoc(other) or "")
    # A shorthand may show the example of what it forwards to.
    names = {code: name for name, code in reversed(found.items())}
    return {name: code for code, name in names.items() if code and name not in NOT_RUN}


EXAMPLES = examples()


async def run(name: str, db: Database) -> None:
    async with world(db, name) as names:
        try:
            started = start_block(Block(Path(f"<example of {name}>"), 1, EXAMPLES[name], None), names)
            if started is not None:
                await started
        except Exception as error:
            error.add_note(f"in the example of {name}: tests/support/examples.py makes what it takes for granted")
            raise
        finally:
            for value in names.values():
                if isinstance(value, Database) and value is not db:
                    await value.close()


@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - POSTGRES_ONLY))
@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_an_example_runs_on_sqlite(
    name: str, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await run(name, db)


@pytest.mark.long
async def test_the_examples_run_on_postgres(postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in sorted(EXAMPLES.keys() - SQLITE_ONLY):
        directory = tmp_path / name
        directory.mkdir()
        monkeypatch.chdir(directory)
        async with Database(postgres_url) as db:
            await db.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public;")
            await run(name, db)


def test_what_is_not_run_exists_and_says_why() -> None:
    members: dict[str, Any] = {
        f"{cls.__name__}.{name}": member for cls in CLASSES for name, member in vars(cls).items()
    }
    assert [name for name, reason in NOT_RUN.items() if name not in members or len(reason) < 10] == []
