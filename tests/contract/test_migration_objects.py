"""Objects besides tables in migrations: kept by the first one, compared by each, changed and restored."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deebase import Database
from deebase._backends.schema_parts import SchemaParts
from deebase._backends.schema_script import SchemaScript
from deebase._engine.core import core_of
from deebase.errors import MigrationError
from deebase.migrations import Migrator
from tests.support.migrations import compare, read, scratch
from tests.support.rich_schemas import NEW, OLD, catalog, rich
from tests.support.worlds import only_on

#: A migration reads the tables, of which some have columns without a counterpart in Python.
pytestmark = pytest.mark.filterwarnings("ignore:.* read and written as text")


#: Each database; scratch databases are files, whatever they are for.
backend_name = only_on("sqlite-file", "postgres")

#: For what only PostgreSQL has.
ON_POSTGRES = pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)

Make = Callable[[Database], Awaitable[None]]


async def nothing(db: Database) -> None:
    pass


async def differences(db: Database, make: Make) -> list[str]:
    async with scratch(db) as wanted:
        await make(wanted)
        return [str(difference) for difference in (await compare(db, wanted)).differences()]


@pytest.mark.on_a_file
async def test_a_schema_of_another_program_is_kept_whole(db: Database, tmp_path: Path) -> None:
    await rich(db)
    migrator = Migrator(db, tmp_path / "migrations")
    await migrator.baseline()
    assert await migrator.drift() == []
    assert await migrator.check() == []
    before = await catalog(db)
    async with scratch(db) as empty:
        again = Migrator(empty, tmp_path / "migrations")
        await again.up()
        assert await catalog(empty) == before
        await again.down()
        assert await differences(empty, nothing) == []


async def test_the_names_of_constraints_are_kept(db: Database, tmp_path: Path) -> None:
    await db.script(
        """
        CREATE TABLE album (id integer NOT NULL, title varchar(9) NOT NULL, CONSTRAINT pk_album PRIMARY KEY (id));
        CREATE TABLE track (id integer CONSTRAINT pk_track PRIMARY KEY, n integer CONSTRAINT few CHECK (n < 9),
            s varchar(9), CONSTRAINT one_s UNIQUE (s));
        """
    )
    before = await catalog(db)
    await Migrator(db, tmp_path / "migrations").baseline()
    async with scratch(db) as empty:
        await Migrator(empty, tmp_path / "migrations").up()
        assert await catalog(empty) == before


async def test_a_class_does_not_have_to_name_constraints(db: Database, tmp_path: Path) -> None:
    named = "CREATE TABLE author (id integer NOT NULL, n text UNIQUE, CONSTRAINT pk_author PRIMARY KEY (id))"
    unnamed = "CREATE TABLE author (id integer NOT NULL PRIMARY KEY, n text, UNIQUE (n))"

    async def models(wanted: Database) -> None:
        await wanted.q(unnamed)

    await db.q(named)
    migrator = Migrator(db, tmp_path / "migrations", models=models)
    await migrator.baseline()
    with pytest.raises(MigrationError, match="nothing to do"):
        await migrator.new("names")


async def test_tables_that_classes_make_exactly_are_classes(db: Database, tmp_path: Path) -> None:
    authors = await db.create(Author, indexes=["name"])
    await authors.insert({"name": "Ann"})
    await Migrator(db, tmp_path / "migrations").baseline()
    (path,) = (tmp_path / "migrations").glob("*.py")
    assert 'await db.create(Author, indexes=["name"])' in path.read_text(encoding="utf-8")


@ON_POSTGRES
async def test_lost_row_security_is_reported(db: Database, tmp_path: Path) -> None:
    await rich(db)
    migrator = Migrator(db, tmp_path / "migrations")
    await migrator.baseline()
    await db.q("DROP POLICY visible ON author")
    await db.q("ALTER TABLE author NO FORCE ROW LEVEL SECURITY")
    await db.q("ALTER TABLE sales.orders DISABLE ROW LEVEL SECURITY")
    await db.q("ALTER POLICY written ON author WITH CHECK (true)")
    assert sorted(str(found) for found in await migrator.drift()) == [
        "author: is another row security",
        "sales.orders: is a row security that is missing",
        "visible on author: is a policy that is missing",
        "written on author: is another policy",
    ]


@ON_POSTGRES
async def test_what_is_not_carried_is_named(db: Database, tmp_path: Path) -> None:
    await db.script("CREATE TABLE t (id integer PRIMARY KEY); GRANT SELECT ON t TO PUBLIC")
    migrator = Migrator(db, tmp_path / "migrations")
    name = await migrator.baseline()
    (text,) = await migrator.not_compared()
    assert text.startswith("privileges of table public.t")
    written = (tmp_path / "migrations" / f"{name}.py").read_text(encoding="utf-8")
    assert "not compared: privileges of table public.t" in " ".join(written.replace("#", "").split())


# -- a later migration -------------------------------------------------------------------------------


async def new(db: Database) -> None:
    await db.script(NEW)


async def old(db: Database) -> None:
    await db.script(OLD)


@ON_POSTGRES
async def test_objects_are_changed_around_the_tables_that_use_them(db: Database, tmp_path: Path) -> None:
    await old(db)
    await Migrator(db, tmp_path / "migrations").baseline()
    await db.q("INSERT INTO t VALUES (1, 5, 'x')")
    await db.q("SELECT nextval('counter'), nextval('counter')")
    migrator = Migrator(db, tmp_path / "migrations", models=new)
    text = (await migrator.new("objects")).read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "not done here" in line or "in a scratch" in line] == []
    await migrator.seal()
    await migrator.up()
    assert await differences(db, new) == []
    # Three values were cached: 1, 6 and 11.
    assert await db.item("SELECT nextval('counter')") == 18
    await migrator.down()
    assert await differences(db, old) == []
    assert await db.q("SELECT * FROM t") == [{"id": 1, "n": 5, "s": "x"}]


@ON_POSTGRES
async def test_tables_of_other_schemas_keep_their_rows(db: Database, tmp_path: Path) -> None:
    before = "CREATE SCHEMA sales; CREATE TABLE sales.orders (id integer PRIMARY KEY)"

    async def models(wanted: Database) -> None:
        await wanted.script(before)
        await wanted.script("ALTER TABLE sales.orders ADD COLUMN n integer; CREATE VIEW sales.v AS SELECT 1 AS one")

    await db.script(before)
    await Migrator(db, tmp_path / "migrations").baseline()
    migrator = Migrator(db, tmp_path / "migrations", models=models)
    text = (await migrator.new("orders")).read_text(encoding="utf-8")
    assert "# not done here: the table sales.orders has another definition" in text
    assert "DROP TABLE" not in text
    assert "CREATE VIEW sales.v" in text
    await db.q("ALTER TABLE sales.orders ADD COLUMN n integer")
    assert [str(found) for found in await migrator.drift()] == ["sales.orders: is another table"]


@ON_POSTGRES
async def test_a_schema_that_is_not_public_is_the_current_one(db: Database, tmp_path: Path) -> None:
    await db.script("CREATE SCHEMA app; CREATE TABLE public.outside (id integer PRIMARY KEY)")
    url = core_of(db).executor.settings.sa_url.update_query_dict({"options": "-csearch_path=app"})
    async with Database(url.render_as_string(hide_password=False).replace("+asyncpg", "")) as app:
        await app.script("CREATE TABLE t (id integer PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        migrator = Migrator(app, tmp_path / "migrations")
        await migrator.baseline()
        assert await migrator.drift() == []
        assert await migrator.check() == []
        assert await app.item("SELECT to_regclass('app._deebase_migrations') IS NOT NULL")


class Author:
    id: int
    name: str


@ON_POSTGRES
async def test_classes_say_nothing_of_what_they_cannot_express(db: Database, tmp_path: Path) -> None:
    async def models(wanted: Database) -> None:
        await wanted.create(Author)

    migrator = Migrator(db, tmp_path / "migrations", models=models)
    await migrator.new("authors")
    await migrator.seal()
    path = await Migrator(db, tmp_path / "migrations").new("by hand", sql=True)
    path.write_text(
        "-- upgrade\nALTER TABLE author ENABLE ROW LEVEL SECURITY;\nCREATE POLICY p ON author USING (true);\n"
        "-- downgrade\nDROP POLICY p ON author;\nALTER TABLE author DISABLE ROW LEVEL SECURITY;\n",
        encoding="utf-8",
    )
    await migrator.seal()
    assert await migrator.check() == []
    with pytest.raises(MigrationError, match="nothing to do"):
        await migrator.new("again")


@ON_POSTGRES
async def test_definitions_that_differ_are_never_called_equal(db: Database) -> None:
    await db.create(Author)
    known = await read(db)
    script = SchemaScript(
        tuple(
            dataclasses.replace(item, key=f"{item.key} USING unheard_of") if item.kind == "table" else item
            for item in known.script.objects
        )
    )
    wanted = dataclasses.replace(known, parts=SchemaParts(known.parts.tables, known.views, script))
    found = [str(difference) for difference in (await compare(db, wanted)).differences()]
    assert found == ["author: lacks: using unheard_of"]
