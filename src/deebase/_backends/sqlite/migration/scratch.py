"""Scratch databases: files in a temporary directory."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from deebase._backends.migration_protocols import SCRATCH_PREFIX, Connected, ScratchTarget


@asynccontextmanager
async def scratch(database: Connected) -> AsyncGenerator[ScratchTarget, None]:
    """See ``MigrationSupport``."""
    # The file does not have to survive a power failure. Its schema comes from migrations, which run whatever they want,
    # and it has no rows, for which a schema could call functions.
    pragmas = {**dict(database.settings.pragmas), "synchronous": "OFF", "trusted_schema": "ON"}
    options = {**database.settings.additions.options, "pragmas": pragmas, "pool_size": 1}
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX) as directory:
        yield ScratchTarget(Path(directory) / "scratch.db", options)
