"""`deebase index`: create, list and drop indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deebase.cli import completing
from deebase.cli.commands.table_commands import columns_of, indexes_of
from deebase.cli.frame import Group
from deebase.cli.invocation import changing, destroying, reading, recording
from deebase.cli.output import show
from deebase.cli.session import Session, ask, session
from deebase.errors import SchemaError

if TYPE_CHECKING:
    from deebase.cli.session import Rows


@click.group(cls=Group, example="deebase index create user email --unique")
def index() -> None:
    """Create, list and drop indexes."""


@index.command("create", example="deebase index create user last_name,first_name --where 'deleted IS NULL'")
@click.argument("table", shell_complete=completing.tables)
@click.argument("columns")
@click.option("--name", help="ix_TABLE_COLUMNS by default.")
@click.option("--unique", is_flag=True, help="Refuse rows with the same values.")
@click.option("--where", metavar="SQL", help="A condition: the index covers only the rows that meet it.")
@click.option("--if-not-exists", is_flag=True, help="Do nothing if an index of this name exists.")
@recording
@changing
def create(table: str, columns: str, name: str | None, unique: bool, where: str | None, if_not_exists: bool) -> None:
    """Create an index over COLUMNS: one, or several as a,b."""
    with session() as s:
        item = s.table(table)
        names = columns_of(columns, item.columns)
        work = item.create_index(names, name=name, unique=unique, where=where, if_not_exists=if_not_exists)
        made = name or f"ix_{item.sa_table.name}_{'_'.join(names)}"
        undo = [f"DROP INDEX {s.quoted(made)}"]
        s.change_schema(work, f"Created index {made} of {table}.", undo=undo)


@index.command("list", example="deebase index list user")
@click.argument("table", required=False, shell_complete=completing.tables)
@reading
def list_indexes(table: str | None) -> None:
    """List the indexes of a table, or of all."""
    with session() as s:
        chosen = [s.table(table)] if table is not None else s.tables
        found = [{"table": item.name, **entry} for item in chosen for entry in indexes_of(s, item)]
    show(found, ("table", "name", "columns", "unique", "where"))


@index.command("drop", example="deebase index drop ix_user_email --yes")
@click.argument("name")
@click.option("--table", help="The table, if several have an index of this name.")
@recording
@destroying
def drop(name: str, table: str | None) -> None:
    """Drop an index; no row is lost."""
    with session() as s:
        item = s.table(table) if table is not None else _table_of(s, name)
        ask(f"Drop index {name} of {item.name}?")
        undo = s.run(s.tools.index_definitions(name))
        s.change_schema(item.drop_index(name), f"Dropped index {name} of {item.name}.", undo=undo)


def _table_of(s: Session, name: str) -> Rows:
    found = [item for item in s.db.t if any(entry["name"] == name for entry in item.indexes)]
    if len(found) != 1:
        if not found:
            raise SchemaError(f"index {name!r} does not exist", hint="deebase index list shows them")
        tables = " and ".join(item.name for item in found)
        raise SchemaError(f"{tables} have an index {name!r}", hint="name the --table")
    return found[0]
