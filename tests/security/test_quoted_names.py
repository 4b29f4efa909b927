"""Names reach the database in quotes alone: the log of what is sent shows no other form."""

from __future__ import annotations

import logging

import pytest

from deebase import Database, Index

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)

HOSTILE = [
    'x"; DROP TABLE canary; --',
    "x'); DROP TABLE canary; --",
    "a`b",
    "[x]",
    "x;y",
    "x--y",
    "/*x*/",
    "x y",
    "x,y",
    "x.y",
    "(x)",
    ":x",
    "x?",
    "$1x",
    "{x}",
    "x\ny",
    "x\\y",
    "ünï",
    "MixedCase",
    "x\U0001f600",
]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if place % 4 else ()) for place, name in enumerate(HOSTILE)]
)
async def test_a_name_is_sent_in_quotes_alone(db: Database, caplog: pytest.LogCaptureFixture, name: str) -> None:
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    hostile = type("Hostile", (), {"__annotations__": {"id": int, name: str}})
    table = await db.create(hostile, name=name, indexes=[Index(f"{name}!", name, unique=True)])
    await table.insert({name: "a"})
    await table.insert_all([{name: "b"}, {name: "c"}], returning=True)
    await table.update({"id": 1, name: "d"})
    await table.upsert({"id": 1, name: "e"}, update=[name])
    await table.upsert({name: "e"}, on=name)
    await table.get_or_create({name: "e"})
    await table.update_where({name: "f"}, table.c[name] == "b")
    await table(table.c[name] != "x", order_by=f"-{name}", select=[name])
    await table.page(size=2, order_by=name)
    await table.xtra(**{name: "f"}).count()
    await table.lookup(**{name: "f"})
    table = await table.rename_column(name, f"{name}2")
    await table.delete_where(**{f"{name}2": "f"})
    await table.create_index(f"{name}2", name=f"{name}?")
    await table.drop()
    sent = [record.getMessage() for record in caplog.records if record.name == "deebase.sql"]
    assert len(sent) > 15
    for statement in sent:
        rest = statement
        for suffix in ("", "!", "2", "?"):
            rest = rest.replace(f'"{(name + suffix).replace(chr(34), chr(34) * 2)}"', "<name>")
        # As a literal, where SQLite is asked for what it knows of the name, it is in quotes, too.
        rest = rest.replace(f"'{name.replace(chr(39), chr(39) * 2)}'", "<text>")
        assert name not in rest, statement
