"""Scopes: every public method, every kind of value, and nothing of another owner is seen or touched."""

from __future__ import annotations

from typing import Any

import pytest

from deebase import Database, Query, Table, View
from tests.support.scopes import CASES, EXEMPT, KINDS, THEIRS, Kind, fill, make_world

CLASSES: tuple[type, ...] = (Table, View, Query)


def public_names(cls: type) -> set[str]:
    """The names of a class that users call: its methods, properties and operators that take rows or keys."""
    operators = {"__call__", "__getitem__", "__await__", "__aiter__"}
    names = {name for name in dir(cls) if not name.startswith("_") or name in operators & vars_of(cls)}
    return {f"{cls.__name__}.{name}" for name in names}


def vars_of(cls: type) -> set[str]:
    return {name for base in cls.__mro__ for name in vars(base) if base is not object}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_public_method_has_a_case_or_a_reason(cls: type) -> None:
    known = {name for name in (*CASES, *EXEMPT) if name.startswith(f"{cls.__name__}.")}
    assert public_names(cls) - known == set(), "add a case to tests/support/scopes.py"
    assert known - public_names(cls) == set(), "a case or a reason for what is not there"


#: With these values of the owner, every case runs by default; with the others, only with --long. How an operation
#: applies its scope does not depend on the value; the values differ in how they are compared.
QUICK = {"int", "zero", "quotes", "null text", "bytes", "decimal", "aware datetime"}


def kinds() -> list[Any]:
    return [
        pytest.param(kind, id=name, marks=() if name in QUICK else pytest.mark.long) for name, kind in KINDS.items()
    ]


@pytest.mark.parametrize("kind", kinds())
async def test_nothing_of_another_owner_is_seen_or_touched(db: Database, kind: Kind) -> None:
    world = await make_world(db, kind)
    failures: list[str] = []
    cases = dict.fromkeys(case for cases in CASES.values() for case in cases)
    for case in cases:
        world = await fill(db, kind, world.notes, world.folders)
        before = await world.others()
        try:
            result = await case(world)
        except (AssertionError, pytest.fail.Exception) as error:
            failures.append(f"{case.__name__}: {error!r}")
            continue
        if THEIRS in repr(result):
            failures.append(f"{case.__name__}: shows {result!r}")
        if await world.others() != before:
            failures.append(f"{case.__name__}: changed rows of another owner")
    assert not failures, "\n".join(failures)
