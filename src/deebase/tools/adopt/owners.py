"""Recognises the program that made a database, by the tables in which it keeps its records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Owner:
    """A program that made tables of the database.

    Attributes:
        name: its name.
        tables: the tables of its records, which only it should change.
        advice: what to do about migrations.
    """

    name: str
    tables: tuple[str, ...]
    advice: str


@dataclass(frozen=True)
class _Sign:
    """How a program is recognised.

    Attributes:
        owner: its name.
        table: a table of its records.
        columns: columns that this table must have.
        advice: what to do about migrations.
        further: other tables of its records.
    """

    owner: str
    table: str
    columns: frozenset[str]
    advice: str
    further: tuple[str, ...] = ()


def _migrated_by(command: str) -> str:
    return (
        f"`{command}` keeps changing the schema: let DeeBase read and write rows, and run `deebase codegen --check` "
        "after each change. `deebase migrate baseline` is for the day when DeeBase takes over the migrations."
    )


#: In this order: of several signs of one table, the first one that fits counts.
_SIGNS = (
    _Sign(
        "Django",
        "django_migrations",
        frozenset({"app", "name", "applied"}),
        _migrated_by("python manage.py migrate"),
        ("django_content_type", "django_session", "django_admin_log", "django_site"),
    ),
    _Sign("Alembic", "alembic_version", frozenset({"version_num"}), _migrated_by("alembic upgrade head")),
    _Sign(
        "Rails", "ar_internal_metadata", frozenset({"key"}), _migrated_by("rails db:migrate"), ("schema_migrations",)
    ),
    _Sign("Ecto", "schema_migrations", frozenset({"version", "inserted_at"}), _migrated_by("mix ecto.migrate")),
    _Sign("golang-migrate", "schema_migrations", frozenset({"version", "dirty"}), _migrated_by("migrate up")),
    _Sign("Rails", "schema_migrations", frozenset({"version"}), _migrated_by("rails db:migrate")),
    _Sign("Prisma", "_prisma_migrations", frozenset({"migration_name"}), _migrated_by("prisma migrate deploy")),
    _Sign("Flyway", "flyway_schema_history", frozenset({"installed_rank"}), _migrated_by("flyway migrate")),
    _Sign(
        "Liquibase",
        "databasechangelog",
        frozenset({"md5sum"}),
        _migrated_by("liquibase update"),
        ("databasechangeloglock",),
    ),
    _Sign(
        "Knex", "knex_migrations", frozenset({"batch"}), _migrated_by("knex migrate:latest"), ("knex_migrations_lock",)
    ),
    _Sign("Laravel", "migrations", frozenset({"migration", "batch"}), _migrated_by("php artisan migrate")),
    _Sign("Diesel", "__diesel_schema_migrations", frozenset({"version"}), _migrated_by("diesel migration run")),
    _Sign("SQLx", "_sqlx_migrations", frozenset({"checksum"}), _migrated_by("sqlx migrate run")),
    _Sign("sqlite-migrate", "_sqlite_migrations", frozenset({"name"}), _migrated_by("sqlite-utils migrate")),
    _Sign(
        "GeoPackage",
        "gpkg_contents",
        frozenset({"table_name", "data_type"}),
        "Programs for maps read the gpkg_ tables: change rows only. Its triggers call functions such as ST_IsEmpty, "
        "which Database(..., functions={...}) defines.",
        ("gpkg_spatial_ref_sys", "gpkg_geometry_columns", "gpkg_extensions", "gpkg_ogr_contents", "gpkg_tile_matrix"),
    ),
)

#: One column a line, each name in brackets or quotes.
_AS_SQLITE_UTILS = re.compile(r"""CREATE TABLE (\[[^\]]+\] \(\n   \[|"[^"]+" \(\n   ")""")

_SQLITE_UTILS = Owner(
    "sqlite-utils or Datasette",
    (),
    "These programs make tables when rows arrive, and have no migrations: `deebase migrate baseline` may take over.",
)


def owners_of(tables: Mapping[str, Iterable[str]], sql: Iterable[str]) -> list[Owner]:
    """Return the programs that made tables of a database.

    Args:
        tables: the names of the tables, with their columns.
        sql: the statements that create its objects.
    """
    found: dict[str, Owner] = {}
    recognised: set[str] = set()
    for sign in _SIGNS:
        table = _table(sign.table, tables)
        if table is None or table in recognised or sign.owner in found or not sign.columns <= set(tables[table]):
            continue
        further = [name for name in (_table(other, tables) for other in sign.further) if name is not None]
        recognised.update([table, *further])
        found[sign.owner] = Owner(sign.owner, (table, *further), sign.advice)
    if not found and _has_marks_of_sqlite_utils(tables, sql):
        found[_SQLITE_UTILS.name] = _SQLITE_UTILS
    return list(found.values())


def _table(name: str, tables: Mapping[str, object]) -> str | None:
    """Return the table of this name, in whichever schema it is."""
    return next((table for table in tables if table == name or table.endswith(f".{name}")), None)


def _has_marks_of_sqlite_utils(tables: Mapping[str, Iterable[str]], sql: Iterable[str]) -> bool:
    """Whether there are the counters of sqlite-utils, or its way of writing CREATE TABLE."""
    return {"table", "count"} <= set(tables.get("_counts", ())) or any(_AS_SQLITE_UTILS.match(text) for text in sql)
