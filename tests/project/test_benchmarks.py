"""The benchmarks run, so that they keep working."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import page
from benchmarks.chart import WIDTH
from benchmarks.figures import Figures, Kind, grouped
from benchmarks.report import as_json
from benchmarks.services.service import TITLES, ServiceFigures
from benchmarks.target import Backend
from tests.support.tree import ROOT


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True, capture_output=True, timeout=60)


def saved(file: Path) -> list[Figures]:
    return [Figures(**one) for one in json.loads(file.read_text(encoding="utf-8"))["figures"]]


def services(part: dict[str, Any]) -> list[ServiceFigures]:
    return [ServiceFigures(**one) for one in part["figures"]]


@pytest.mark.parametrize(
    ("backend", "driver"), [("sqlite", "aiosqlite"), pytest.param("postgres", "asyncpg", marks=pytest.mark.long)]
)
@pytest.mark.timeout(90)
def test_every_operation_is_measured(tmp_path: Path, backend: str, driver: str) -> None:
    file = tmp_path / "figures.json"
    options = ("--backend", backend, "--peers", f"deebase,{driver}", "--rounds", "1", "--repeat", "2")
    run("benchmarks", *options, "--flights", "100", "--json", str(file))
    figures = saved(file)
    assert {one.side for one in figures} == {"deebase", driver}
    assert [one.error for one in figures if one.error] == []
    kinds: list[Kind] = ["wall", "cpu", "server"] if backend == "postgres" else ["wall", "cpu"]
    assert all(one.median(kind) for one in figures for kind in kinds)


@pytest.mark.parametrize("backend", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
@pytest.mark.timeout(90)
def test_every_scenario_is_measured(tmp_path: Path, backend: str) -> None:
    file = tmp_path / "figures.json"
    run("benchmarks.scenarios", "--quick", "--backend", backend, "--json", str(file))
    works = grouped(saved(file))
    assert len(works) == 8
    assert all(len(sides) == 2 for sides in works.values())


@pytest.mark.long
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
@pytest.mark.timeout(90)
def test_every_service_gives_the_same_answers(tmp_path: Path, backend: str, long_run: bool) -> None:
    # Without rounds, each service is started and its answers are compared, but wrk is not needed.
    file = tmp_path / "services.json"
    rounds = "1" if long_run else "0"
    names = "deebase,aiosqlite,asyncpg"
    run("benchmarks.services", "--backend", backend, "--peers", names, "--rounds", rounds, "--json", str(file))
    works = grouped(services(json.loads(file.read_text(encoding="utf-8"))))
    assert len(works) == 4
    assert all(list(sides) == list(works["insert"]) and len(sides) == 2 for sides in works.values())
    assert all(not one.error and len(one.wall) == int(rounds) for sides in works.values() for one in sides.values())


@pytest.mark.long
@pytest.mark.timeout(90)
def test_the_load_is_held_and_nothing_is_lost() -> None:
    # It ends with an error if a row was lost, stored twice or half written.
    run("benchmarks.load", "--seconds", "1", "--tasks", "50")


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        ("benchmarks.copy_flights", "--flights", "500", "--repeat", "1"),
        ("benchmarks.rebuild", "--rows", "2000", "--repeat", "1"),
        ("benchmarks.arrow", "--quick"),
        ("benchmarks.stalls", "--quick"),
        ("benchmarks.queries", "--quick"),
        ("benchmarks.reflection", "--tables", "5", "--rounds", "1"),
        ("benchmarks.linearity", "--backend", "sqlite", "--rows", "100", "--rounds", "1"),
        ("benchmarks.fairness", "--backend", "sqlite", "--rows", "1000", "--rounds", "1", "--seconds", "0.1"),
        ("benchmarks.studio", "--backend", "sqlite", "--books", "300", "--rounds", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.timeout(90)
def test_the_others_run(arguments: tuple[str, ...]) -> None:
    run(*arguments)


# -- pages -----------------------------------------------------------------------------------------


def made_calls(backend: Backend, driver: str) -> Iterator[Figures]:
    for side, seconds in (("deebase", 0.000_02), (driver, 0.000_1)):
        yield Figures(backend, "get", side, wall=[seconds] * 3, cpu=[2 * seconds] * 3)
    yield Figures(backend, "get", "sqlmodel", error="ValueError: no")


def made_services(backend: Backend, driver: str) -> Iterator[ServiceFigures]:
    for work in TITLES.values():
        for side, seconds in (("deebase", 0.000_1), (driver, 0.000_2), ("tortoise", 0.000_5)):
            yield ServiceFigures(backend, work, side, wall=[seconds], cpu=[seconds], p50=[0.001], p99=[0.002])
    yield ServiceFigures(backend, "insert", "sqlmodel", error="no")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The pages of the project, and a file of figures that tell nothing."""
    for path in (page.PAGE, page.AIMS):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text((ROOT / path).read_text(encoding="utf-8"), encoding="utf-8")
    both: list[tuple[Backend, str]] = [("sqlite", "aiosqlite"), ("postgres", "asyncpg")]
    calls = [one for backend, driver in both for one in made_calls(backend, driver)]
    loads = [one for backend, driver in both for one in made_services(backend, driver)]
    arrow = [
        Figures("sqlite", "200,000 rows to Arrow", side, wall=[wall], cpu=[0.1])
        for side, wall in (("deebase", 0.3), ("ADBC", 0.1))
    ]
    stalls = {"situation": "32 readers", "in_loop": "200us", "p50": 0.1, "p99": 0.5, "p99_9": 0.75, "largest": 2}
    figures = {
        "calls": as_json(calls, {"durability": "normal"}),
        "arrow": as_json(arrow, {}),
        "stalls": [stalls],
        "services": as_json(loads, {"connections": 32}),
    }
    (tmp_path / "figures.json").write_text(json.dumps(figures), encoding="utf-8")
    return tmp_path


def test_the_pages_and_the_chart_hold_the_figures(project: Path) -> None:
    figures = json.loads((project / "figures.json").read_text(encoding="utf-8"))
    page.write(figures, project)
    text, aims = ((project / path).read_text(encoding="utf-8") for path in (page.PAGE, page.AIMS))
    assert "| get | 20.0 (0.20) | 100 (1.00) | - |" in text
    assert "| insert | PostgreSQL | 2.0 times asyncpg | 5.0 times Tortoise ORM | 0.5 of asyncpg |" in text
    assert "| Tortoise ORM | 2,000/s<br>1.0 / 2.0 ms<br>500 µs CPU |" in text
    assert "| get | SQLite | aiosqlite | 0.40 | 0.20 | 0.20 | - | met |" in aims
    assert "| 200,000 rows to Arrow (DeeBase against ADBC) | 300.00 | 100.00 | 3.00 | 1.00 | - |" in text
    assert "| 32 readers | 200us | 0.10 | 0.50 | 0.75 | 2.00 |" in text
    assert "| 200,000 rows to Arrow | SQLite | ADBC | 1.20 | 3.00 | 1.00 | - | met |" in aims
    page.write(figures, project)
    assert (project / page.PAGE).read_text(encoding="utf-8") == text
    assert (project / page.AIMS).read_text(encoding="utf-8") == aims


def test_an_aim_is_missed_by_the_time_that_is_above_it(project: Path) -> None:
    figures = json.loads((project / "figures.json").read_text(encoding="utf-8"))
    figures["calls"]["figures"][0]["cpu"] = [0.000_1] * 3
    page.write(figures, project)
    aims = (project / page.AIMS).read_text(encoding="utf-8")
    assert "| get | SQLite | aiosqlite | 0.40 | 0.20 | 0.50 | - | missed by CPU time |" in aims


def test_the_chart_is_read_without_its_colours(project: Path) -> None:
    page.write(json.loads((project / "figures.json").read_text(encoding="utf-8")), project)
    svg = ElementTree.parse(project / page.CHART).getroot()
    space = {"svg": "http://www.w3.org/2000/svg"}
    named = [svg.find(f"svg:{tag}", space) for tag in ("title", "desc")]
    assert " ".join(one.attrib["id"] for one in named if one is not None) == svg.attrib["aria-labelledby"]
    description = svg.findtext("svg:desc", namespaces=space) or ""
    assert "SQLite, one row by key: DeeBase 10,000, aiosqlite 5,000, Tortoise ORM 2,000." in description
    assert "insert: DeeBase 10,000, asyncpg 5,000, Tortoise ORM 2,000, SQLModel failed." in description
    assert "prefers-color-scheme: dark" in (svg.findtext("svg:style", namespaces=space) or "")
    bars = svg.findall("svg:rect", space)[1:]
    assert len(bars) == 2 * 4 * 3
    assert all(float(bar.attrib["x"]) + float(bar.attrib["width"]) < WIDTH for bar in bars)


@pytest.mark.long
@pytest.mark.timeout(90)
def test_one_part_is_measured_again_and_the_others_stay(project: Path) -> None:
    file = project / "figures.json"
    before = json.loads(file.read_text(encoding="utf-8"))
    run("benchmarks.all", "--quick", "--only", "full", "--json", str(file), "--root", str(project))
    after = json.loads(file.read_text(encoding="utf-8"))
    assert {part: after[part] for part in before} == before
    assert "| insert x32, an fsync per commit | PostgreSQL |" in (project / page.AIMS).read_text(encoding="utf-8")
