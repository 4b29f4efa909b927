"""``db.size()``: what a database and its tables hold, at a cost that does not depend on the number of rows."""

from __future__ import annotations

from deebase import Database
from deebase._engine.core import core_of
from tests.support.capabilities import can


async def test_small_tables_are_counted_and_large_ones_estimated(db: Database) -> None:
    for name in ("small", "large", 'odd "name"'):
        quoted = name.replace('"', '""')
        await db.q(f'CREATE TABLE "{quoted}" (id INTEGER PRIMARY KEY, n INTEGER)')
    await db.reflect()
    await db.t.small.insert_all([{"id": n} for n in range(7)])
    await db.t.large.insert_all([{"id": n} for n in range(1, 12_001)])
    await db.q("ANALYZE")
    with core_of(db).recording() as sent:
        size = await db.size()
    assert len(sent) <= 4
    assert {*size.tables} == {"small", "large", 'odd "name"'}
    assert (size.tables["small"].rows, size.tables["small"].exact) == (7, True)
    assert (size.tables["large"].rows, size.tables["large"].exact) == (12_000, False)
    assert (size.tables['odd "name"'].rows, size.tables['odd "name"'].exact) == (0, True)
    assert size.bytes > 0
    assert (size.tables["large"].bytes is None) == can(db).is_one_file


async def test_a_table_that_was_never_analyzed_has_an_estimate(db: Database) -> None:
    await db.q("CREATE TABLE large (id INTEGER PRIMARY KEY)")
    await db.reflect()
    await db.t.large.insert_all([{"id": n} for n in range(1, 10_502)])
    large = (await db.size()).tables["large"]
    assert large.rows is not None
    assert 10_001 <= large.rows <= 10_501
    assert not large.exact


async def test_a_table_that_is_gone_has_no_number_of_rows(db: Database) -> None:
    await db.q("CREATE TABLE kept (id INTEGER PRIMARY KEY)")
    await db.q("CREATE TABLE gone (id INTEGER PRIMARY KEY)")
    await db.reflect()
    await db.q("DROP TABLE gone")
    size = await db.size()
    assert size.tables["gone"].rows is None
    assert size.tables["kept"].rows == 0
