"""Rows with values that others stored: written back they stay as they are, and their other columns are saved."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from deebase import Database, NotNullViolationError, ValidationError
from tests.support.capabilities import can

POSTGRES = """
CREATE TABLE t (id int PRIMARY KEY, doc json, bin jsonb NOT NULL, ar int[], docs json[], num numeric, f float8, n text);
INSERT INTO t VALUES
    (1, E' {"a":1, "a" : 2.50,\\n"c":1E5}', 'null', '[2:3]={1,2}', '{"null",NULL}', 'NaN', 'NaN'),
    (2, '"\\u0000"', '{"a": 1.10, "b": 0.12345678901234567890123}', '[2:2][3:3]={{1}}', NULL, 'Infinity', '-0'),
    (3, 'null', '1.5000', '{}', '[0:0]={" [1]"}', '1.500', '-Infinity');
"""
SQLITE = """
CREATE TABLE t (id INTEGER PRIMARY KEY, doc JSON, bin JSON NOT NULL, i INT, b BOOLEAN, t TEXT, u "UUID CHAR(32)",
                d "DECIMAL TEXT", at DATETIME, day DATE, tm TIME, n TEXT);
INSERT INTO t VALUES
    (1, '{"a":1,"b":0.1234567890123456789}', 'null',
     'abc', 't', x'00', '12345678-1234-5678-1234-567812345678', '1E+3', 'n/a', 'n/a', 'n/a', NULL),
    (2, 'no JSON', '[1 ]', 1.5, 2, 'a' || char(0), 'X', 'NaN', x'ff', '', '25:99', NULL),
    (3, x'0011', '5', x'00', NULL, '', '', ' 1.5', '2024-02-30', '2024', 7.5, NULL);
"""
SHOWN = {
    "postgres": "SELECT id, doc::text, bin::text, ar::text, docs::text, num::text, f::text FROM t ORDER BY id",
    "sqlite-file": "SELECT quote(doc), quote(bin), quote(i), quote(b), quote(t), quote(u), quote(d), "
    "quote(at), quote(day), quote(tm) FROM t ORDER BY id",
}

pytestmark = pytest.mark.parametrize("backend_name", list(SHOWN), indirect=True)


async def filled(db: Database) -> Any:
    await db.script(POSTGRES if can(db).checks_types else SQLITE)
    return await db.reflect_table("t")


async def test_the_other_columns_are_saved(db: Database, backend_name: str) -> None:
    table = await filled(db)
    before = await db.q(SHOWN[backend_name])
    rows = await table()
    instances = table.rows_as(table.dataclass())
    table = table.rows_as(dict)
    for row in copy.deepcopy(pickle.loads(pickle.dumps(rows))):
        assert (await table.update({**row, "n": "update"}))["n"] == "update"
        assert (await table.upsert({**row, "n": "upsert"}))["n"] == "upsert"
        instance = await instances[row["id"]]
        instance.n = "instance"
        assert (await instances.update(instance)).n == "instance"
        await table.update(row)
    assert await table.update_all([{**row, "n": "all"} for row in rows]) == 3
    assert await table.update_all(rows) == 3
    assert await table.upsert_all([{**row, "n": "all"} for row in rows]) == 3
    stored = await table.insert_all(rows, on_conflict="update", returning=True)
    assert [row["id"] for row in stored] == [1, 2, 3]
    assert await db.q(SHOWN[backend_name]) == before
    assert await table.count(n=None) == 3


async def test_another_value_that_does_not_fit_is_refused(db: Database, backend_name: str) -> None:
    table = await filled(db)
    column = "doc" if can(db).checks_types else "d"
    _, second, third = await table()
    before = await db.q(SHOWN[backend_name])
    for record in ({**third, column: second[column]}, {"id": 9, "bin": {}, column: second[column]}):
        for change, given in ((table.update, record), (table.upsert, record), (table.update_all, [record])):
            with pytest.raises(ValidationError) as caught:
                await change(given)
            assert caught.value.field == column
        with pytest.raises(ValidationError) as caught:
            await table.upsert_all([record])
            assert caught.value.field == column
    with pytest.raises(NotNullViolationError):
        await table.upsert({"id": 9, "bin": None})
    assert await db.q(SHOWN[backend_name]) == before


async def test_a_changed_document_keeps_the_digits_of_the_rest(db: Database) -> None:
    table = await filled(db)
    key, column = (2, "bin") if can(db).checks_types else (1, "doc")
    row = await table[key]
    row[column]["a"] = 5
    assert (await table.update(row))[column]["b"] == row[column]["b"]
    stored = await db.item(f"SELECT CAST({column} AS text) FROM t WHERE id = {key}")
    assert stored in ('{"a": 5, "b": 0.12345678901234567890123}', '{"a": 5, "b": 0.1234567890123456789}')
