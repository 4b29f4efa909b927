"""What a default run leaves out: repeats of cases that a SQLite file has, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.support.repeats import MANY_CASES, ONE_IN, mark_repeats

MANY = [f"[{backend}-{n}]" for backend in ("sqlite-memory", "sqlite-file", "postgres") for n in range(MANY_CASES)]
FEW = ["[sqlite-memory]", "[sqlite-file]", "[postgres]"]


class Item(pytest.Item):
    """A test that is only collected."""

    def runtest(self) -> None:
        raise AssertionError


def left_out(
    request: pytest.FixtureRequest,
    cases: list[str],
    *,
    directory: str = "contract",
    marks: tuple[str, ...] = (),
    of_directories: bool = True,
) -> list[str]:
    """Return the cases of a test that a default run leaves out."""
    module = pytest.Module.from_parent(
        request.session, path=Path(request.config.rootpath, "tests", directory, "test_a.py")
    )
    items = [Item.from_parent(module, name=f"test_it{case}") for case in cases]
    for item in items:
        for mark in marks:
            item.add_marker(mark)
    mark_repeats(items, of_directories=of_directories)
    return [item.name.removeprefix("test_it") for item in items if item.get_closest_marker("long")]


def test_memory_and_two_in_three_of_many_cases_on_the_server_are_left_out(request: pytest.FixtureRequest) -> None:
    found = left_out(request, MANY)
    assert found == [case for n, case in enumerate(MANY) if "memory" in case or ("postgres" in case and n % ONE_IN)]
    assert left_out(request, MANY[::-1]) == found[::-1]
    assert left_out(request, FEW) == ["[sqlite-memory]"]


@pytest.mark.parametrize("directory", ["cli", "contract"])
def test_the_cases_of_a_file_of_commands_or_of_the_contract_count_together(
    request: pytest.FixtureRequest, directory: str
) -> None:
    cases = [f"_{n}[{backend}]" for n in range(MANY_CASES) for backend in ("sqlite-file", "postgres")]
    assert left_out(request, cases, directory="backends") == []
    assert left_out(request, cases, directory=directory, marks=("each_case",)) == []
    assert left_out(request, cases, directory=directory) == [f"_{n}[postgres]" for n in range(MANY_CASES) if n % ONE_IN]


@pytest.mark.parametrize("cases", [MANY, FEW], ids=["many", "few"])
def test_marks_choose_otherwise(request: pytest.FixtureRequest, cases: list[str]) -> None:
    assert left_out(request, cases, marks=("in_memory", "each_case")) == []
    on_a_file = left_out(request, cases, marks=("on_a_file",))
    assert on_a_file == [case for case in cases if "sqlite-file" not in case]


@pytest.mark.parametrize(
    "cases", [[case for case in MANY if "postgres" in case], ["[a]", "[b]"]], ids=["server alone", "no database"]
)
def test_what_no_file_has_is_never_left_out(request: pytest.FixtureRequest, cases: list[str]) -> None:
    assert left_out(request, cases) == []


def test_some_directories_and_files_that_are_named_run_all_on_the_server(request: pytest.FixtureRequest) -> None:
    memory = [case for case in MANY if "memory" in case]
    assert left_out(request, MANY, directory="faults") == []
    on_the_server = [case for case in MANY if "postgres" in case]
    assert left_out(request, MANY, directory="faults", marks=("on_a_file",)) == on_the_server
    assert left_out(request, MANY, directory="property") == memory
    assert left_out(request, MANY, of_directories=False) == memory


@pytest.mark.parametrize("profile", ["default", "more"])
def test_a_property_that_fails_is_reported_without_a_search_for_a_shorter_example(profile: str) -> None:
    tried: list[int] = []

    @settings(settings.get_profile(profile), database=None)
    @given(st.integers())
    def fails(number: int) -> None:
        tried.append(number)
        raise AssertionError

    with pytest.raises(AssertionError) as failed:
        fails()
    # The second time shows that it fails again.
    assert len(tried) <= 2
    assert [f"number={tried[0]}" in note for note in failed.value.__notes__].count(True) == 1


def test_the_long_profile_looks_for_the_shortest_example() -> None:
    assert Phase.shrink in settings.get_profile("long").phases
