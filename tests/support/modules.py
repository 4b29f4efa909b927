"""Generated modules: imported, and checked by ruff and mypy."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

_numbers = itertools.count()


@contextmanager
def imported(path: Path) -> Iterator[ModuleType]:
    """Import a file as a module of a name of its own, for the length of the block."""
    name = f"generated_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Not by its loader: a file of the same second and size would be read from the bytecode of the former one.
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec", dont_inherit=True), vars(module))
        yield module
    finally:
        del sys.modules[name]


def ruff_complaints(*paths: Path, select: str = "E4,E7,E9,F,I,B,UP,SIM,RUF,C4,PT,ASYNC,FURB157,PYI061") -> str:
    """Return what ``ruff format`` would change and ``ruff check`` refuses; empty for nothing."""
    files = [str(path) for path in paths]
    ruff = [shutil.which("ruff", path=Path(sys.executable).parent) or "ruff"]
    formatted = subprocess.run(
        [*ruff, "format", "--isolated", "--target-version=py311", "--diff", *files], capture_output=True, text=True
    )
    checked = subprocess.run(
        [*ruff, "check", "--isolated", "--no-cache", "--target-version=py311", f"--select={select}", *files],
        capture_output=True,
        text=True,
        # DeeBase is a library of the project that the module belongs to, not a part of it.
        cwd=paths[0].parent,
    )
    complaints = formatted.stdout + (formatted.stderr if formatted.returncode > 1 else "")
    return complaints + (checked.stdout + checked.stderr if checked.returncode else "")


def mypy_complaints(*paths: Path, cache: Path) -> str:
    """Return what ``mypy --strict`` says; empty for nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={cache}", *map(str, paths)],
        capture_output=True,
        text=True,
        cwd=cache.parent,
    )
    return done.stdout + done.stderr
