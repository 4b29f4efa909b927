"""SQL text of people: parameters, results, plans, and the place of an error."""

from __future__ import annotations

import io

import pytest

from deebase import Database, DataError, DeeBaseError, ValidationError
from deebase._sqltext.capabilities import capabilities_of
from deebase.tools.sql_text import PlanStep, bound, error_place, export, parameters, plan, run


@pytest.fixture
async def books(db: Database) -> Database:
    """Three books and an index with a condition."""
    await db.script(
        "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, author INTEGER, published DATE);"
        "CREATE INDEX by_author ON book (author) WHERE author > 1;"
        "INSERT INTO book VALUES (1, 'a', 2, '2020-01-02'), (2, '42', 3, NULL), (3, '007', 2, '2021-05-06')"
    )
    return db


def test_parameters_are_those_of_the_database(db: Database) -> None:
    sql = "SELECT :b, ':c', :a, :b -- :d\n"
    assert parameters(db, sql) == ("b", "a")


ASKED: list[tuple[str, dict[str, str | None], list[int]]] = [
    ("title = :t", {"t": "42"}, [2]),
    ("title = :t", {"t": "007"}, [3]),
    ("author = :n AND id < :n", {"n": "2"}, [1]),
    ("published > :d", {"d": "2021-01-01"}, [3]),
    ("published IS NOT NULL AND coalesce(:x, 2) = author", {"x": None}, [1, 3]),
    ("id IN (:a, :b)", {"a": "1", "b": "3"}, [1, 3]),
]


async def test_texts_become_what_the_statement_takes(books: Database) -> None:
    async with books.read_only() as ro:
        for condition, texts, expected in ASKED:
            sql = f"SELECT id FROM book WHERE {condition} ORDER BY id"
            result = await run(ro, sql, await bound(ro, sql, texts))
            assert [row[0] for row in result.rows] == expected, condition
        with pytest.raises(ValidationError, match="no value is given for :x"):
            await bound(ro, "SELECT :x", {})
    assert books._core.executor.lanes_in_use == 0  # pyright: ignore[reportPrivateUsage]


async def test_a_text_of_another_type_is_refused_by_name(books: Database) -> None:
    sql = "SELECT id FROM book WHERE id = :id"
    if not capabilities_of(books.dialect).checks_types:
        assert await bound(books, sql, {"id": "x"}) == {"id": "x"}
        return
    with pytest.raises(ValidationError, match=":id is not a whole number"):
        await bound(books, sql, {"id": "x"})


async def test_a_result_has_columns_without_rows_and_tells_that_it_was_cut(books: Database) -> None:
    async with books.read_only(rows=2) as ro:
        empty = await run(ro, "SELECT id, title AS id FROM book WHERE id < 0")
        assert (empty.names, empty.rows, empty.truncated) == (["id", "id_2"], [], False)
        assert (await run(ro, "SELECT id FROM book")).truncated
    whole = await run(books, "SELECT id, title FROM book WHERE id = :id", {"id": 1})
    assert (whole.rows, whole.truncated) == ([(1, "a")], False)


async def test_a_result_is_written_as_a_file(books: Database) -> None:
    result = await run(books, "SELECT id, '=1+1' AS sum, published, NULL AS void FROM book ORDER BY id")
    file = io.BytesIO()
    assert await export(result, file, format="csv", escape_formulas=True) == 3
    assert file.getvalue().decode().splitlines()[:2] == ["id,sum,published,void", "1,'=1+1,2020-01-02,"]
    for form in ("json", "ndjson", "parquet"):
        other = io.BytesIO()
        assert await export(result, other, format=form) == 3
        assert other.getvalue()


async def test_a_plan_is_a_tree_and_nothing_runs(books: Database) -> None:
    sql = "SELECT author, count(*) FROM book b JOIN (SELECT 1 AS n) o ON true WHERE id > :id GROUP BY author ORDER BY 2"
    steps = await plan(books, sql, {"id": 1})
    texts = [step.text for step in _all(steps)]
    assert len(texts) > 1
    assert any("book" in text or " b" in text for text in texts)
    assert len({step.rows is None for step in _all(steps)}) == 1
    await plan(books, "DELETE FROM book")
    assert await books.item("SELECT count(*) FROM book") == 3
    with pytest.raises(DeeBaseError):
        await plan(books, "SELECT 1; DELETE FROM book")
    with pytest.raises(DeeBaseError):
        await plan(books, "ANALYZE DELETE FROM book")
    assert await books.item("SELECT count(*) FROM book") == 3


def _all(steps: tuple[PlanStep, ...]) -> list[PlanStep]:
    return [each for step in steps for each in [step, *_all(step.steps)]]


PLACES = [
    ("SELECT * FORM book WHERE id = :id", "FORM"),
    ("SELECT id, titel FROM book WHERE id = :id AND id > :id", "titel"),
    ("SELECT :id + 1, * FROM nope -- nope", "nope"),
    ("SELECT missing(:id) FROM book", "missing"),
]


async def test_an_error_has_a_place_in_the_text_that_was_written(books: Database) -> None:
    async with books.read_only() as ro:
        for sql, word in PLACES:
            with pytest.raises(DeeBaseError) as caught:
                await run(ro, sql, await bound(ro, sql, {"id": "1"}))
            place = error_place(ro, sql, caught.value)
            assert place is not None, sql
            assert sql[slice(*place)] == word
            with pytest.raises(DeeBaseError) as planned:
                await plan(ro, sql.replace(":id", "1"))
            assert error_place(ro, sql, planned.value) is not None
        assert error_place(ro, "SELECT 1", DataError("too large")) is None
