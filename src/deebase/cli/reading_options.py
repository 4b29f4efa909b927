"""The options that say how a file is read, and the arguments of ``import_file`` that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from glob import glob, has_magic
from pathlib import Path
from typing import Any, Literal, get_args

import click

from deebase.cli import field_arguments
from deebase.cli.value_arguments import named
from deebase.errors import ValidationError

Format = Literal["csv", "tsv", "json", "ndjson", "parquet", "xlsx"]

FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Format)),
    help="The format, if the name of the file does not say it.",
)
DELIMITER = click.option("--delimiter", metavar="CHARACTER", help="The separator of CSV fields; detected by default.")


_RAGGED = "What becomes of rows with too few or too many fields: an error, NULL in missing fields, or nothing."
#: Options that are arguments of ``import_file`` as they are.
_SAME = ("encoding", "skip", "comment", "ragged", "decimal", "thousands", "date_format", "rows", "flatten")
_READING = (
    click.option("--type", "types", metavar="COLUMN=TYPE", multiple=True, help="The type of a column of a new table."),
    click.option(
        "--types", "listed", metavar="COLUMN=TYPE,...", multiple=True, help="Types of columns, separated by commas."
    ),
    click.option(
        "--null", "nulls", metavar="TEXT", multiple=True, help="A CSV text that means NULL, as an empty field does."
    ),
    click.option("--encoding", metavar="NAME", help="The encoding of the text: UTF-8 by default."),
    click.option("--skip", type=click.IntRange(min=0), default=0, help="The number of lines before the header."),
    click.option("--comment", metavar="TEXT", help="What lines start with that are left out."),
    click.option("--no-quotes", is_flag=True, help="Quotes are characters like others."),
    click.option("--ragged", type=click.Choice(("error", "fill", "skip")), default="error", help=_RAGGED),
    click.option("--decimal", metavar="CHARACTER", default=".", help="What separates the fraction of a CSV number."),
    click.option("--thousands", metavar="CHARACTER", help="What separates groups of three digits."),
    click.option("--date-format", metavar="FORMAT", help="The format of dates, such as %d.%m.%Y."),
    click.option("--rows", metavar="KEY", help="The key of the array of rows inside of a JSON object, such as data."),
    click.option("--flatten", is_flag=True, help="Make columns of the keys of objects in JSON rows."),
    click.option("--sheet", metavar="NAME", help="The sheet of a workbook, by name or number."),
    DELIMITER,
    FORMAT,
)


def reading_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how a file is read."""
    for option in reversed(_READING):
        command = option(command)
    return command


def import_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``import_file`` for the options of a command line."""
    listed = [part for parts in given["listed"] for part in parts.split(",")]
    annotations = {name: _type(name, kind) for name, kind in named([*given["types"], *listed], "--type").items()}
    sheet: str | None = given["sheet"]
    return {
        "types": annotations or None,
        "null": ["", *given["nulls"]],
        "delimiter": tab(given["delimiter"]),
        "quote": None if given["no_quotes"] else '"',
        "format": given["form"],
        "sheet": int(sheet) if sheet is not None and sheet.isdecimal() else sheet,
        **{name: given[name] for name in _SAME},
    }


def matching(name: str) -> list[str]:
    """Return the files that match a pattern, where no file has that name."""
    if name == "-" or Path(name).exists() or not has_magic(name):
        return [name]
    return sorted(glob(name)) or [name]


def _type(name: str, kind: str) -> Any:
    spec = field_arguments.parse(f"{field_arguments.escaped(name)}:{kind}")
    if spec.digits is not None:
        raise ValidationError(
            f"--type {name}: use decimal without digits; it stores any number of them", field=name, hint="decimal"
        )
    # Any column of a file may have missing values.
    return spec.annotation | None


def tab(delimiter: str | None) -> str | None:
    return "\t" if delimiter in ("\\t", "tab") else delimiter
