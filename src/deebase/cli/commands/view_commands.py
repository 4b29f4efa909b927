"""`deebase view`: create, list, show, refresh and drop views."""

from __future__ import annotations

import sys

import click

from deebase.cli import completing
from deebase.cli.commands.table_commands import columns
from deebase.cli.frame import Group
from deebase.cli.invocation import changing, destroying, reading, recording
from deebase.cli.output import show, show_object
from deebase.cli.session import ask, session
from deebase.errors import InvalidOperationError


@click.group(cls=Group, example='deebase view create adult --sql "SELECT id, name FROM user WHERE age >= 18"')
def view() -> None:
    """Create, show and refresh views."""


@view.command("create", example='deebase view create adult --sql "SELECT id, name FROM user WHERE age >= 18"')
@click.argument("name")
@click.option("--sql", required=True, metavar="SELECT", help="The query of the view; - reads it from stdin.")
@click.option("--key", metavar="COLUMN", help="The key column, for data get; the first column by default.")
@click.option("--replace", is_flag=True, help="Replace an existing view.")
@click.option("--materialized", is_flag=True, help="Store the rows until deebase view refresh (PostgreSQL).")
@recording
@changing
def create(name: str, sql: str, key: str | None, replace: bool, materialized: bool) -> None:
    """Create a view."""
    text = sys.stdin.read() if sql == "-" else sql
    with session() as s:
        work = s.db.create_view(name, text, key=key, replace=replace, materialized=materialized)
        undo = [f"DROP {'MATERIALIZED ' if materialized else ''}VIEW {s.quoted(name)}"]
        s.change_schema(work, f"Created view {name}.", undo=undo)


@view.command("list", example="deebase view list")
@reading
def list_views() -> None:
    """List the views."""
    with session() as s:
        found = [{"name": item.name, "columns": list(item.columns)} for item in s.db.v]
    show(found, ("name", "columns"))


@view.command("show", example="deebase view show adult")
@click.argument("name", shell_complete=completing.tables)
@reading
def show_view(name: str) -> None:
    """Show the columns, the SQL and the number of rows of a view."""
    with session() as s:
        item = s.view(name)
        sql = s.run(s.tools.view_definition(name))
        listed = [{key: column[key] for key in ("name", "type")} for column in columns(item)]
        show_object({"name": name, "columns": listed, "sql": sql.strip(), "rows": s.run(item.count())})


@view.command("refresh", example="deebase view refresh totals --concurrently")
@click.argument("name", shell_complete=completing.tables)
@click.option("--concurrently", is_flag=True, help="Do not block readers; needs a unique index (view create --key).")
@changing
def refresh(name: str, concurrently: bool) -> None:
    """Refresh the rows of a materialized view (PostgreSQL)."""
    with session() as s:
        try:
            s.change(s.view(name).refresh(concurrently=concurrently), f"Refreshed view {name}.")
        except InvalidOperationError as error:
            hint = "on PostgreSQL, deebase view create --materialized creates one that stores its rows"
            raise InvalidOperationError(error.message, target=name, hint=hint) from error


@view.command("drop", example="deebase view drop adult --yes")
@click.argument("name", shell_complete=completing.tables)
@recording
@destroying
def drop(name: str) -> None:
    """Drop a view; no row of a table is lost."""
    with session() as s:
        item = s.view(name)
        ask(f"Drop view {name}?")
        s.change_schema(item.drop(), f"Dropped view {name}.")
