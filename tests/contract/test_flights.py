"""Ten questions about real flights have the same answers in DeeBase and in plain sqlite3."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from benchmarks.flights_queries import QUESTIONS, Question, Tables, differing, load, load_reference
from deebase import Database, ForeignKeyViolationError
from examples.tour import read_csv


@pytest.fixture
def reference() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    load_reference(connection, read_csv)
    yield connection
    connection.close()


@pytest.fixture
async def tables(db: Database) -> Tables:
    return await load(db, read_csv)


async def test_ten_questions_have_the_answers_of_plain_sqlite3(tables: Tables, reference: sqlite3.Connection) -> None:
    assert len(QUESTIONS) == 10
    found = [await differing(tables, reference, question) for question in QUESTIONS]
    assert [difference for difference in found if difference] == []


async def test_a_wrong_answer_is_noticed(tables: Tables, reference: sqlite3.Connection) -> None:
    question = Question(
        "wrong",
        QUESTIONS[2].ask,
        "SELECT tailnum, 1900, type, manufacturer, model, engines, seats, speed, engine "
        "FROM plane WHERE tailnum = 'N14228'",
    )
    assert await differing(tables, reference, question) is not None


async def test_the_foreign_keys_of_the_flights_hold(tables: Tables) -> None:
    flight = await tables.flights[1]
    with pytest.raises(ForeignKeyViolationError):
        await tables.flights.insert({**flight, "id": None, "tailnum": "N00000"})
    with pytest.raises(ForeignKeyViolationError):
        await tables.airlines.delete("UA")


async def test_unknown_values_are_null_and_no_reference_dangles(tables: Tables) -> None:
    cancelled = await tables.flights(dep_delay=None).count()
    assert cancelled == await tables.flights(dep_time=None, arr_delay=None).count() == 479
    assert await tables.flights.count(tailnum=None) > 0
