"""The first files of a program that uses a database which others made: settings, models and a test."""

from __future__ import annotations

import os
from pathlib import Path

from deebase._sqltext.capabilities import capabilities_of
from deebase.config import SETTINGS
from deebase.database import Database
from deebase.errors import InvalidOperationError
from deebase.tools.codegen import create_mod_from_database
from deebase.tools.codegen.writing import write_file

_MODELS, _TEST = "models.py", "test_models.py"

_SETTINGS_TEXT = """\
models = "models"
migrations = "migrations"
"""

_TEST_TEXT = '''\
"""The tables of models.py can be created in an empty database, and read.

{run}
"""

import asyncio

from models import create_tables

from deebase import Database
from deebase.testing import database_fixture

db = database_fixture(setup=create_tables)


def test_every_table_can_be_created_and_read(db: Database) -> None:
    async def counts() -> dict[str, int]:
        await db.reflect()
        return {table.name: await table.count() for table in db.t}

    found = asyncio.run(counts())
    assert found
    assert not any(found.values())
'''


#: How the test is run, by whether the database is one file.
_RUN = {
    True: "`pytest` uses a SQLite file; `pytest --deebase-url postgresql://...` a new database on that server.",
    False: "Run `pytest --deebase-url postgresql://...`, which uses a new database on that server.",
}


async def write_files(db: Database, directory: str | os.PathLike[str]) -> list[Path]:
    """Write the settings, the models and a first test for a database; the database itself is not changed.

    Args:
        db: an open database.
        directory: where the files are written; it is created if necessary. No file is replaced.

    Returns:
        The paths of the files: ``deebase.toml``, ``models.py``, ``test_models.py``.

    Raises:
        InvalidOperationError: one of the files exists or cannot be written, or the database has nothing to write.
        UnsupportedTypeError: a column needs a class that cannot be imported.

    Warns:
        UserWarning: a part of the database that the models do not create; a comment in them names it.

    Example:
        ```python
        paths = await write_files(db, "shop")
        ```
    """
    place = Path(directory)
    paths = [place / SETTINGS, place / _MODELS, place / _TEST]
    existing = next((path for path in paths if path.exists()), None)
    if existing is not None:
        raise InvalidOperationError(
            f"{existing} already exists", operation="adopt", target=str(existing), hint="choose another directory"
        )
    _make(place)
    settings, models, test = paths
    await create_mod_from_database(models, db)
    write_file(settings, _SETTINGS_TEXT, overwrite=False, operation="adopt")
    run = _RUN[capabilities_of(db.engine.dialect).is_one_file]
    write_file(test, _TEST_TEXT.replace("{run}", run), overwrite=False, operation="adopt")
    return paths


def _make(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidOperationError(
            f"{place} cannot be created: {error.strerror}", operation="adopt", target=str(place)
        ) from error
