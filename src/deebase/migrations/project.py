"""The settings of a project for migrations: their directory, and the module of its models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deebase.config import find_project


@dataclass(frozen=True)
class Configuration:
    """The settings of a project for migrations.

    Attributes:
        root: the directory of the settings file, which is searched for modules.
        directory: the directory of the migrations.
        models: the name of the module of models, or None.
    """

    root: Path
    directory: Path
    models: str | None = None


def read(start: Path | None = None) -> Configuration:
    """Return the settings for a directory, from the nearest file in it or above.

    Without such a file, the migrations are in ``migrations``, and no models are known.

    Args:
        start: the directory; the current one by default.

    Raises:
        ConfigurationError: the file is not valid TOML, or a setting has the wrong type.
    """
    project = find_project(start)
    if project is None:
        here = (Path.cwd() if start is None else start).resolve()
        return Configuration(here, here / "migrations")
    root = project.directory
    return Configuration(root, root / (project.text("migrations") or "migrations"), project.text("models"))
