"""No code outside of the backends knows a database by its name: it asks a capability, or a part of the backend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deebase._backends import BACKENDS
from deebase._backends.protocols import Backend, Engine, ErrorTranslator, Reflector, SchemaWriter, SearchWriter
from deebase._sql.sql_rules import SqlRules
from tests.support.tree import PACKAGE, python_modules, relative

NAME = re.compile(r"\"(?:sqlite|postgresql)\"|dialect\.name")

MODULES = [path for path in python_modules() if path.relative_to(PACKAGE).parts[0] != "_backends"]


def lines_with_a_name(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{relative(path)}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if NAME.search(line)]


def test_no_database_is_known_by_its_name() -> None:
    assert MODULES
    assert [line for path in MODULES for line in lines_with_a_name(path)] == []


#: The modules that every backend has.
PARTS = ("connections", "ddl", "driver_errors", "features", "inventory", "lane", "settings", "sql")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.capabilities.name)
def test_a_backend_has_its_parts_in_files_of_the_same_names(backend: Backend) -> None:
    package = PACKAGE / "_backends" / backend.package.rpartition(".")[2]
    assert {path.stem for path in package.glob("*.py")} >= set(PARTS)


@pytest.mark.parametrize("protocol", [Engine, ErrorTranslator, Reflector, SchemaWriter, SearchWriter, SqlRules])
def test_a_protocol_has_fewer_than_ten_methods(protocol: type) -> None:
    assert 0 < len([name for name in vars(protocol) if not name.startswith("_")]) < 10
