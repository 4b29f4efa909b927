"""`deebase data`: read and write rows."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from deebase.cli import completing
from deebase.cli.frame import Group, Refusal
from deebase.cli.invocation import changing, database_options, destroying, invocation, output_options, reading, say
from deebase.cli.output import counted, show_object, show_stream
from deebase.cli.progress_bars import bar
from deebase.cli.reading_options import DELIMITER, FORMAT, Format, import_arguments, matching, reading_options, tab
from deebase.cli.session import Session, ask, session
from deebase.cli.stdin_rows import read_records
from deebase.cli.terminal import Terminal
from deebase.cli.value_arguments import guessed, key, named, record, text_of

if TYPE_CHECKING:
    from deebase import ImportReport


@click.group(cls=Group, example="deebase data list user --order-by name --limit 10")
def data() -> None:
    """Read and write rows."""


_WHERE = click.option("--where", metavar="SQL", help="A condition, with :NAME for values.")
_PARAMS = click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A value of --where.")
_FIELDS = click.option(
    "-f",
    "--field",
    "fields",
    metavar="COLUMN=VALUE",
    multiple=True,
    help="A value of the row.",
    shell_complete=completing.columns,
)
_NULLS = click.option(
    "--null",
    "nulls",
    metavar="COLUMN",
    multiple=True,
    help="A column to set to NULL.",
    shell_complete=completing.columns,
)
_ALL = click.option("--all", "everything", is_flag=True, help="Change or delete every row.")


def _values(params: Sequence[str]) -> dict[str, object]:
    return {name: guessed(text) for name, text in named(params, "-p").items()}


@data.command("list", example="deebase data list user --where 'age > :age' -p age=30 --order-by=-age --limit 10")
@click.argument("table", shell_complete=completing.tables)
@_WHERE
@_PARAMS
@click.option(
    "--order-by",
    metavar="COLUMN",
    multiple=True,
    help="-COLUMN sorts descending; repeat it for ties.",
    shell_complete=completing.columns,
)
@click.option("--limit", type=click.IntRange(min=0), help="The maximum number of rows.")
@click.option("--offset", type=click.IntRange(min=0), help="The number of rows to skip.")
@click.option(
    "-c",
    "--column",
    "columns",
    metavar="COLUMN",
    multiple=True,
    help="Only these columns.",
    shell_complete=completing.columns,
)
@reading
def list_rows(
    table: str,
    where: str | None,
    params: Sequence[str],
    order_by: Sequence[str],
    limit: int | None,
    offset: int | None,
    columns: Sequence[str],
) -> None:
    """List rows of a table or view."""
    with session() as s:
        item = s.readable(table)
        query = item(
            *_condition(where, params),
            order_by=list(order_by) or None,
            limit=limit,
            offset=offset,
            select=list(columns) or None,
        )
        s.run(show_stream(query, columns or item.columns, every=limit is not None))


@data.command("get", example="deebase data get user 1")
@click.argument("table", shell_complete=completing.tables)
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@reading
def get(table: str, keys: Sequence[str]) -> None:
    """Show the row with this key; a composite key has several values."""
    with session() as s:
        item = s.readable(table)
        show_object(s.run(item.get(key(item, keys))))


@data.command("insert", example="deebase data insert user -f name=Ada -f email=ada@example.com")
@click.argument("table", shell_complete=completing.tables)
@_FIELDS
@_NULLS
@output_options
@changing
def insert(table: str, fields: Sequence[str], nulls: Sequence[str]) -> None:
    """Insert a row and show the stored row; without -f, insert the rows on stdin (JSON)."""
    with session() as s:
        item = s.table(table)
        if fields or nulls:
            row = s.change(item.insert(record(item, named(fields, "-f", item.columns), nulls)))
            _show_row(row, "inserted", f"into {table}")
        else:
            _count(s, item.insert_all(read_records(item)), "inserted", f"into {table}")


@data.command("update", example="deebase data update user 1 -f name=Grace")
@click.argument("table", shell_complete=completing.tables)
@click.argument("keys", metavar="[KEY...]", nargs=-1)
@_FIELDS
@_NULLS
@_WHERE
@_PARAMS
@_ALL
@output_options
@destroying
def update(
    table: str,
    keys: Sequence[str],
    fields: Sequence[str],
    nulls: Sequence[str],
    where: str | None,
    params: Sequence[str],
    everything: bool,
) -> None:
    """Change a row by key and show it; or the rows of --where, or --all; without -f, the rows on stdin by key."""
    with session() as s:
        item = s.table(table)
        if not fields and not nulls:
            _only_one("update", keys, where, everything, needed=False)
            _count(s, item.update_all(read_records(item)), "updated", f"of {table}")
            return
        values = record(item, named(fields, "-f", item.columns), nulls)
        _only_one("update", keys, where, everything)
        if keys:
            _show_row(s.change(item.update(values, pk=key(item, keys))), "updated", f"of {table}")
        else:
            if everything:
                ask(f"Change {counted(s.run(item.count()), 'row')} of {table}?")
            _count(s, item.update_where(values, *_condition(where, params), all=everything), "updated", f"of {table}")


@data.command("upsert", example="deebase data upsert user --on email -f email=ada@example.com -f name=Ada")
@click.argument("table", shell_complete=completing.tables)
@_FIELDS
@_NULLS
@click.option(
    "--on",
    metavar="COLUMN",
    multiple=True,
    help="The columns that identify the row; the key by default.",
    shell_complete=completing.columns,
)
@output_options
@changing
def upsert(table: str, fields: Sequence[str], nulls: Sequence[str], on: Sequence[str]) -> None:
    """Insert a row, or change the existing one, and show it; without -f, the rows on stdin (JSON)."""
    with session() as s:
        item = s.table(table)
        target = list(on) or None
        if fields or nulls:
            row = s.change(item.upsert(record(item, named(fields, "-f", item.columns), nulls), on=target))
            _show_row(row, "upserted", f"into {table}")
        else:
            _count(s, item.upsert_all(read_records(item), on=target), "upserted", f"into {table}")


@data.command("delete", example="deebase data delete user --where 'age > :age' -p age=90 --yes")
@click.argument("table", shell_complete=completing.tables)
@click.argument("keys", metavar="[KEY...]", nargs=-1)
@_WHERE
@_PARAMS
@_ALL
@output_options
@destroying
def delete(table: str, keys: Sequence[str], where: str | None, params: Sequence[str], everything: bool) -> None:
    """Delete a row by key, the rows of --where, or --all."""
    with session() as s:
        item = s.table(table)
        _only_one("delete", keys, where, everything)
        if keys:
            pk = key(item, keys)
            s.run(item.get(pk))
            ask(f"Delete 1 row of {table}?")
            s.change(item.delete(pk))
            _say_count(1, "deleted", f"of {table}")
            return
        condition = _condition(where, params)
        ask(f"Delete {counted(s.run(item.count(*condition)), 'row')} of {table}?")
        _count(s, item.delete_where(*condition, all=everything), "deleted", f"of {table}")


def _condition(where: str | None, params: Sequence[str]) -> list[object]:
    values = _values(params)
    if where is None:
        if values:
            raise Refusal("-p is a parameter of --where, which is missing.")
        return []
    return [where, values] if values else [where]


def _only_one(command: str, keys: Iterable[str], where: str | None, everything: bool, *, needed: bool = True) -> None:
    given = sum([bool(keys), where is not None, everything])
    if given > 1 or given != int(needed):
        wanted = "exactly one of KEY, --where and --all" if needed else "values: pass -f COLUMN=VALUE"
        raise Refusal(f"deebase data {command} needs {wanted}.")


def _show_row(row: Mapping[str, object], done: str, where: str) -> None:
    """Show a stored row, or with --dry-run report the row that would be stored."""
    if invocation().dry_run:
        say(f"1 row would be {done} {where}: {text_of(row)}")
    else:
        show_object(row)


def _count(s: Session, work: Coroutine[object, object, int], done: str, where: str) -> None:
    _say_count(s.change(work), done, where)


def _say_count(count: int, done: str, where: str) -> None:
    if invocation().dry_run:
        say(f"{counted(count, 'row')} would be {done} {where}.")
        return
    say(f"{counted(count, 'row')} {done} {where}.")
    if invocation().output is not None:
        show_object({done: count})


# -- files -------------------------------------------------------------------------------------


@data.command("import", example="deebase data import people.csv --pk id --type zip=str")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--table", help="The table for all files; by default one for each file, with its name.")
@click.option("--pk", metavar="COLUMN", multiple=True, help="The key of a new table; a unique id by default.")
@click.option("--upsert", is_flag=True, help="Update rows whose key exists, instead of refusing the file.")
@click.option("--extra", "extras", metavar="COLUMN=VALUE", multiple=True, help="A value that every row gets.")
@click.option("--alter", is_flag=True, help="Add the columns that an existing table lacks.")
@click.option("--separately", is_flag=True, help="With --table: store each file in a transaction of its own.")
@reading_options
@changing
def import_files(
    files: Sequence[str],
    table: str | None,
    pk: Sequence[str],
    upsert: bool,
    extras: Sequence[str],
    alter: bool,
    separately: bool,
    **given: Any,
) -> None:
    """Import files: CSV, TSV, JSON, NDJSON, Parquet or Excel, also compressed; - is stdin.

    A missing table is created, with types that fit the values, and a report says which and why; --dry-run only
    reports. Each file is imported completely or not at all; with --table, all of them are.
    """
    if "-" in files and table is None:
        raise Refusal("A file on stdin has no name: pass --table.")
    if "-" in files and sys.stdin.isatty():
        raise Refusal("stdin is a terminal: pipe a file into it, or name the file.")
    options: dict[str, Any] = {
        **import_arguments(given),
        "pk": list(pk) or None,
        "on_conflict": "update" if upsert else None,
        "alter": alter,
    }
    found = [name for file in files for name in matching(file)]
    groups = [found] if table is not None and not separately else [[file] for file in found]
    with session(creates=True) as s:
        for number, group in enumerate(groups):
            if number and table is not None:
                # The table exists by now.
                options.update(pk=None)
                if not alter:
                    options.update(types=None)
            with bar(", ".join(group)) as advance:
                source = group[0] if len(group) == 1 else group
                reports: list[ImportReport] = []
                options["extra"] = _extra(s, table, extras)
                work = s.db.import_file(source, table, progress=advance, report=reports.append, **options)
                item = s.change(work)
            for report in reports:
                say(str(report))
            if table is None:
                say(f"The name of {group[0]} gives the table: {item.name}; --table names another.")
            if not invocation().dry_run:
                listed = ", ".join(group)
                say(f"Imported {listed} into {item.name}, which has {counted(s.run(item.count()), 'row')} now.")


def _extra(s: Session, table: str | None, extras: Sequence[str]) -> dict[str, object]:
    """Return the values of --extra: those of columns that exist in their types, others as they look like."""
    if table is None or table not in s.db.t:
        return {name: guessed(text) for name, text in named(extras, "--extra").items()}
    item = s.table(table)
    given = named(extras, "--extra", item.columns)
    known = {name: text for name, text in given.items() if name in item.columns}
    more = {name: guessed(text) for name, text in given.items() if name not in known}
    return {**(record(item, known, ()) if known else {}), **more}


@data.command("export", example="deebase data export user users.csv --where 'age > :age' -p age=30")
@click.argument("table", shell_complete=completing.tables)
@click.argument("file", default="-")
@_WHERE
@_PARAMS
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@DELIMITER
@FORMAT
@database_options
def export_file(
    table: str,
    file: str,
    where: str | None,
    params: Sequence[str],
    overwrite: bool,
    delimiter: str | None,
    form: Format | None,
) -> None:
    """Export rows to a file: CSV, TSV, JSON, NDJSON (also .gz, .zip), Parquet or Excel; or to stdout."""
    with session() as s:
        with bar(table) as advance:
            work = s.readable(table).export_file(
                # Control characters in rows must not reach the terminal.
                Terminal(json=form in ("json", "ndjson")) if file == "-" and sys.stdout.isatty() else file,
                *_condition(where, params),
                delimiter=tab(delimiter),
                format=form or ("csv" if file == "-" else None),
                overwrite=overwrite,
                progress=advance,
            )
            count = s.run(work)
        if file != "-":
            say(f"Exported {counted(count, 'row')} of {table} to {file}.")
