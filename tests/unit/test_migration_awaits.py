"""Calls without ``await`` in a migration, found in its text."""

from __future__ import annotations

import textwrap

import pytest

from deebase.migrations.check.unawaited import unawaited_calls


def found(body: str, *, more: str = "") -> list[str]:
    text = "async def upgrade(db):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ") + "\n"
    return [call for _, call in unawaited_calls(text + textwrap.dedent(more))]


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ("db.q('SELECT 1')", "db.q"),
        ("db.t.user.insert(id=1)", "db.t.user.insert"),
        ("db.create(User)", "db.create"),
        ("db.t['a b'].delete_where(all=True)", "db.t['a b'].delete_where"),
        ("db.t.user.xtra(owner=1).insert(id=1)", "db.t.user.xtra(owner=1).insert"),
        ("users = db.t.user\nusers.drop()", "users.drop"),
        ("users = await db.create(User)\nusers.insert(id=1)", "users.insert"),
        ("a, b = await db.create_all(A, B)\nb.insert(id=1)", "b.insert"),
        ("x = db.t.user.rename('person')", "db.t.user.rename"),
        ("[db.t.user.insert(row) for row in rows]", "db.t.user.insert"),
        ("if fine:\n    db.t.user.drop()", "db.t.user.drop"),
        ("async with db.transaction():\n    db.script('x')", "db.script"),
        ("db.v.old.drop() if fine else None", "db.v.old.drop"),
    ],
)
def test_a_dropped_call_of_the_api_is_found(body: str, call: str) -> None:
    assert found(body) == [call]


@pytest.mark.parametrize(
    "body",
    [
        "await db.q('SELECT 1')",
        "rows = await db.q('SELECT 1')\nrows.insert(0, {})",
        "row = await db.t.user.get(1)\nrow.update(name='x')",
        "seen = {}\nseen.update(a=1)\nseen.get('a')",
        "work = db.t.user.insert(id=1)\nawait work",
        "await asyncio.gather(db.t.user.insert(id=1), *[db.t.user.insert(row) for row in rows])",
        "asyncio.create_task(db.q('SELECT 1'))",
        "return db.q('SELECT 1')",
        "db.sql(User.name)",
        "async for row in db.t.user():\n    print(row)",
        "Path('a').rename('b')",
    ],
)
def test_awaited_calls_and_other_calls_pass(body: str) -> None:
    assert found(body) == []


def test_helpers_of_the_module_are_followed() -> None:
    more = """
    async def fill(table, items):
        items.insert(0, 1)
        table.insert(id=1)

    def plain(database):
        database.q('SELECT 1')
    """
    body = "fill(db.t.user, [])\nplain(database=db)\nawait fill(items=[], table=db.t.user)"
    assert found(body, more=more) == ["fill", "table.insert", "database.q"]


def test_a_module_that_cannot_be_parsed_has_no_calls() -> None:
    assert unawaited_calls("async def upgrade(db:\n") == []
