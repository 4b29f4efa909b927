"""What reads like rows in memory: each is refused with the call to write instead, or does what it says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deebase import Database, ForeignKey, Table, View
from tests.support.worlds import case


class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]
    title: str


@pytest.fixture
async def handles(db: Database) -> dict[str, Any]:
    authors, books = await db.create_all(Author, Book)
    author = await authors.insert(name="Ada")
    await books.insert_all([{"author_id": author["id"], "title": f"t{n}"} for n in range(3)])
    view = await db.create_view("titles", "SELECT id, title FROM book")
    return {"table": books, "scoped": books.xtra(author_id=author["id"]), "view": view, "query": books(order_by="id")}


REFUSED: list[tuple[str, Callable[[Any], Any], str]] = [
    ("in", lambda h: 1 in h, "exists"),
    ("not in", lambda h: 1 not in h, "exists"),
    ("iter", iter, "await"),
    ("for", lambda h: [row["id"] for row in h], "await"),
    ("list", list, "await"),
    ("tuple", tuple, "await"),
    ("set", set, "await"),
    ("dict", dict, "await"),
    ("sorted", sorted, "await"),
    ("sum", sum, "await"),
    ("any", any, "await"),
    ("enumerate", enumerate, "await"),
    ("zip", lambda h: zip(h, [1], strict=True), "await"),
    ("unpacking", lambda h: [*h], "await"),
    ("len", len, "count"),
    ("reversed", reversed, "order_by"),
]


async def test_it_is_refused_with_the_call_to_write(handles: dict[str, Any]) -> None:
    for (name, use, instead), (kind, handle) in itertools.product(REFUSED, handles.items()):
        with case((name, kind)), pytest.raises(TypeError, match=instead):
            use(handle)


async def test_a_handle_is_not_awaited_assigned_or_deleted_from(handles: dict[str, Any]) -> None:
    for handle in (handles["table"], handles["scoped"], handles["view"]):
        with pytest.raises(TypeError, match=r"rows = await \w+\(\); row = await \w+\[key\]"):
            await handle
    with pytest.raises(TypeError, match="update"):
        handles["table"][1] = {"title": "x"}
    with pytest.raises(TypeError, match="delete"):
        del handles["table"][1]


async def test_a_query_has_no_truth_value_and_a_table_is_true(handles: dict[str, Any]) -> None:
    assert handles["table"]
    assert handles["view"]
    with pytest.raises(TypeError, match="exists"):
        bool(handles["query"])


async def test_a_table_and_a_view_are_iterated_as_all_their_rows(handles: dict[str, Any]) -> None:
    table: Table[Any] = handles["table"]
    view: View[Any] = handles["view"]
    assert sorted([row["title"] async for row in table]) == ["t0", "t1", "t2"]
    assert sorted([row["title"] async for row in view]) == ["t0", "t1", "t2"]
    assert [row async for row in table.xtra(title="t1")] == await table(title="t1")
    # Left early, it gives its connection back; the fixture looks.
    async for _ in table:
        break


async def test_rows_of_a_table_go_into_what_takes_rows(db: Database, handles: dict[str, Any]) -> None:
    books: Table[Any] = handles["table"]
    copy = await books.duplicate("copy")
    await copy.truncate()
    assert await copy.insert_all(books) == 3
    assert [parent["name"] for _, parent in await books.with_parents(books, "author_id")] == ["Ada"] * 3


async def test_foreign_keys_are_listed_by_their_columns(handles: dict[str, Any]) -> None:
    fk = handles["table"].fk
    assert list(fk) == ["author_id"]
    assert "author_id" in fk
    assert "title" not in fk
    assert len(fk) == 1


async def test_a_query_is_taken_wherever_a_coroutine_is(handles: dict[str, Any]) -> None:
    query = handles["query"]
    rows = await query
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(query) for _ in range(3)]
    assert [task.result() for task in tasks] == [rows] * 3
    assert "Query of book" in repr(tasks[0])
    assert await asyncio.create_task(query, name="rows") == rows
    assert await asyncio.ensure_future(query) == rows
    assert await asyncio.gather(query, query, query.first()) == [rows, rows, rows[0]]
    assert await asyncio.wait_for(query, 10) == rows
    assert await asyncio.shield(query) == rows
    assert [await done for done in asyncio.as_completed([query])] == [rows]
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1) as pool:
        elsewhere = pool.submit(lambda: asyncio.run_coroutine_threadsafe(query, loop).result(10))
        assert await asyncio.wrap_future(elsewhere) == rows
    # It is as it was.
    assert await query == rows
    assert query._driven == {}


async def test_a_query_as_a_task_is_cancelled_and_fails_as_any_other(handles: dict[str, Any], db: Database) -> None:
    query = handles["query"]
    before_it_begins = asyncio.create_task(query)
    before_it_begins.cancel()
    running = asyncio.create_task(query)
    broken = asyncio.create_task(handles["table"]("no_such = 1"))
    await asyncio.sleep(0)
    running.cancel()
    results = await asyncio.gather(before_it_begins, running, broken, return_exceptions=True)
    assert [type(result).__name__ for result in results] == ["CancelledError", "CancelledError", "QueryError"]
    assert query._driven == {}
    assert len(await query) == 3


async def test_a_query_takes_part_in_the_transaction_of_the_task_that_made_it_one(
    handles: dict[str, Any], db: Database
) -> None:
    table = handles["table"]
    async with db.transaction():
        await table.delete_where(all=True)
        assert await asyncio.create_task(table()) == []
    assert await asyncio.create_task(table()) == []


def test_a_query_is_what_asyncio_run_takes(tmp_path: Any) -> None:
    db = Database(tmp_path / "x.db")

    async def prepare() -> Table[Any]:
        table = await db.create(Author)
        await table.insert(name="Ada")
        return table

    table = asyncio.run(prepare())
    assert asyncio.run(table(select=["name"])) == [{"name": "Ada"}]
    asyncio.run(db.close())
