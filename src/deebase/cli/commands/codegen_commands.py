"""`deebase codegen`: models from the database."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from pathlib import Path

import click

from deebase.cli.frame import ATTENTION, Command, Refusal
from deebase.cli.invocation import database_options, say
from deebase.cli.session import session
from deebase.cli.terminal import echo
from deebase.errors import InvalidOperationError


@click.command(cls=Command, example="deebase codegen -o models.py")
@click.argument("tables", nargs=-1)
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="The file; else stdout.")
@click.option("--schema", "schemas", multiple=True, help="A schema to write, more than once for several; else all.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 4 if the file differs, and show how.")
@database_options
def codegen(tables: Sequence[str], file: Path | None, schemas: Sequence[str], overwrite: bool, check: bool) -> None:
    """Write models from the database.

    A module with a dataclass for each of the tables and views, or for all, and a function that creates them again.
    What a class does not express is created by its SQL.
    """
    from deebase.tools.codegen.database_module import database_module
    from deebase.tools.codegen.writing import write_file

    if check and file is None:
        raise Refusal("--check compares with a file: name it with -o.")
    with session() as s:
        if file is not None and not check and file.exists() and not overwrite:
            raise InvalidOperationError(
                f"{file} already exists", operation="codegen", target=str(file), hint="--overwrite replaces it"
            )
        chosen = [s.readable(name).name for name in tables if "." not in name or name in s.db.t]
        chosen += [name for name in tables if name not in chosen]
        source, notes = s.run(database_module(s.db, chosen, schemas or None))
        for note in notes:
            warnings.warn(note, stacklevel=1)
        if file is None:
            echo(source, nl=False)
        elif check:
            _compare(file, source)
        else:
            write_file(file, source, overwrite=overwrite, operation="codegen")
            say(f"Wrote {file}.")


def _compare(file: Path, wanted: str) -> None:
    try:
        there = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        say(f"{file} does not exist: deebase codegen -o {file} writes it.")
        click.get_current_context().exit(ATTENTION)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOperationError(f"{file} cannot be read", operation="codegen", target=str(file)) from error
    lines = difflib.unified_diff(there.splitlines(), wanted.splitlines(), str(file), "the database", lineterm="")
    difference = "\n".join(lines)
    if difference:
        echo(difference)
        say(f"{file} differs from the database: deebase codegen -o {file} --overwrite updates it.")
        click.get_current_context().exit(ATTENTION)
    say(f"{file} matches the database.")
