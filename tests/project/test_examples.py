"""The examples run as they are, on SQLite and on PostgreSQL, and say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.docs import URL_VARIABLE, cells, run_blocks
from tests.support.tree import ROOT, relative

EXAMPLES = [*sorted((ROOT / "examples").glob("*.py")), *sorted((ROOT / "examples").glob("*/main.py"))]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def output_of(example: Path, url: str | None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != URL_VARIABLE}
    if url is not None:
        environment[URL_VARIABLE] = url
    command = [sys.executable, "-W", "error", str(example)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


@pytest.mark.long
@pytest.mark.parametrize("example", [pytest.param(path, id=relative(path)) for path in EXAMPLES])
def test_an_example_prints_the_same_on_both_databases(example: Path, postgres_url: str) -> None:
    assert output_of(example, None) == output_of(example, postgres_url) != ""


@pytest.mark.parametrize("notebook", [pytest.param(path, id=relative(path)) for path in NOTEBOOKS])
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
def test_the_cells_of_a_notebook_run_in_order(notebook: Path, db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, db_url)
    run_blocks(cells(notebook))


@pytest.mark.parametrize("notebook", [pytest.param(path, id=relative(path)) for path in NOTEBOOKS])
def test_a_notebook_is_kept_with_what_it_showed(notebook: Path) -> None:
    text = notebook.read_text(encoding="utf-8")
    assert '"text/html"' in text
    assert '"output_type": "error"' not in text
