"""An import changes nothing for the rest of the process: not SQLAlchemy, nor any state of the standard library."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

#: Loading everything takes seconds, and more on a busy machine.
pytestmark = pytest.mark.timeout(120)

#: Prints what differs after some code: attributes of the modules and classes of others, and state of the process.
PROBE = """
import asyncio, csv, decimal, importlib, json, locale, logging, pkgutil, signal, sqlite3, sys, threading, types
import warnings
asyncio.get_event_loop_policy()
for name in (
    "sqlalchemy.ext.asyncio", "sqlalchemy.ext.compiler", "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.dialects.postgresql.asyncpg", "alembic.autogenerate", "alembic.command", "click", "rich.console",
    "rich.table",
):
    importlib.import_module(name)
import sqlalchemy
from sqlalchemy.dialects import postgresql, sqlite

OTHERS = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "click", "rich"}
NAMED = set(logging.root.manager.loggerDict)
STANDARD = {"_csv", "csv", "warnings", "logging", "sqlite3", "asyncio", "json", "decimal", "signal", "locale"}

def contents(value, depth=3):
    # By identity, as far as three levels down.
    if isinstance(value, dict):
        return id(value), items(value, depth)
    if isinstance(value, (list, set, frozenset)):
        return id(value), [id(item) for item in value]
    own = type(value).__module__.partition(".")[0] in OTHERS and not isinstance(value, type)
    return id(value), items(getattr(value, "__dict__", {}), depth) if own else None

def items(found, depth):
    pairs = list(found.items())
    return [(key if isinstance(key, str) else id(key), depth and contents(item, depth - 1)) for key, item in pairs]

def attributes():
    found = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in OTHERS | STANDARD:
            continue
        for key, value in list(vars(module).items()):
            if isinstance(value, types.ModuleType):
                continue  # A submodule that was loaded since.
            found[f"{name}.{key}"] = id(value) if key.startswith("__") else contents(value)
            if isinstance(value, type) and value.__module__.partition(".")[0] in OTHERS | STANDARD:
                for own, item in list(vars(value).items()):
                    found[f"{value.__module__}.{value.__qualname__}.{own}"] = contents(item, 1)
    return found

def process():
    loggers = logging.root.manager.loggerDict.items()
    return {
        "csv": (csv.field_size_limit(), csv.list_dialects()),
        "warnings": (warnings.showwarning, list(warnings.filters)),
        "logging": (logging.root.level, list(logging.root.handlers), logging.getLogRecordFactory()),
        "loggers": {
            name: (logger.level, list(logger.handlers), logger.propagate)
            for name, logger in loggers
            if name in NAMED and isinstance(logger, logging.Logger)
        },
        "asyncio": asyncio.get_event_loop_policy(),
        "signals": [signal.getsignal(number) for number in sorted(signal.valid_signals())],
        "hooks": (sys.excepthook, sys.unraisablehook, sys.displayhook, threading.excepthook, sys.getrecursionlimit()),
        "imports": (list(sys.path), list(sys.meta_path), list(sys.path_hooks)),
        "decimal": repr(decimal.getcontext()),
        "locale": locale.setlocale(locale.LC_ALL),
        "sqlite3": (dict(sqlite3.adapters), dict(sqlite3.converters)),
        "sum": [str(sqlalchemy.func.sum(sqlalchemy.column("x", sqlalchemy.Numeric)).compile(dialect=dialect))
                for dialect in (sqlite.dialect(), postgresql.dialect())],
    }

before, state = attributes(), process()
loaded = {name.rpartition(".")[0] for name in before}
@CODE@
after, now = attributes(), process()
changed = [name for name in state if state[name] != now[name]]
changed += [name for name in before if after.get(name) != before[name]]
changed += [name for name in after if name not in before and name.rpartition(".")[0] in loaded]
print(json.dumps(changed))
"""

ALL_MODULES = """
import deebase
for found in pkgutil.walk_packages(deebase.__path__, "deebase."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
for name in deebase.__all__:
    getattr(deebase, name)
"""

ALLOWED = {
    # A counter of columns that are made.
    "sqlalchemy.util.langhelpers._creation_order",
    # What compares schemas for migrations, under a name of ours; no other environment of Alembic asks for it.
    "alembic.runtime.plugins._all_plugins",
}


def changes(code: str) -> set[str]:
    probe = PROBE.replace("@CODE@", code)
    result = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True, text=True, timeout=90)
    return set(json.loads(result.stdout))


def test_no_module_changes_anything_of_others() -> None:
    assert changes(ALL_MODULES) <= ALLOWED


SEEN = {
    "sum": """
from sqlalchemy.ext.compiler import compiles
compiles(sqlalchemy.sql.functions.sum, "sqlite")(lambda element, compiler, **options: "other()")
""",
    "sqlalchemy.sql.functions.sum.": "",
    "csv": "csv.field_size_limit(99)",
    "warnings": "warnings.simplefilter('ignore')",
    "logging": "logging.basicConfig()",
    "loggers": "logging.getLogger('sqlalchemy').propagate = False",
    "sqlite3": "sqlite3.register_adapter(complex, str)",
    "asyncio": "asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())",
    "sqlalchemy.dialects.registry": "sqlalchemy.dialects.registry.register('x', 'y', 'z')",
    "sqlalchemy.sql.functions._registry": "class later(sqlalchemy.sql.functions.GenericFunction): inherit_cache = True",
    "decimal": "decimal.getcontext().prec = 5",
}


def test_such_changes_are_seen() -> None:
    found = changes("\n".join(SEEN.values()))
    assert [name for name in SEEN if not any(one.startswith(name) for one in found)] == []


def test_the_entry_in_alembic_has_our_name() -> None:
    code = (
        "from alembic.runtime.plugins import _all_plugins\n"
        "before = set(_all_plugins)\n"
        "import deebase.migrations.compare.diff\n"
        "added = set(_all_plugins) - before\n"
        "assert added and all(name.startswith('deebase') for name in added), added"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
