"""The recipes for adopting a database, on tables that Django, Alembic and sqlite-utils make themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarks.real_databases.places import Place, PostgresPlace, SqlitePlace
from benchmarks.real_databases.postgres_catalog import PostgresTools
from benchmarks.real_databases.values import catalog_differences, compared
from deebase import Database, MigrationError
from deebase.migrations import Migrator
from deebase.tools.adopt import look_at
from deebase.tools.codegen import create_mod_from_database
from deebase.tools.copying import copy_database
from tests.support.modules import imported
from tests.support.postgres import PostgresTestServer
from tests.support.worlds import capabilities_at, only_on

backend_name = only_on("sqlite-file", "postgres")

SETTINGS = """
SECRET_KEY = "-"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib." + name for name in ("contenttypes", "auth", "admin", "sessions", "messages")]
PLACE = {{"NAME": {name!r}, "HOST": {host!r}, "USER": {user!r}}}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.{engine}", **PLACE}}}}
"""
ALEMBIC = """
from alembic import context
import sqlalchemy as sa

engine = sa.create_engine({url!r})
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
from alembic import op
import sqlalchemy as sa

revision, down_revision = "1a", None


def upgrade():
    op.create_table(
        "shop",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False, unique=True),
        sa.Column("open", sa.Boolean, server_default=sa.true()),
        sa.Column("price", sa.Numeric(10, 2)),
    )
    op.create_index("ix_shop_open", "shop", ["open"])
"""


def place_of(url: str) -> Place:
    return SqlitePlace(Path(url)) if capabilities_at(url).is_one_file else PostgresPlace(url, PostgresTools())


def run(directory: Path, *command: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", *command],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


#: What Django made of an empty database, by the kind of the database: a file, or the text of pg_dump.
_MADE: dict[bool, bytes] = {}


@pytest.fixture
def django(db_url: str, tmp_path: Path) -> str:
    """The URL of a database with the tables of Django, made by its own migrations, and a user."""
    is_file = capabilities_at(db_url).is_one_file
    tools = PostgresTools()
    if is_file in _MADE:
        if is_file:
            Path(db_url).write_bytes(_MADE[is_file])
        else:
            tools.psql(db_url, text=_MADE[is_file].decode())
        return db_url
    parts = urlsplit(db_url)
    settings = SETTINGS.format(
        engine="sqlite3" if is_file else "postgresql",
        name=db_url if is_file else parts.path[1:],
        host="" if is_file else parse_qs(parts.query)["host"][0],
        user="" if is_file else parts.username,
    )
    (tmp_path / "shop_settings.py").write_text(settings)
    environment = {"DJANGO_SETTINGS_MODULE": "shop_settings", "DJANGO_SUPERUSER_PASSWORD": "secret"}
    run(tmp_path, "django", "migrate", "--verbosity=0", "--skip-checks", **environment)
    user = ["--noinput", "--username=ada", "--email=ada@example.com"]
    run(tmp_path, "django", "createsuperuser", "--skip-checks", *user, **environment)
    _MADE[is_file] = Path(db_url).read_bytes() if is_file else tools.dump(db_url).encode()
    return db_url


@pytest.fixture
def empty_url(backend_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> object:
    """An empty database of the same kind."""
    if backend_name != "postgres":
        yield str(tmp_path / "empty.db")
        return
    server: PostgresTestServer = request.getfixturevalue("postgres_server")
    with server.fresh_database() as url:
        yield url


async def test_django_is_recognised_and_its_rows_are_read_and_written(django: str) -> None:
    async with Database(django) as db:
        overview = await look_at(db)
        assert [owner.name for owner in overview.owners] == ["Django"]
        assert [table.name for table in overview.tables if table.notes or table.text_columns] == []
        await db.reflect()
        user = await db.t.auth_user.lookup(username="ada")
        group = await db.t.auth_group.insert(name="staff")
        await db.t.auth_user_groups.insert(user_id=user["id"], group_id=group["id"])
        assert await db.t.auth_user_groups.fk.user_id(await db.t.auth_user_groups().one()) == user


@pytest.mark.on_a_file
async def test_the_classes_of_django_tables_make_the_same_tables(django: str, empty_url: str, tmp_path: Path) -> None:
    path = tmp_path / "models.py"
    async with Database(django) as db:
        await create_mod_from_database(path, db)
    with imported(path) as models:
        async with Database(empty_url) as other:
            await models.create_tables(other)
    assert catalog_differences(place_of(django).meaning(), place_of(empty_url).meaning()) == []


@pytest.mark.on_a_file
async def test_the_baseline_of_django_tables_makes_the_same_tables(django: str, empty_url: str, tmp_path: Path) -> None:
    before = place_of(django).exact()
    async with Database(django) as db:
        await Migrator(db, tmp_path / "migrations").baseline()
    async with Database(empty_url) as other:
        await Migrator(other, tmp_path / "migrations").up()
    assert catalog_differences(before, place_of(django).exact()) == []
    assert catalog_differences(before, place_of(empty_url).exact()) == []


async def test_a_copy_of_django_tables_has_their_definitions_and_rows(django: str, empty_url: str) -> None:
    async with Database(django) as db, Database(empty_url) as other:
        await copy_database(db, other)
    one, two = place_of(django), place_of(empty_url)
    assert catalog_differences(one.exact(), two.exact()) == []
    assert compared(one.rows(loose=False), two.rows(loose=False)) == []


async def test_the_rows_of_django_survive_a_copy_to_the_other_database_and_back(
    django: str, empty_url: str, tmp_path: Path, postgres_url: str
) -> None:
    there = postgres_url if capabilities_at(django).is_one_file else str(tmp_path / "there.db")
    async with Database(django) as db, Database(there) as middle, Database(empty_url) as back:
        await copy_database(db, middle)
        await copy_database(middle, back)
    assert compared(place_of(django).rows(loose=True), place_of(empty_url).rows(loose=True)) == []


async def test_deebase_takes_over_the_migrations_of_alembic(db_url: str, tmp_path: Path) -> None:
    url = db_url.replace("postgresql:", "postgresql+psycopg:")
    versions = tmp_path / "alembic" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").write_text(
        ALEMBIC.format(url=f"sqlite:///{url}" if capabilities_at(db_url).is_one_file else url)
    )
    (versions / "1a.py").write_text(REVISION)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = alembic\n")
    run(tmp_path, "alembic.config", "upgrade", "head")
    async with Database(db_url) as db:
        overview = await look_at(db)
        assert [(owner.name, owner.tables) for owner in overview.owners] == [("Alembic", ("alembic_version",))]
        await create_mod_from_database(tmp_path / "adopted_models.py", db)
        with imported(tmp_path / "adopted_models.py") as models:
            migrator = Migrator(db, tmp_path / "migrations", models=models.create_tables)
            await migrator.baseline()
            assert await migrator.drift() == []
            with pytest.raises(MigrationError, match="there is nothing to do"):
                await migrator.new("changes")
