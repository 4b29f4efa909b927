"""The types that the models of a project define, on the command line."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import PROGRAM, Commands

MODELS = """
from dataclasses import dataclass

from deebase.types import ColumnType


@dataclass(frozen=True)
class Length:
    metres: int


class LengthType(ColumnType[Length], python=Length):
    wanted = "a length"
    example = "5 m"

    def parse(self, text: str) -> Length:
        number, unit = text.split()
        if unit != "m":
            raise ValueError
        return Length(int(number))

    def format(self, value: Length) -> str:
        return f"{value.metres:06} m"
"""


@pytest.fixture
def project(directory: Path) -> Path:
    """The models of a project, in a package."""
    (directory / "deebase.toml").write_text('models = "shop_of_lengths.models"\n')
    package = directory / "shop_of_lengths"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(MODELS)
    return package


def run(cli: Commands, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, which has imported nothing yet."""
    environment = {**os.environ, "DATABASE_URL": cli.url or ""}
    return subprocess.run([*PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.on_a_file
def test_types_of_the_models_are_known(cli: Commands, project: Path, backend_name: str) -> None:
    made = run(cli, "table", "create", "rope", "id:int", "size:length:default=7 m")
    assert (made.returncode, made.stderr) == (0, "Created table rope.\n")
    assert run(cli, "data", "insert", "rope", "-f", "size=12 m").returncode == 0
    listed = run(cli, "data", "list", "rope").stdout
    assert "12 m" in listed
    if backend_name == "sqlite-file":
        # The declared type names it; PostgreSQL stores no name, and reads text.
        assert "000012 m" in listed
        refused = run(cli, "data", "insert", "rope", "-f", "size=12 feet")
        assert "rope.size" in refused.stderr
        assert "a length" in refused.stderr


@pytest.mark.parametrize(
    "backend_name", ["sqlite-file", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
def test_models_that_fail_are_named_only_where_a_type_is_not_known(cli: Commands, project: Path) -> None:
    (project / "models.py").write_text("raise RuntimeError('broken')")
    assert run(cli, "table", "create", "plain", "id:int", "name:str").returncode == 0
    assert run(cli, "table", "list").returncode == 0
    failed = run(cli, "table", "create", "rope", "id:int", "size:length")
    assert failed.returncode == 1
    assert "the models in shop_of_lengths.models cannot be imported" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_a_type_that_nothing_defines_is_unknown(cli: Commands, project: Path) -> None:
    assert "has the unknown type 'width'" in cli.fails("table", "create", "rope", "id:int", "size:width")
