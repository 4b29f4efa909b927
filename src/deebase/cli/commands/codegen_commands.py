"""`deebase codegen`: models from the database."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deebase.cli.frame import ATTENTION, Command, Refusal
from deebase.cli.invocation import database_options, say
from deebase.cli.session import session
from deebase.cli.terminal import echo
from deebase.errors import InvalidOperationError

if TYPE_CHECKING:
    from deebase.cli.session import Rows


@click.command(cls=Command, example="deebase codegen -o models.py")
@click.argument("tables", nargs=-1)
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="The file; else stdout.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 4 if the file differs, and show how.")
@database_options
def codegen(tables: Sequence[str], file: Path | None, overwrite: bool, check: bool) -> None:
    """Write models from the database.

    A module with a dataclass for each of the tables, or for all, and a function that creates them again.
    """
    from deebase.tools.codegen import create_mod_from_tables

    if check and file is None:
        raise Refusal("--check compares with a file: name it with -o.")
    with session() as s:
        chosen = [s.table(name) for name in tables] or s.tables
        if not chosen:
            raise InvalidOperationError("the database has no tables", operation="codegen", hint="deebase table create")
        if file is None:
            echo(_source(chosen), nl=False)
        elif check:
            _compare(file, _source(chosen))
        else:
            if file.exists() and not overwrite:
                raise InvalidOperationError(
                    f"{file} already exists", operation="codegen", target=str(file), hint="--overwrite replaces it"
                )
            create_mod_from_tables(file, *chosen, overwrite=overwrite)
            say(f"Wrote {file}.")


def _source(tables: Sequence[Rows]) -> str:
    from deebase.tools.codegen import create_mod_from_tables

    with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
        path = Path(directory) / "models.py"
        create_mod_from_tables(path, *tables)
        return path.read_text(encoding="utf-8")


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
