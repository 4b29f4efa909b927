"""The settings of a project: its settings file, its `.env` and the environment."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from deebase.errors import ConfigurationError

#: The settings file, and the file that may have a table ``[tool.deebase]`` instead.
SETTINGS = "deebase.toml"
PYPROJECT = "pyproject.toml"
ENVIRONMENT = ".env"
VARIABLE = "DATABASE_URL"

_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*?)\s*")
_PATH_IN_URL = re.compile(
    r"(?P<scheme>sqlite(?:\+aiosqlite)?:///)(?P<path>[^?]*)(?P<query>.*)", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Project:
    """The nearest settings file.

    Attributes:
        path: the path of the file.
        settings: its contents.
    """

    path: Path
    settings: Mapping[str, Any]

    @property
    def directory(self) -> Path:
        """The directory of the file; paths in it are relative to that."""
        return self.path.parent

    def text(self, name: str) -> str | None:
        """Return a text setting; None if it is not set.

        Raises:
            ConfigurationError: it is not a text, or empty.
        """
        value = self.settings.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{name} in {self.path} is not a text, or empty", hint=f'{name} = "..."')
        return value


def find_project(start: Path | None = None) -> Project | None:
    """Return the settings for a directory: those of the nearest file in it or above.

    Args:
        start: the directory; the current one by default.

    Raises:
        ConfigurationError: a file cannot be read, or is not valid TOML.
    """
    for directory in _upwards(start):
        for path in (directory / SETTINGS, directory / PYPROJECT):
            settings = _settings(path)
            if settings is not None:
                return Project(path, settings)
    return None


def find_url(start: Path | None = None, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the database URL of a project, from the environment, ``.env`` or the settings file.

    A relative path of a SQLite file is relative to the directory of the file that names it.

    Args:
        start: the directory; the current one by default.
        environment: the environment variables.

    Raises:
        ConfigurationError: a file cannot be read, or is not valid.
    """
    if environment.get(VARIABLE):
        return environment[VARIABLE]
    here = (Path.cwd() if start is None else start).resolve()
    for directory in _upwards(here):
        path = directory / ENVIRONMENT
        url = read_environment(path).get(VARIABLE)
        if url:
            return _anchored(url, directory, here)
        # An .env above the project belongs to something else.
        if any((directory / name).exists() for name in (SETTINGS, PYPROJECT, ".git")):
            break
    project = find_project(here)
    url = None if project is None else project.text("url")
    return None if project is None or url is None else _anchored(url, project.directory, here)


def read_environment(path: Path) -> dict[str, str]:
    """Return the variables of an ``.env`` file: lines of ``NAME=value``, the value bare or in quotes.

    Raises:
        ConfigurationError: the file cannot be read, or has a line of another form.
    """
    text = _read(path)
    found: dict[str, str] = {}
    for number, line in enumerate((text or "").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            # Not the line itself, which may hold a password.
            raise ConfigurationError(f"line {number} of {path} is not of the form NAME=value", hint="correct the line")
        found[match["name"]] = _unquoted(match["value"])
    return found


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote in ("'", '"') and quote:
        end = value.find(quote, 1)
        return value[1:end] if end > 0 else value
    # After a blank, a # begins a comment.
    return re.split(r"\s#", value, maxsplit=1)[0].rstrip()


def _upwards(start: Path | None) -> Iterator[Path]:
    here = (Path.cwd() if start is None else start).resolve()
    yield here
    yield from here.parents


def _read(path: Path) -> str | None:
    """Return the text of a file; None if it does not exist."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", hint="check its permissions") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8", hint="save it as UTF-8") from error


def _settings(path: Path) -> Mapping[str, Any] | None:
    """Return the settings in a file; None if it has none."""
    text = _read(path)
    if text is None:
        return None
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Only the position: the rest of the message may quote a line with a password.
        place = re.search(r"\(at (line \d+, column \d+)\)", str(error))
        where = f" at {place[1]}" if place else ""
        raise ConfigurationError(f"{path} is not valid TOML{where}", hint="correct the file") from None
    if path.name == SETTINGS:
        return found
    section = found.get("tool", {}).get("deebase")
    return cast("Mapping[str, Any]", section) if isinstance(section, dict) else None


def _anchored(url: str, directory: Path, here: Path) -> str:
    """Return a URL whose relative path, if any, is relative to the directory of its file."""
    if directory == here:
        return url
    if "://" not in url:
        return url if url == ":memory:" else str(directory / url)
    match = _PATH_IN_URL.fullmatch(url)
    if match is None or match["path"] in ("", ":memory:"):
        return url
    return f"{match['scheme']}{directory / match['path']}{match['query']}"
