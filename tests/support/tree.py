"""The files of this project, as the tests about the project itself see them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "deebase"


def python_modules(top: Path = PACKAGE) -> list[Path]:
    """Return the Python files below a directory, sorted."""
    return sorted(top.rglob("*.py"))


def relative(path: Path) -> str:
    """Return a path as it reads from the root of the project."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=relative(path))


def project_files() -> list[Path]:
    """Return the files that are, or would be, under version control; without git, all files."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split("\0")
        paths: Iterator[Path] = (ROOT / name for name in listed if name)
    except (OSError, subprocess.CalledProcessError):
        paths = (path for path in ROOT.rglob("*") if not _is_hidden(path))
    return sorted(path for path in paths if path.is_file())


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(ROOT).parts)
