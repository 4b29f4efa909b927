"""Declared types of SQLite, as programs write them: a class makes the same columns, and every stored value is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest

from deebase import Database, DeeBaseError, Native, ValidationError

DECLARED = [
    *("INTEGER", "INT", "int(11)", "TINYINT(1)", "unsigned big int", "integer unsigned", "BIGINT", "POINT", "INTERVAL"),
    *("VARCHAR(50)", "varchar(50)", "NVARCHAR(160)", "CHAR(3)", "character varying(20)", "varchar ( 10 )", "CLOB"),
    *("TEXT", "STRING", "", "BLOB", "VARBINARY(16)", "REAL", "DOUBLE PRECISION", "FLOAT", "DOUBLE", "ANY", "GEOMETRY"),
    *("NUMERIC", "NUMERIC(10, 2)", "DECIMAL(10,5)", "decimal", "MONEY", "BOOLEAN", "bool", "DATE", "TIME", "JSON"),
    *("DATETIME", "datetime", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "JSONB", "UUID", "VARYING CHARACTER(255)"),
    *("'quoted type'", "DECIMAL TEXT", "DATETIME UTC TEXT", "UUID CHAR(32)", "DURATION REAL"),
    *("INET TEXT", "LONGVARCHAR(9)", "double unsigned", "numeric(5)", "time without time zone"),
]
VALUES: list[Any] = [
    *(None, 0, 1, -1, 2**63 - 1, -(2**63), 1.5, -0.0, 1e300, float("inf"), "", "x", " 5", "1", "1.50", "é\n", "NaN"),
    *("12345678901234567890.123", "99999999999999999999", "2024-02-30", "2024-01-01 10:00:00+02:00", "24:00:00"),
    *("true", "t", '{"a":1, "a" : 2}', "[1 ]", "null", '"x"', b"", b"\x00\xff", "0044-03-15", "1e5"),
]
COLUMNS = ", ".join([f"c{n} {declared}" for n, declared in enumerate(DECLARED)])
STORED = ", ".join([f"typeof(c{n}) || quote(c{n}) AS c{n}" for n in range(len(DECLARED))])


@pytest.fixture
async def db() -> AsyncIterator[Database]:
    async with Database(":memory:") as database:
        for name in ("t", "other"):
            await database.q(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, {COLUMNS})")
        await database.reflect()
        yield database


async def test_a_type_that_only_quotes_can_write(db: Database) -> None:
    await db.q('CREATE TABLE odd (id INTEGER PRIMARY KEY, a "odd; ""type""", b [x(y)])')
    odd = await db.reflect_table("odd")
    await db.create(odd.dataclass(), name="made")
    assert await declared_types(db, "made") == await declared_types(db, "odd")


async def declared_types(db: Database, table: str) -> list[dict[str, Any]]:
    return await db.q("SELECT name, type, pk FROM pragma_table_info(?)", [table])


async def test_a_class_with_its_annotations_makes_the_same_columns(db: Database) -> None:
    table = db.t.t
    await db.create(table.dataclass(), name="made")
    assert await declared_types(db, "made") == await declared_types(db, "t")
    await db.create(table.dataclass(), name="t", if_not_exists=True)
    await db.create(table.dataclass(), name="t", transform=True)
    assert await declared_types(db, "t") == await declared_types(db, "made")


def changed(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return the declared type of each column whose value is another one, with the values."""
    return {
        (DECLARED[int(name[1:])], row[name], other[name])
        for row, other in zip(before, after, strict=True)
        for name in row
        if row[name] != other[name]
    }


async def filled(db: Database) -> list[dict[str, Any]]:
    """Store each value in each column; return what is stored."""
    number = 0
    async with db.transaction():
        for value in VALUES:
            for n in range(len(DECLARED)):
                number += 1
                await db.q(f"INSERT INTO t (id, c{n}) VALUES (?, ?)", [number, value])
    return await db.q(f"SELECT id, {STORED} FROM t ORDER BY id")


async def test_every_stored_value_is_read_and_exported_and_stays(db: Database, tmp_path: Path) -> None:
    table = db.t.t
    before = await filled(db)
    rows = await table(order_by="id")
    assert len(rows) == len([row async for row in table()]) == len(VALUES) * len(DECLARED)
    for format in ("csv", "json", "ndjson"):
        assert await table(order_by="id").export(tmp_path / f"t.{format}") == len(rows)
    assert await table.update_all(rows) == len(rows)
    after = await db.q(f"SELECT id, {STORED} FROM t ORDER BY id")
    assert changed(before, after) == set()


async def test_a_value_is_inserted_again_as_it_was_or_refused_by_name(db: Database) -> None:
    before = {row["id"]: row for row in await filled(db)}
    other = db.t.other
    refused: list[tuple[int, str]] = []
    async with db.transaction():
        for row in await db.t.t(order_by="id"):
            try:
                await other.insert(row)
            except ValidationError as error:
                refused.append((row["id"], str(error.field)))
    assert "nullNULL" not in {before[number][name] for number, name in refused}
    after = await db.q(f"SELECT id, {STORED} FROM other ORDER BY id")
    assert len(after) == len(before) - len(refused)
    # Moments, decimals and addresses get our form; text that is not JSON becomes a JSON string.
    forms = ("DATE", "TIME", "JSON", "DECIMAL TEXT", "INET TEXT")
    found = changed([before[row["id"]] for row in after], after)
    assert {pair for pair in found if not pair[0].upper().startswith(forms)} == set()


async def test_a_decimal_of_more_digits_than_sqlite_keeps_is_refused(db: Database) -> None:
    class Price:
        id: int
        amount: Annotated[Decimal, Native(sqlite="NUMERIC(20,10)")]

    prices = await db.create(Price)
    for number in ("0.1", "1.50", "-12345678901.2345", "9007199254740993", "9223372036854775807", "1e300"):
        assert (await prices.insert(amount=Decimal(number)))["amount"] == Decimal(number)
    for number in ("0.1234567890123456", "9223372036854775809"):
        with pytest.raises(DeeBaseError, match=r"price\.amount: SQLite keeps 15 digits"):
            await prices.insert(amount=Decimal(number))
