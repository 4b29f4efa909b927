"""What a violated foreign key or CHECK says: which column, which table, what to do; never a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deebase import CheckViolationError, Database, ForeignKey, ForeignKeyViolationError
from tests.support.capabilities import can


class Author:
    id: int
    name: str


class Book:
    id: int
    author_id: ForeignKey[int, "author"]


class Loan:
    id: int
    book_id: ForeignKey[int, "book"]
    author_id: ForeignKey[int, "author"] | None


Call = Callable[[Database], Awaitable[Any]]
MISSING: list[Call] = [
    lambda db: db.t.book.insert(author_id=4711),
    lambda db: db.t.book.update(id=1, author_id=4711),
    lambda db: db.t.book.upsert({"id": 1, "author_id": 4711}),
    lambda db: db.t.book.insert_all([{"author_id": 1}, {"author_id": 4711}]),
    lambda db: db.t.book.update_all([{"id": 1, "author_id": 4711}]),
    lambda db: db.t.book.update_where({"author_id": 4711}, id=1),
]
USED: list[Call] = [
    lambda db: db.t.author.delete(1),
    lambda db: db.t.author.delete_where(id=1),
    lambda db: db.t.author.delete_all([1]),
]


@pytest.fixture
async def books(db: Database) -> Database:
    await db.create_all(Author, Book)
    await db.t.author.insert(name="Ada")
    await db.t.book.insert(author_id=1)
    return db


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("number", range(len(MISSING)))
async def test_a_missing_row_is_named_by_its_column(books: Database, number: int, inside: bool) -> None:
    with pytest.raises(ForeignKeyViolationError, match=r"book\.author_id refers to a row of author") as caught:
        if inside:
            async with books.transaction():
                await MISSING[number](books)
        else:
            await MISSING[number](books)
    error = caught.value
    assert (error.table_name, error.columns, error.constraint) == ("book", ("author_id",), "foreign_key")
    assert error.hint == "insert the row of author first"
    assert "4711" not in str(error)


@pytest.mark.parametrize("number", range(len(USED)))
async def test_rows_that_still_refer_are_named_by_their_table(books: Database, number: int) -> None:
    with pytest.raises(ForeignKeyViolationError, match=r"author: rows of book \(author_id\) still refer") as caught:
        await USED[number](books)
    assert caught.value.table_name == "author"
    assert "delete the rows of book first" in str(caught.value.hint)


async def test_of_several_foreign_keys_all_that_it_may_be_are_named(books: Database) -> None:
    loans = await books.create(Loan)
    with pytest.raises(ForeignKeyViolationError, match=r"loan\.book_id") as caught:
        await loans.insert(book_id=9)
    # PostgreSQL says which; SQLite does not.
    known = not can(books).is_one_file
    assert caught.value.columns == (("book_id",) if known else ())
    assert ("loan.author_id" in str(caught.value)) is not known
    await loans.insert(book_id=1, author_id=1)
    with pytest.raises(ForeignKeyViolationError, match=r"book: rows of loan \(book_id\) still refer"):
        await books.t.book.delete(1)


async def test_a_statement_of_the_users_own_says_what_the_database_tells(books: Database) -> None:
    with pytest.raises(ForeignKeyViolationError, match="the referenced row does not exist"):
        await books.q("INSERT INTO book (author_id) VALUES (5)")


async def test_a_check_of_another_table_is_not_said_to_be_of_this_one(db: Database) -> None:
    await db.create_all(Author, Book)
    await db.q("CREATE TABLE audit (name TEXT CONSTRAINT short CHECK (length(name) < 5))")
    if can(db).is_one_file:
        await db.q("CREATE TRIGGER noted AFTER INSERT ON author BEGIN INSERT INTO audit VALUES (new.name); END")
    else:
        await db.q(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN INSERT INTO audit VALUES (new.name); RETURN new; END$$"
        )
        await db.q("CREATE TRIGGER noted AFTER INSERT ON author FOR EACH ROW EXECUTE FUNCTION note()")
    with pytest.raises(CheckViolationError, match=r"\(constraint short\)") as caught:
        await db.t.author.insert(name="Augusta Ada")
    assert caught.value.table_name in (None, "audit")
    assert "Augusta" not in str(caught.value)
