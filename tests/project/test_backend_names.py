"""No code outside of the backends knows a database by its name: it asks a capability, or a part of the backend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deebase._backends import BACKENDS
from deebase._backends.protocols import Backend, Engine, ErrorTranslator, Reflector, SchemaWriter
from deebase._sql.rules import SqlRules
from tests.support.tree import PACKAGE, python_modules, relative

NAME = re.compile(r"\"(?:sqlite|postgresql)\"|dialect\.name")

#: Files that still compare names. The list may only shrink.
REMAINING = frozenset(
    {
        "_engine/context.py",
        "_sql/binding.py",
        "_sql/raw.py",
        "_sql/read_only.py",
        "_sql/session_statements.py",
        "_sqltext/scanner.py",
        "_tables/raw_sql.py",
        "_tables/relations.py",
        "_tables/table.py",
        "_types/arithmetic.py",
        "_types/base.py",
        "_types/decimals.py",
        "_types/moment_sql.py",
        "_types/moments.py",
        "_types/native.py",
        "_types/sql_defaults.py",
        "_types/standard.py",
        "cli/commands/db_commands.py",
        "cli/commands/index_commands.py",
        "cli/commands/info_commands.py",
        "cli/commands/sql_commands.py",
        "cli/commands/view_commands.py",
        "cli/field_arguments.py",
        "cli/recording.py",
        "cli/session.py",
        "migrations/check/comments.py",
        "migrations/check/contents_postgres.py",
        "migrations/check/guarded.py",
        "migrations/check/hazards.py",
        "migrations/check/hazards_python.py",
        "migrations/check/hazards_sql.py",
        "migrations/check/loss_guard.py",
        "migrations/check/rules.py",
        "migrations/compare/schema.py",
        "migrations/ledger.py",
        "migrations/loading.py",
        "migrations/lock.py",
        "migrations/scratch.py",
        "migrations/upkeep/backups.py",
        "migrations/upkeep/eject.py",
        "migrations/write/alteration.py",
        "migrations/write/body.py",
        "migrations/write/drafts.py",
        "migrations/write/impossible_casts.py",
        "tools/backup.py",
        "tools/codegen/constraints.py",
        "tools/copying/copy.py",
        "tools/copying/target_structure.py",
        "tools/doctor.py",
    }
)

MODULES = [path for path in python_modules() if path.relative_to(PACKAGE).parts[0] != "_backends"]


def lines_with_a_name(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [f"{relative(path)}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if NAME.search(line)]


@pytest.mark.parametrize("path", [pytest.param(path, id=relative(path)) for path in MODULES])
def test_no_database_is_known_by_its_name(path: Path) -> None:
    found = lines_with_a_name(path)
    if path.relative_to(PACKAGE).as_posix() in REMAINING:
        assert found, "the file names no database any more: take it off the list"
    else:
        assert not found


def test_the_remaining_files_exist() -> None:
    assert {path.relative_to(PACKAGE).as_posix() for path in MODULES} >= REMAINING


#: The modules that every backend has.
PARTS = ("capabilities", "connections", "ddl", "driver_errors", "extras", "inventory", "lane", "settings", "sql")


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.capabilities.name)
def test_a_backend_has_its_parts_in_files_of_the_same_names(backend: Backend) -> None:
    package = PACKAGE / "_backends" / backend.package.rpartition(".")[2]
    assert {path.stem for path in package.glob("*.py")} >= set(PARTS)


@pytest.mark.parametrize("protocol", [Engine, ErrorTranslator, Reflector, SchemaWriter, SqlRules])
def test_a_protocol_has_fewer_than_ten_methods(protocol: type) -> None:
    assert 0 < len([name for name in vars(protocol) if not name.startswith("_")]) < 10
