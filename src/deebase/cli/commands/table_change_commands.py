"""The commands of `deebase table` that change the columns of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from deebase.cli import field_arguments as fields
from deebase.cli.frame import Command
from deebase.cli.invocation import changing, destroying, invocation, recording
from deebase.cli.output import counted
from deebase.cli.session import Session, ask, session
from deebase.cli.value_arguments import named
from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._tables.table import Table


@click.command("add-column", cls=Command, example="deebase table add-column user city:str:nullable")
@click.argument("name", metavar="TABLE")
@click.argument("text", metavar="FIELD")
@recording
@changing
def add_column(name: str, text: str) -> None:
    """Add a column.

    FIELD is as in table create. One that is not nullable needs a default, which the rows that are there get.
    """
    from deebase._model.generated_names import foreign_key_index_name

    spec = fields.parse(text)
    _refuse_check(name, spec)
    with session() as s:
        table = s.table(name)
        undo = [f"ALTER TABLE {s.quoted(name)} DROP COLUMN {s.quoted(spec.name)}"]
        indexes = [foreign_key_index_name(table.sa_table.name, [spec.name])] if spec.mark is not None else []
        indexes += [fields.unique_index(table.sa_table.name, spec)] if spec.unique else []
        undo += [f"DROP INDEX {s.quoted(index)}" for index in indexes]
        s.change_schema(_add(table, spec), f"Added column {spec.name} to {name}.", undo=undo)


def _refuse_check(table: str, spec: fields.FieldSpec) -> None:
    if spec.check is not None or spec.digits is not None:
        raise ValidationError(
            f"{table}.{spec.name}: a check, as of decimal(10,2), belongs to the whole table and is made with it",
            field=spec.name,
            hint="leave it out",
        )


async def _add(table: Table[Any], spec: fields.FieldSpec) -> None:
    from deebase import UNSET

    default = UNSET if spec.default is None else spec.default_value
    changed = await table.add_column(spec.name, spec.annotation, default=default, fk=spec.mark)
    if spec.unique:
        await changed.create_index(spec.name, name=fields.unique_index(table.sa_table.name, spec), unique=True)


@click.command("rename-column", cls=Command, example="deebase table rename-column user name full_name")
@click.argument("name", metavar="TABLE")
@click.argument("old")
@click.argument("new")
@recording
@changing
def rename_column(name: str, old: str, new: str) -> None:
    """Rename a column, also where indexes, views and foreign keys use it."""
    with session() as s:
        undo = [f"ALTER TABLE {s.quoted(name)} RENAME COLUMN {s.quoted(new)} TO {s.quoted(old)}"]
        _transform(s, s.table(name), f"Renamed column {old} of {name} to {new}.", undo, rename={old: new})


@click.command("drop-column", cls=Command, example="deebase table drop-column user city --yes")
@click.argument("name", metavar="TABLE")
@click.argument("column")
@recording
@destroying
def drop_column(name: str, column: str) -> None:
    """Drop a column with its values."""
    with session() as s:
        table = s.table(name)
        _ask_to_drop(s, table, [column])
        _transform(s, table, f"Dropped column {column} of {name}.", drop=column)


def _ask_to_drop(s: Session, table: Table[Any], names: Sequence[str]) -> None:
    for name in names:
        ask(f"Drop column {name} of {table.name} with {counted(s.run(_count_of(table, name)), 'value')}?")


async def _count_of(table: Table[Any], name: str) -> int:
    # A name that is no column is refused by the query before it is sent.
    return await table.count() - await table.count(**{name: None})


@click.command("transform", cls=Command, example="deebase table transform user --type age=int --not-null email")
@click.argument("name", metavar="TABLE")
@click.option("--type", "types", metavar="COLUMN=TYPE", multiple=True, help="Another type; values are converted.")
@click.option("--rename", metavar="OLD=NEW", multiple=True, help="Another name.")
@click.option("--drop", metavar="COLUMN", multiple=True, help="Drop a column with its values.")
@click.option("--not-null", metavar="COLUMN", multiple=True, help="Refuse NULL from now on.")
@click.option("--null", metavar="COLUMN", multiple=True, help="Allow NULL from now on.")
@click.option("--default", "defaults", metavar="COLUMN=VALUE", multiple=True, help="Another default.")
@click.option("--no-default", metavar="COLUMN", multiple=True, help="No default any more.")
@click.option("--pk", metavar="COLUMN", multiple=True, help="The new key; given twice, a composite one.")
@click.option("--no-pk", is_flag=True, help="No key any more.")
@click.option("--add-fk", metavar="COLUMN=TABLE[.COLUMN]", multiple=True, help="A foreign key.")
@click.option("--drop-fk", metavar="COLUMN", multiple=True, help="Drop the foreign key of a column.")
@click.option("--order", metavar="COLUMN", multiple=True, help="The columns that come first (SQLite).")
@recording
@destroying
def transform(name: str, **given: Any) -> None:
    """Change a table, all of it or nothing.

    On SQLite a table that cannot be altered is made anew; rows, indexes, triggers, views and the rows of other tables
    stay. All names are those from before the change.
    """
    with session() as s:
        table = s.table(name)
        arguments = _arguments(table, given)
        _ask_to_drop(s, table, given["drop"])
        _transform(s, table, f"Changed table {name}.", **arguments)


def _arguments(table: Table[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``Table.transform`` that the options stand for."""
    from deebase.cli.value_arguments import value

    types = {
        column: fields.parse(f"{fields.escaped(column)}:{kind}")
        for column, kind in named(given["types"], "--type", table.columns).items()
    }
    for spec in types.values():
        _refuse_check(table.name, spec)
    defaults = {
        column: value(table, column, text) if column not in types else _typed_default(types[column], text)
        for column, text in named(given["defaults"], "--default", table.columns).items()
    }
    arguments: dict[str, Any] = {
        "types": {
            column: spec.annotation if not _may_be_null(table, column) else spec.annotation | None
            for column, spec in types.items()
        },
        "rename": named(given["rename"], "--rename", table.columns),
        "drop": list(given["drop"]),
        "not_null": {**dict.fromkeys(given["not_null"], True), **dict.fromkeys(given["null"], False)},
        "defaults": {**defaults, **dict.fromkeys(given["no_default"])},
        "add_foreign_keys": named(given["add_fk"], "--add-fk", table.columns),
        "drop_foreign_keys": list(given["drop_fk"]),
        "column_order": list(given["order"]),
    }
    wanted = {option: argument for option, argument in arguments.items() if argument}
    if given["pk"] or given["no_pk"]:
        wanted["pk"] = list(given["pk"]) or None
    return wanted


def _typed_default(spec: fields.FieldSpec, text: str) -> Any:
    spec.default = text
    return spec.default_value


def _may_be_null(table: Table[Any], column: str) -> bool:
    return column in table.columns and bool(table.c[column].nullable)


def _transform(s: Session, table: Table[Any], done: str, undo: Sequence[str] = (), /, **arguments: Any) -> None:
    if invocation().dry_run:
        s.print_sql(s.run(table.transform_sql(**arguments)))
    else:
        s.change_schema(table.transform(**arguments), done, undo=undo)


COMMANDS = (add_column, rename_column, drop_column, transform)
