"""What somebody meets at first: hints for names that are nearly right, reprs, forgotten awaits."""

from __future__ import annotations

import inspect
import pydoc
import re
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deebase import (
    ColumnNotFoundError,
    Database,
    Table,
    TableNotFoundError,
    ValidationError,
)


class Reader:
    id: int
    name: str
    email: str


class Card:
    id: int
    pin: object


Users = Table[dict[str, Any]]
Work = Callable[[Database, Users], Awaitable[object]]


@pytest.fixture
async def readers(db: Database) -> Users:
    table = await db.create(Reader)
    await table.create_index("email", unique=True)
    await table.insert(name="Ada", email="ada@example.com")
    return table


@pytest.mark.parametrize(
    "work",
    [
        lambda db, readers: readers.insert(emial="x", name="Ada"),
        lambda db, readers: readers(emial="x"),
        lambda db, readers: readers.count(emial="x"),
        lambda db, readers: readers.lookup(emial="x"),
        lambda db, readers: readers(select=["emial"]),
        lambda db, readers: readers(order_by="-emial"),
        lambda db, readers: readers().scalars("emial"),
        lambda db, readers: readers.page(order_by="emial"),
        lambda db, readers: readers.upsert({"emial": "x"}, on="emial"),
        lambda db, readers: readers.update_where({"emial": "x"}, all=True),
        lambda db, readers: readers.delete_where(emial="x"),
        lambda db, readers: readers.xtra(emial="x")(),
        lambda db, readers: readers.create_index("emial"),
        lambda db, readers: readers.drop_column("emial"),
        lambda db, readers: readers.rename_column("emial", "mail"),
        lambda db, readers: readers.transform(drop=["emial"]),
    ],
)
@pytest.mark.parametrize("backend_name", ["sqlite-memory", "postgres"], indirect=True)
async def test_wherever_a_column_is_named_the_nearest_is_told(db: Database, readers: Users, work: Work) -> None:
    with pytest.raises(ColumnNotFoundError) as caught:
        await work(db, readers)
    assert caught.value.column_name == "emial"
    assert caught.value.hint is not None
    assert "did you mean 'email'?" in caught.value.hint


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "postgres"], indirect=True)
async def test_wherever_a_table_or_view_is_named_the_nearest_is_told(db: Database, readers: Users) -> None:
    await db.create_view("regular", "SELECT id FROM reader")
    asked: list[Callable[[], object]] = [
        lambda: db.t.raeder,
        lambda: db.t["raeder"],
        lambda: db.v.reglar,
        lambda: db.v["reglar"],
        lambda: readers.get_children(1, "raeder", "id"),
    ]
    for ask in asked:
        with pytest.raises(TableNotFoundError) as caught:
            ask()
        assert "did you mean 're" in str(caught.value.hint)
    for work in (lambda: db.reflect_table("raeder"), lambda: db.reflect_view("reglar")):
        with pytest.raises(TableNotFoundError) as caught:
            await work()
        assert "did you mean 're" in str(caught.value.hint)


async def test_a_forgotten_await_warns_at_the_line_that_forgot_it(readers: Users) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        readers[1]  # here
        line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    (warning,) = [entry for entry in seen if entry.category is RuntimeWarning]
    assert "'Readable.get' was never awaited" in str(warning.message)
    assert (warning.filename, warning.lineno) == (__file__, line)


async def test_what_is_written_by_mistake_says_what_was_meant(db: Database, readers: Users) -> None:
    async def work() -> None:
        raise AssertionError("it is not run")

    with pytest.raises(TypeError, match="a query is awaited first"):
        readers()[0]
    with pytest.raises(TypeError, match="a query is awaited first"):
        list(readers())  # type: ignore[call-overload]
    with pytest.raises(ValidationError, match="retry takes a function"):
        await db.retry(work())  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="all is True or False"):
        await readers.delete_where(all="1")  # type: ignore[arg-type]
    assert await readers.count() == 1


async def test_what_is_printed_says_what_it_is(db: Database, readers: Users) -> None:
    view = await db.create_view("regular", "SELECT id FROM reader")
    page = await readers.page(size=1)
    async with db.transaction() as tx:
        shown = [db, db.t, db.v, db.migrate, readers, readers.fk, readers(), readers.xtra(name="Ada"), view, page, tx]
        assert [repr(value) for value in shown if " object at 0x" in repr(value)] == []
    assert "reader" in repr(readers)
    assert "name='Ada'" not in repr(readers.xtra(name="Ada"))
    assert repr(readers()) == "<Query of reader: await it for a list, or iterate it>"


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_help_reads_well(db: Database, readers: Users) -> None:
    for value, names in ((db, ["create", "q", "transaction"]), (readers, ["insert", "page"]), (readers(), ["first"])):
        shown = pydoc.plain(pydoc.render_doc(value))
        for name in names:
            assert re.search(rf"^ \|  (async )?{name}\(", shown, re.MULTILINE), name
        documented = [
            name for name in dir(value) if not name.startswith("_") and callable(getattr(type(value), name, 0))
        ]
        assert [name for name in documented if not inspect.getdoc(getattr(value, name))] == []
