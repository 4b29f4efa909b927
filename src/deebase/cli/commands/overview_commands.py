"""`deebase overview` and `deebase schema`: a database at a glance, and its definition."""

from __future__ import annotations

import os

import click

from deebase.cli import completing
from deebase.cli.frame import Command
from deebase.cli.invocation import database_options, invocation, reading, say
from deebase.cli.output import counted, output_format, show
from deebase.cli.session import Session, session
from deebase.cli.terminal import echo

_COLUMNS = ("name", "columns", "rows", "exact", "size_bytes", "indexes")


@click.command(cls=Command, example="deebase app.db\ndeebase overview --url postgresql://localhost/app")
@reading
def overview() -> None:
    """Show the tables of a database with their columns, rows and sizes.

    Many rows are an estimate: exact is false. SQLite does not keep the size of a table.
    """
    with session() as s:
        size = s.run(s.db.size())
        lines: list[dict[str, object]] = []
        for table in s.tables:
            found = size.tables[table.name]
            lines.append(
                {
                    "name": table.name,
                    "columns": ", ".join(table.columns) if output_format() == "table" else list(table.columns),
                    "rows": found.rows,
                    "exact": found.exact,
                    "size_bytes": found.bytes,
                    "indexes": len(table.indexes),
                }
            )
        parts = [counted(len(lines), "table"), counted(len(s.db.v), "view"), counted(size.bytes, "byte")]
        where = repr(s.db).removeprefix("<Database ").removesuffix(">")
    show(lines, _COLUMNS)
    say(f"{where}: {', '.join(parts)}.")
    say(f"deebase studio{_named()} shows the rows in the browser, deebase shell{_named()} opens a prompt.")


def _named() -> str:
    """Return the database as it was named, for a command that a user types; "" for that of the project."""
    url = invocation().url
    # A URL may hold a password.
    return f" {url}" if url is not None and os.path.isfile(url) else ""


@click.command(cls=Command, example="deebase schema app.db\ndeebase schema user")
@click.argument("table", required=False, shell_complete=completing.tables)
@database_options
def schema(table: str | None) -> None:
    """Print the SQL that creates the database, or a table.

    Everything but the rows, in an order in which it can be created; of a table, also its indexes and triggers.
    """
    with session() as s:
        echo("\n\n".join(_of_database(s) if table is None else _of_table(s, table)))


def _of_database(s: Session) -> list[str]:
    from deebase.tools.schema_sql import definitions

    return [definition.sql for definition in s.run(definitions(s.db))]


def _of_table(s: Session, name: str) -> list[str]:
    from deebase.tools.schema_sql import table_definition

    found = s.run(table_definition(s.db, s.readable(name).name))
    parts = [found.sql, *[index.sql for index in found.indexes if index.sql], *[one.sql for one in found.triggers]]
    return [f"{sql.rstrip().rstrip(';')};" for sql in parts]
