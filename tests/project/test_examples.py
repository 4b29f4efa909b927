"""The examples run as they are, on SQLite and on PostgreSQL, and say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tree import ROOT, relative

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def output_of(example: Path, url: str) -> str:
    command = [sys.executable, "-W", "error", str(example), url]
    result = subprocess.run(command, capture_output=True, text=True, timeout=25)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.parametrize("example", [pytest.param(path, id=relative(path)) for path in EXAMPLES])
def test_an_example_prints_the_same_on_both_databases(example: Path, postgres_url: str) -> None:
    assert output_of(example, ":memory:") == output_of(example, postgres_url) != ""
