"""Scratch databases: files in a temporary directory."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deebase._backends.migration_protocols import SCRATCH_PREFIX, Connected, ScratchTarget
from deebase._backends.sqlite.schema_calls.callbacks import calls_of, collations_of
from deebase._backends.sqlite.schema_calls.trust import is_harmless
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import folded

_SCHEMA = Statement("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL", reads=True)
_FUNCTIONS = Statement("SELECT DISTINCT name FROM pragma_function_list", reads=True)


@asynccontextmanager
async def scratch(database: Connected) -> AsyncGenerator[ScratchTarget, None]:
    """See ``MigrationSupport``."""
    texts = [str(sql) for (sql,) in await database.fetch(_SCHEMA, [])]
    # The file does not have to survive a power failure.
    pragmas = {**dict(database.settings.pragmas), "synchronous": "OFF"}
    if is_harmless("\n".join(texts)):
        # The rest of its schema comes from migrations, which run whatever they want.
        pragmas["trusted_schema"] = "ON"
    options = {**await _additions(database, texts), "pragmas": pragmas, "pool_size": 1}
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX) as directory:
        yield ScratchTarget(Path(directory) / "scratch.db", options)


async def _additions(database: Connected, texts: Sequence[str]) -> dict[str, Any]:
    """Return the additions of a database, and stand-ins for the functions and collations that its schema needs.

    SQLite creates no table whose CHECK calls a function that is not defined. A table without rows does not call it.

    Args:
        database: the database.
        texts: the statements of its schema.
    """
    known = {folded(str(name)) for (name,) in await database.fetch(_FUNCTIONS, [])}
    given = dict(database.settings.additions.options)
    collations = _stand_ins("collation", collations_of(texts), {"binary", "nocase", "rtrim"})
    functions = _stand_ins("function", calls_of(texts), known)
    return {
        **given,
        "collations": {**collations, **given.get("collations", {})},
        "functions": {**functions, **given.get("functions", {})},
    }


def _stand_ins(kind: str, names: Sequence[str], known: Collection[str]) -> dict[str, Callable[..., Any]]:
    needed = [name for name in names if folded(name) not in known and not folded(name).startswith("deebase_")]
    return {name: _stand_in(kind, name) for name in needed}


def _stand_in(kind: str, name: str) -> Callable[..., Any]:
    def run(*_: object) -> Any:
        raise LookupError(f"the {kind} {name} is not defined")

    return run
