"""Cases that repeat what another database shows: a default run leaves them out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest

#: A test has many cases if it has at least so many on one database. By default the server gets one in so many of them.
MANY_CASES, ONE_IN = 6, 3


def mark_repeats(items: Sequence[pytest.Item], *, of_directories: bool) -> None:
    """Mark as long what repeats a case of a SQLite file and proves little more.

    In memory: the SQL, the types and the errors are those of the file. What differs is how connections are shared:
    tests that depend on it have the mark `in_memory`, or are among those of faults, and run in memory by default too.
    Of the cases of faults on the server, a default run leaves out those with the mark `on_a_file` alone.

    On the server, in a run of whole directories: tests with the mark `on_a_file`; and two in three of many cases,
    unless they have the mark `each_case`, or `in_memory`, for what depends on connections there too. Those of a file of
    the contract or of commands count together, elsewhere those of a test. Properties run there by default.
    """
    collected = {item.nodeid for item in items}
    many: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        place = next((name for name in ("sqlite-memory", "postgres") if name in item.nodeid), None)
        if place is None or item.nodeid.replace(place, "sqlite-file") not in collected:
            continue
        if item.path.parent.name == "faults":
            if place == "postgres" and of_directories and item.get_closest_marker("on_a_file"):
                item.add_marker(pytest.mark.long)
        elif place == "sqlite-memory":
            if item.get_closest_marker("in_memory") is None:
                item.add_marker(pytest.mark.long)
        elif of_directories and "property" not in item.path.parts and not _is_kept(item):
            by_file = item.path.parent.name in ("cli", "contract")
            many[str(item.path) if by_file else item.nodeid.partition("[")[0]].append(item)
    for cases in many.values():
        # By name: the order of the tests is random.
        for number, item in enumerate(sorted(cases, key=lambda item: item.nodeid)):
            if item.get_closest_marker("on_a_file") or (len(cases) >= MANY_CASES and number % ONE_IN):
                item.add_marker(pytest.mark.long)


def _is_kept(item: pytest.Item) -> bool:
    """Tell whether a default run has each case of a test on the server, whatever their number."""
    return any(item.get_closest_marker(mark) for mark in ("each_case", "in_memory"))
