"""What an import costs: each step loads only what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache

import pytest

PROBE = """
import json, sys
before = set(sys.modules)
{code}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@cache
def modules_loaded_by(code: str) -> set[str]:
    result = subprocess.run(
        [sys.executable, "-c", PROBE.format(code=code)], capture_output=True, check=True, text=True, timeout=100
    )
    return set(json.loads(result.stdout))


def third_party(modules: set[str]) -> set[str]:
    top = {name.partition(".")[0] for name in modules}
    return {name for name in top if name not in sys.stdlib_module_names and name != "deebase"}


def test_import_deebase_loads_nothing_but_the_standard_library() -> None:
    assert third_party(modules_loaded_by("import deebase")) <= {"typing_extensions"}


def test_the_annotations_and_errors_load_no_database_package() -> None:
    loaded = modules_loaded_by("from deebase import ForeignKey, Index, NotFoundError, Text, UNSET, UTCDateTime")
    assert third_party(loaded) <= {"typing_extensions"}


def test_database_loads_sqlalchemy_core_but_no_driver_and_no_asyncio_part() -> None:
    loaded = modules_loaded_by("from deebase import Database")
    assert "sqlalchemy" in loaded
    assert not loaded & {"sqlalchemy.ext.asyncio", "sqlalchemy.orm", "aiosqlite", "asyncpg", "greenlet"}


@pytest.mark.parametrize("package", ["click", "rich", "alembic", "pydantic", "attr", "attrs", "msgspec"])
def test_the_library_never_loads(package: str) -> None:
    code = "import deebase\nfor name in deebase.__all__: getattr(deebase, name)"
    assert package not in third_party(modules_loaded_by(code))


def test_the_command_line_starts_without_sqlalchemy() -> None:
    assert third_party(modules_loaded_by("import deebase.cli")) <= {"click", "rich", "typing_extensions", "colorama"}


def test_making_a_database_object_opens_nothing() -> None:
    loaded = modules_loaded_by("import deebase\ndeebase.Database(':memory:')")
    assert not loaded & {"aiosqlite", "asyncpg", "sqlalchemy.ext.asyncio"}


def test_an_import_changes_nothing_of_sqlalchemy() -> None:
    code = """
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
total = sa.select(sa.func.sum(sa.column("n", sa.Numeric())))
before = str(total.compile(dialect=sqlite.dialect()))
import deebase
for name in deebase.__all__: getattr(deebase, name)
db = deebase.Database(":memory:")
from deebase._types.decimals import ExactNumber
own = sa.select(sa.func.sum(sa.column("n", ExactNumber())))
assert str(total.compile(dialect=sqlite.dialect())) == before
assert "deebase" not in str(own.compile(dialect=sqlite.dialect())), "for every user of SQLAlchemy in the process"
assert not [name for name in vars(sa.sql.functions.sum) if name.startswith("_compiler")]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
