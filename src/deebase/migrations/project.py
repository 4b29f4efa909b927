"""Where a project keeps its migrations, and which module holds its models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deebase.config import find_project


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
    project = find_project(start)
    if project is None:
        here = (Path.cwd() if start is None else start).resolve()
        return Configuration(here, here / "migrations")
    root = project.directory
    return Configuration(root, root / (project.text("migrations") or "migrations"), project.text("models"))
