"""Who may import whom, and who may wait for a database."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.support.tree import PACKAGE, ROOT, parse, python_modules, relative

LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"

#: These hold no I/O: what they know, they know without asking a database.
PURE = ("errors", "types", "config", "_sqltext", "_types", "_rows", "_sql", "_model", "_pictures")
#: Of a backend: the modules that make statements and read results, and open no connection.
PURE_OF_BACKENDS = (
    "__init__",
    "casts",
    "check_text",
    "ddl",
    "driver_errors",
    "error_texts",
    "features",
    "inventory",
    "rebuild",
    "search_ddl",
    "search_sql",
    "search_writer",
    "settings",
    "sql",
    "table_edits",
)
#: Of the modules above the two backends: those whose protocols await a database.
AWAITING_PROTOCOLS = ("stored_tables", "migration_protocols")


def pure_modules() -> list[Path]:
    return [path for path in python_modules() if is_pure(*path.relative_to(PACKAGE).with_suffix("").parts)]


def is_pure(package: str, *rest: str) -> bool:
    if package != "_backends":
        return package in PURE
    return rest[-1] in PURE_OF_BACKENDS or (len(rest) == 1 and rest[0] not in AWAITING_PROTOCOLS)


def test_modules_import_only_from_the_layers_below() -> None:
    result = subprocess.run([sys.executable, "-c", LINT], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_layers_below_the_engine_wait_for_nothing() -> None:
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    modules = pure_modules()
    assert modules
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in modules
        for node in ast.walk(parse(path))
        if isinstance(node, waits)
    ]
    assert not found
