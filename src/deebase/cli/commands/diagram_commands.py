"""`deebase diagram`: a picture of the tables."""

from __future__ import annotations

from pathlib import Path

import click

from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import database_options, say
from deebase.cli.session import session
from deebase.cli.terminal import echo

#: Suffix of a file -> the attribute of a diagram that holds its text.
_TEXTS = {".mmd": "mermaid", ".svg": "svg", ".dot": "dot"}


@click.command(cls=Command, example="deebase diagram -o schema.svg")
@click.option("-o", "--output", "file", type=click.Path(dir_okay=False, path_type=Path), help="FILE.svg, .mmd or .dot.")
@click.option("--overwrite", is_flag=True, help="Replace the file if it exists.")
@click.option("--views", is_flag=True, help="Draw views, too.")
@database_options
def diagram(file: Path | None, overwrite: bool, views: bool) -> None:
    """Draw the tables and their foreign keys.

    Mermaid text on stdout, or a file in the format of its suffix.
    """
    if file is not None and file.suffix.lower() not in _TEXTS:
        raise Refusal(f"{file} must end with {', '.join(_TEXTS)}.")
    with session() as s:
        drawn = s.db.diagram(views=views)
    if file is None:
        echo(str(drawn).rstrip("\n"))
        return
    from deebase.tools.codegen.writing import write_file

    write_file(file, getattr(drawn, _TEXTS[file.suffix.lower()]), overwrite=overwrite, operation="diagram")
    say(f"Wrote {file}.")
