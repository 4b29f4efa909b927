"""`deebase init`: the files of a project."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from deebase.cli.frame import Command, Refusal
from deebase.cli.invocation import say
from deebase.config import ENVIRONMENT, SETTINGS, VARIABLE
from deebase.errors import InvalidOperationError

_MODELS = '''"""The tables of this project, as classes."""

from dataclasses import dataclass


@dataclass
class Note:
    """An example; write your own in its place."""

    id: int
    text: str
'''
#: Only the owner reads a file that may hold a password.
_PRIVATE = 0o600
_PUBLIC = 0o644


@dataclass(frozen=True)
class _File:
    path: Path
    text: str
    mode: int = _PUBLIC


@click.command(cls=Command, example="deebase init shop --new-package shop")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option("--package", metavar="NAME", help="Put models.py into this existing package.")
@click.option("--new-package", metavar="NAME", help="Create a package for models.py.")
@click.option("--postgres", is_flag=True, help="A PostgreSQL database, instead of a SQLite file.")
def init(directory: Path, package: str | None, new_package: str | None, postgres: bool) -> None:
    """Create the files of a project.

    deebase.toml, .env with DATABASE_URL, migrations/ and models.py; existing files are never overwritten.
    """
    if package is not None and new_package is not None:
        raise Refusal("--package names an existing package, --new-package one to create: use one of them.")
    place = _package(directory, package, new_package)
    files = _files(directory, place, package or new_package, postgres=postgres)
    if new_package is not None:
        files.insert(0, _File(place / "__init__.py", ""))
    _refuse_existing(files, directory)
    _make(files, directory / "migrations")
    # With the log files of SQLite beside it.
    _ignore(directory / ".gitignore", [ENVIRONMENT] if postgres else [ENVIRONMENT, f"{_name(directory)}.db*"])
    for file in files:
        say(f"Created {file.path}.")
    what = "Correct DATABASE_URL in .env" if postgres else "Write your tables into models.py"
    say(f'{what}, then: deebase migrate new "first tables"')


def _package(directory: Path, package: str | None, new_package: str | None) -> Path:
    """Return the directory of models.py."""
    name = package or new_package
    if name is None:
        return directory
    if not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        raise Refusal(f"{name} is not a valid name of a Python package, such as my_shop.")
    tops = [directory, directory / "src"]
    found = next((top for top in tops if (top / Path(*name.split("."))).is_dir()), None)
    if package is not None and found is None:
        raise Refusal(f"Package {name} does not exist in {directory}: --new-package {name} creates it.")
    return (found or directory) / Path(*name.split("."))


def _name(directory: Path) -> str:
    """Return the name of the database."""
    return re.sub(r"\W+", "_", directory.resolve().name).strip("_").lower() or "app"


def _files(directory: Path, place: Path, package: str | None, *, postgres: bool) -> list[_File]:
    name = _name(directory)
    url = f"postgresql://postgres:password@localhost/{name}" if postgres else f"sqlite:///{name}.db"
    models = "models" if package is None else f"{package}.models"
    settings = f'migrations = "migrations"\nmodels = "{models}"\n'
    return [
        _File(directory / SETTINGS, settings),
        _File(directory / ENVIRONMENT, f"{VARIABLE}={url}\n", _PRIVATE),
        _File(place / "models.py", _MODELS),
    ]


def _refuse_existing(files: Sequence[_File], directory: Path) -> None:
    there = [str(file.path) for file in files if os.path.lexists(file.path)]
    migrations = directory / "migrations"
    if os.path.lexists(migrations) and not (migrations.is_dir() and not any(migrations.iterdir())):
        there.append(str(migrations))
    if there:
        raise InvalidOperationError(
            f"{', '.join(there)} already exists: nothing was created",
            operation="init",
            hint="choose another directory, or move the existing files away",
        )


def _make(files: Sequence[_File], migrations: Path) -> None:
    """Create the files, all or none."""
    made: list[Path] = []
    try:
        for directory in [migrations, *[file.path.parent for file in files]]:
            for part in [*reversed(directory.parents), directory]:
                if not part.exists():
                    part.mkdir()
                    made.append(part)
        for file in files:
            # The mode is set at creation, and a link that another program created meanwhile is not followed.
            descriptor = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
            made.append(file.path)
            with open(descriptor, "w", encoding="utf-8", newline="\n") as opened:
                opened.write(file.text)
    except OSError as error:
        _unmake(made)
        raise InvalidOperationError(
            f"{error.filename} cannot be created: {error.strerror}", operation="init", hint="choose another directory"
        ) from error
    except BaseException:
        _unmake(made)
        raise


def _unmake(made: Sequence[Path]) -> None:
    for path in reversed(made):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)


def _ignore(path: Path, names: Sequence[str]) -> None:
    """Add the file with the password, and the database, to .gitignore."""
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        there = {line.strip() for line in text.splitlines()}
        end = "" if not text or text.endswith("\n") else "\n"
        lines = [f"{name}\n" for name in names if name not in there]
        if lines:
            with path.open("a", encoding="utf-8", newline="\n") as opened:
                opened.write(end + "".join(lines))
    except (OSError, UnicodeDecodeError):
        say(f"Warning: {path} cannot be written: keep {ENVIRONMENT}, which holds the password, out of git yourself.")
