"""Files of migrations: their names, their seal, and how they are written."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import secrets
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deebase.errors import MigrationError, ValidationError
from deebase.migrations.hints import either

#: The suffixes of migrations, and how a comment begins in each.
COMMENTS = {".py": "#", ".sql": "--"}

#: The name of a draft, and of its row in the ledger.
DRAFT = "draft"

_NUMBERED = re.compile(r"(?P<number>\d{4,9})-[\w-]+")
_DRAFT = re.compile(r"draft(?:-(?P<title>[\w-]+))?")
_SEAL = re.compile(r"(?:#|--) sealed: sha256:(?P<checksum>[0-9a-f]{64})[ \t]*\n")

_REPLACES = re.compile(r"(?:#|--) replaces: (?P<names>[^\n]+)\n")

#: Longest slug in characters: with four bytes each, the name still fits every file system.
_SLUG_LENGTH = 50

#: Lines of a difference that a message shows.
_SHOWN_LINES = 30


@dataclass(frozen=True)
class MigrationFile:
    """A migration as it is on disk.

    Attributes:
        path: the file.
        text: its text, without its seal and with ``\\n`` at the end of lines.
        seal: the checksum it was sealed with, or None.
    """

    path: Path
    text: str
    seal: str | None

    @property
    def name(self) -> str:
        """The name without the suffix: ``0007-add-age``."""
        return self.path.stem

    @property
    def number(self) -> int | None:
        """Its number, None for a draft."""
        return number_of(self.name)

    @property
    def suffix(self) -> str:
        """``.py`` or ``.sql``."""
        return self.path.suffix

    @property
    def title(self) -> str:
        """The title in its name; empty for a draft without one."""
        found = _DRAFT.fullmatch(self.name)
        return (found["title"] or "") if found else self.name.partition("-")[2]

    @property
    def replaces(self) -> tuple[str, ...]:
        """The names of the migrations that were squashed into it."""
        found = _REPLACES.match(self.text)
        return tuple(found["names"].split()) if found else ()

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of its text, independent of its name and of the ends of lines."""
        return checksum_of(self.text)


def checksum_of(text: str) -> str:
    """Return the checksum of a migration's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def number_of(name: str) -> int | None:
    """Return the number that the name of a migration begins with; None for a draft."""
    return int(name.partition("-")[0]) if _NUMBERED.fullmatch(name) else None


def name_for(number: int, title: str) -> str:
    """Return the name of a migration: ``0007-add-age``."""
    return f"{number:04d}-{title}"


def slug(title: str) -> str:
    """Return a title as a part of a file name.

    Raises:
        ValidationError: it has neither letters nor digits.
    """
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", title).lower())
    found = "-".join(words)[:_SLUG_LENGTH].strip("-")
    if not found:
        raise ValidationError(
            "the name of a migration has no letters",
            field="name",
            value=title,
            hint=either("new('add age')", "new 'add age'"),
        )
    return found


def is_numbered(name: str) -> bool:
    """Whether this is the name of a numbered migration, not of a draft."""
    return _NUMBERED.fullmatch(name) is not None


def list_directory(directory: Path) -> tuple[list[Path], list[Path]]:
    """Return the migrations of a directory, drafts included, and the files with other names.

    Raises:
        MigrationError: the directory does not exist.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if path.suffix in COMMENTS and path.is_file())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MigrationError(
            f"there is no directory {directory} with migrations",
            hint=either("new('first step')", "new 'first step'")
            + " creates it; Migrator(db, directory) and --directory name another one",
        ) from error
    paths = [path for path in paths if not path.name.startswith(("_", "."))]
    good = [path for path in paths if is_numbered(path.stem) or _DRAFT.fullmatch(path.stem)]
    return good, [path for path in paths if path not in good]


def read(path: Path) -> MigrationFile:
    """Read one migration.

    Raises:
        MigrationError: it cannot be read, or is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise MigrationError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    except UnicodeDecodeError as error:
        raise MigrationError(f"{path} is not UTF-8", hint="save it as UTF-8") from error
    # git may change the ends of lines on another system.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = _SEAL.match(text)
    return MigrationFile(path, text[found.end() :], found["checksum"]) if found else MigrationFile(path, text, None)


def write(path: Path, text: str, *, sealed: bool, new: bool = False) -> MigrationFile:
    """Write a migration with its seal, all or nothing.

    Args:
        path: the file.
        text: its text.
        sealed: put the checksum above the text.
        new: the file must not exist.

    Raises:
        MigrationError: it cannot be written, or exists although it must not.
    """
    seal = checksum_of(text) if sealed else None
    line = "" if seal is None else f"{COMMENTS[path.suffix]} sealed: sha256:{seal}\n"
    # A name without a suffix of migrations, in case it is left behind.
    draft = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
    try:
        draft.write_text(line + text, encoding="utf-8", newline="\n")
        if new and path.exists():
            raise MigrationError(f"{path} already exists", hint="choose another name, or remove the file")
        os.replace(draft, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)
    return MigrationFile(path, text, seal)


def rename(path: Path, name: str) -> Path:
    """Rename a migration in its directory.

    Raises:
        MigrationError: the name exists already, or the file cannot be renamed.
    """
    target = path.with_name(name + path.suffix)
    if target.exists():
        raise MigrationError(f"{target} already exists", hint="choose another name, or remove the file")
    try:
        path.rename(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    return target


def remove(path: Path) -> None:
    """Remove a migration.

    Raises:
        MigrationError: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def make_directory(directory: Path) -> None:
    """Create the directory of the migrations if it does not exist."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error


def _unwritable(path: Path, error: OSError) -> MigrationError:
    return MigrationError(f"{path} cannot be written: {error.strerror}", hint="check the permissions and the disk")


def difference(before: str, after: str) -> str:
    """Return the difference of two texts, for messages."""
    lines = list(
        difflib.unified_diff(before.splitlines(), after.splitlines(), "as applied", "as it is now", n=1, lineterm="")
    )
    more = [f"... and {len(lines) - _SHOWN_LINES} more lines"] if len(lines) > _SHOWN_LINES else []
    return "\n".join([*lines[:_SHOWN_LINES], *more])
