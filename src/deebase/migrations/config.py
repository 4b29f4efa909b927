"""Where a project keeps its migrations, and which module holds its models."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from deebase.errors import ConfigurationError

#: The file of the settings; in the other one they are a table of their own.
FILE = "deebase.toml"
PROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Configuration:
    """The settings of a project that are about migrations.

    Attributes:
        root: the directory of the file that says so, where modules are looked for.
        directory: of the migrations.
        models: the name of the module of models, or None.
    """

    root: Path
    directory: Path
    models: str | None = None


def read(start: Path | None = None) -> Configuration:
    """Return the settings that hold in a directory: of the nearest file in it or above.

    Without one, the migrations are in ``migrations`` there, and no models are known.

    Args:
        start: the directory; the current one by default.

    Raises:
        ConfigurationError: the file is no valid TOML, or has a setting of another kind.
    """
    here = (Path.cwd() if start is None else start).resolve()
    for directory in (here, *here.parents):
        for path in (directory / FILE, directory / PROJECT):
            found = _settings(path)
            if found is not None:
                return _configuration(path, found)
    return Configuration(here, here / "migrations")


def _settings(path: Path) -> dict[str, Any] | None:
    """Return what a file says; None when it says nothing of us."""
    try:
        text = path.read_bytes().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read", hint="look at its permissions; it is UTF-8") from error
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Not its own text, which may quote a line with a password.
        raise ConfigurationError(f"{path} is no valid TOML", hint="mend the file") from error
    if path.name == FILE:
        return found
    section = found.get("tool", {}).get("deebase")
    return cast("dict[str, Any]", section) if isinstance(section, dict) else None


def _configuration(path: Path, found: dict[str, Any]) -> Configuration:
    for name in ("migrations", "models"):
        if not isinstance(found.get(name, "x"), str) or not found.get(name, "x"):
            raise ConfigurationError(
                f"{name} in {path} is a text", hint='migrations = "migrations"; models = "app.models"'
            )
    return Configuration(path.parent, path.parent / found.get("migrations", "migrations"), found.get("models"))
