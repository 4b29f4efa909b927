"""The benchmarks run, so that they keep working."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tree import ROOT


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize(("backend", "driver"), [("sqlite", "aiosqlite"), ("postgres", "asyncpg")])
@pytest.mark.timeout(90)
def test_every_operation_is_measured(tmp_path: Path, backend: str, driver: str) -> None:
    file = tmp_path / "figures.json"
    options = ("--backend", backend, "--peers", f"deebase,{driver}", "--rounds", "1", "--repeat", "2")
    run("benchmarks", *options, "--flights", "100", "--json", str(file))
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    assert {result["peer"] for result in results} == {"deebase", driver}
    assert [result["error"] for result in results if result["error"]] == []
    assert all(result["microseconds"] for result in results)


@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.timeout(90)
def test_every_scenario_is_measured(tmp_path: Path, backend: str) -> None:
    file = tmp_path / "figures.json"
    run("benchmarks.scenarios", "--quick", "--backend", backend, "--json", str(file))
    (figures,) = json.loads(file.read_text(encoding="utf-8"))
    assert len(figures["milliseconds"]) == 7
    assert all(len(sides) == 2 for sides in figures["milliseconds"].values())


@pytest.mark.timeout(90)
def test_the_load_is_held_and_nothing_is_lost() -> None:
    # It ends with an error if a row was lost, stored twice or half written.
    run("benchmarks.load", "--seconds", "1", "--tasks", "50")


@pytest.mark.parametrize(
    "arguments",
    [
        ("benchmarks.copy_flights", "--flights", "500", "--repeat", "1"),
        ("benchmarks.rebuild", "--rows", "2000", "--repeat", "1"),
        ("benchmarks.stalls", "--quick"),
        ("benchmarks.reflection", "--tables", "5", "--rounds", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.timeout(90)
def test_the_others_run(arguments: tuple[str, ...]) -> None:
    run(*arguments)
