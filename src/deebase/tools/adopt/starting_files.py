"""The first files of a program that uses a database which others made: settings, models and a test."""

from __future__ import annotations

import os
from pathlib import Path

from deebase.config import SETTINGS
from deebase.database import OWN_TABLES, Database
from deebase.errors import InvalidOperationError
from deebase.tools.codegen import create_mod_from_tables
from deebase.tools.codegen.writing import write_file

_MODELS, _TEST = "models.py", "test_models.py"

_SETTINGS_TEXT = """\
models = "models"
migrations = "migrations"
"""

_TEST_TEXT = '''\
"""The tables of models.py can be created in an empty database, and read.

`pytest` uses a SQLite file; `pytest --deebase-url postgresql://...` a new database on that server.
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


def write_files(db: Database, directory: str | os.PathLike[str]) -> list[Path]:
    """Write the settings, the models and a first test for a database; the database itself is not changed.

    Args:
        db: an open database, after ``reflect()`` of the schemas that the models describe.
        directory: where the files are written; it is created if necessary. No file is replaced.

    Returns:
        The paths of the files: ``deebase.toml``, ``models.py``, ``test_models.py``.

    Raises:
        InvalidOperationError: one of the files exists, or cannot be written; nothing is written then.
        UnsupportedTypeError: a column needs a class that cannot be imported.

    Warns:
        UserWarning: a part of a table that the models cannot express; a comment in them names it.

    Example:
        ```python
        await db.reflect()
        paths = write_files(db, "shop")
        ```
    """
    place = Path(directory)
    paths = [place / SETTINGS, place / _MODELS, place / _TEST]
    existing = next((path for path in paths if path.exists()), None)
    if existing is not None:
        raise InvalidOperationError(
            f"{existing} already exists", operation="adopt", target=str(existing), hint="choose another directory"
        )
    tables = [table for table in db.t if not table.name.startswith(OWN_TABLES)]
    if not tables:
        raise InvalidOperationError("the database has no tables", operation="adopt", hint="deebase init begins anew")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidOperationError(
            f"{place} cannot be created: {error.strerror}", operation="adopt", target=str(place)
        ) from error
    settings, models, test = paths
    create_mod_from_tables(models, *tables)
    write_file(settings, _SETTINGS_TEXT, overwrite=False, operation="adopt")
    write_file(test, _TEST_TEXT, overwrite=False, operation="adopt")
    return paths
