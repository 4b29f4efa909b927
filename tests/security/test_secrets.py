"""Passwords and values are in nothing that is printed: messages, causes, logs, warnings, reprs, pickles."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import pickle
import subprocess
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import ConfigurationError, Database, DeeBaseError, Index, Table
from tests.support.own_server import free_port

CANARY = "canary-v4lue"
PASSWORD = "canary-p4ss"

each_database = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)


class Note:
    id: int
    title: str
    n: int = 0


@pytest.fixture
async def notes(db: Database) -> Table[Any]:
    table = await db.create(Note, indexes=[Index("ux_title", "title", unique=True)])
    await table.insert(title=CANARY)
    await db.q("CREATE TABLE strict_one (a VARCHAR(5) CHECK (a <> 'x'), b INTEGER NOT NULL)")
    return table


def failing(db: Database, t: Table[Any]) -> list[Callable[[], Awaitable[Any]]]:
    """Calls that fail with a value of the canary's, where the database looks at it at all."""
    return [
        lambda: t.insert(title=CANARY),
        lambda: t.insert_all([{"title": "x"}, {"title": CANARY}]),
        lambda: t.insert_all([{"title": CANARY}], returning=True),
        lambda: t.update({"id": 1, "n": CANARY}),
        lambda: t.get(CANARY),
        lambda: t.lookup(title=f"{CANARY} "),
        lambda: t(title=f"{CANARY} ").one(),
        lambda: t.xtra(title=CANARY).insert(title=f"{CANARY}2"),
        lambda: t.xtra(title=CANARY).xtra(title=f"{CANARY}2")(),
        lambda: t.page(after=CANARY, size=5),
        lambda: t("title = ? AND", [CANARY]),
        lambda: t("no_such = ?", [CANARY]),
        lambda: db.q("SELECT ?", [CANARY, CANARY]),
        lambda: db.q("SELECT :a", {"b": CANARY}),
        lambda: db.q("INSERT INTO strict_one VALUES (?, NULL)", [CANARY[:6]]),
        lambda: db.q("INSERT INTO strict_one VALUES (?, 1)", [CANARY]),
        lambda: db.q("SELECT CAST(? AS INTEGER)", [CANARY]),
        lambda: db.q("SELECT CAST(CAST(? AS TEXT) AS INTEGER)", [CANARY]),
        lambda: db.q("SELECT CAST(CAST(? AS TEXT) AS REGCLASS)", [CANARY]),
        lambda: db.q("SELECT CAST(CAST(? AS TEXT) AS JSONB)", [CANARY]),
        lambda: db.q("SELECT no_such(?)", [CANARY]),
        lambda: db.q("SELECT json_extract('{}', ?)", [CANARY]),
        lambda: db.q(sa.insert(t.sa_table).values(title=CANARY)),
        lambda: db.q(sa.select(t.c.id).where(t.c.n == CANARY)),
        lambda: db.q(sa.text("INSERT INTO note (title) VALUES (:a)").bindparams(a=CANARY)),
        lambda: db.item("SELECT id FROM note WHERE title = ?", [f"{CANARY} "]),
    ]


async def failure(db: Database, call: Callable[[], Awaitable[Any]], *, inside: bool) -> DeeBaseError | None:
    """Return the error of a call, made in a transaction or outside of one; None where SQLite finds nothing wrong."""
    try:
        if inside:
            async with db.transaction():
                await call()
        else:
            await call()
    except DeeBaseError as error:
        return error
    return None


@each_database
async def test_a_value_is_in_nothing_that_a_failure_prints(
    db: Database, notes: Table[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    failures = 0
    for inside in (False, True):
        for call in failing(db, notes):
            error = await failure(db, call, inside=inside)
            if error is not None:
                failures += 1
                # The lines of source that a traceback shows hold no value.
                printed = "".join(traceback.format_exception(error))
                assert CANARY[:6] not in f"{printed} {error} {error.hint} {error.args}"
            await notes.delete_where(notes.c.id > 1)
    assert failures > 20
    # The driver's own log of what its thread does is not ours to change; documented.
    logged = [record.getMessage() for record in caplog.records if record.name != "aiosqlite"]
    assert logged
    assert CANARY[:6] not in "".join(logged)


@each_database
@pytest.mark.parametrize("way", ["tx.connection", "db.engine"])
async def test_a_value_is_in_no_error_or_log_of_sqlalchemy(
    db: Database, notes: Table[Any], caplog: pytest.LogCaptureFixture, way: str
) -> None:
    caplog.set_level(logging.DEBUG)
    table, text = notes.sa_table, sa.bindparam("a", CANARY, sa.Text())
    statements = [
        sa.insert(table).values(title=CANARY),
        sa.select(table.c.id).where(sa.func.no_such(text) == 1),
        sa.text("INSERT INTO strict_one (a, b) VALUES (:a, NULL)").bindparams(a=CANARY[:5]),
        sa.text("INSERT INTO no_such_table VALUES (:a)").bindparams(a=CANARY),
        sa.select(sa.cast(sa.cast(text, sa.Text()), sa.JSON())),
    ]
    printed: list[str] = []
    for statement in statements:
        with contextlib.suppress(DeeBaseError, sa.exc.SQLAlchemyError):
            if way == "db.engine":
                async with db.engine.connect() as connection:
                    printed.append(await printed_failure(connection, statement))
            else:
                async with db.transaction() as tx:
                    printed.append(await printed_failure(tx.connection, statement))
    assert len(list(filter(None, printed))) >= 4
    assert CANARY[:5] not in "".join(printed)
    logged = [record.getMessage() for record in caplog.records if record.name != "aiosqlite"]
    assert CANARY[:6] not in "".join(logged)


async def printed_failure(connection: Any, statement: Any) -> str:
    """Run a statement, and return all that its failure prints."""
    try:
        await connection.execute(statement)
    except sa.exc.SQLAlchemyError as error:
        orig = getattr(error, "orig", None)
        return f"{''.join(traceback.format_exception(error))} {error} {error.args} {orig!r}"
    return ""


def spelled(port: int) -> list[str]:
    """Return the ways to spell a password in a URL."""
    return [
        f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/x",
        f"postgresql+asyncpg://ann:{PASSWORD}@127.0.0.1:{port}/x?sslmode=disable",
        f"postgres://ann@127.0.0.1:{port}/x?password={PASSWORD}",
        f"postgresql://127.0.0.1:{port}/x?user=ann&password={PASSWORD}&connect_timeout=1",
    ]


async def test_a_password_is_in_nothing_that_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for url in spelled(free_port()):
        async with Database(url, connect_timeout=1, echo=True) as db:
            printed = [repr(db), str(db), repr(db.t), repr(db.transaction())]
            for call in (lambda db=db: db.q("SELECT 1"), lambda db=db: db.reflect(), lambda db=db: db.create(Note)):
                with pytest.raises(DeeBaseError) as caught:
                    await call()
                error = caught.value
                printed += [str(error), repr(error), "".join(traceback.format_exception(error)), repr(vars(error))]
                printed += [repr(pickle.dumps(error)), repr(copy.copy(error))]
            printed.append(repr(db.engine))
        assert PASSWORD not in "".join(printed)
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{PASSWORD}@host:port/x",
        f"postgresql:ann:{PASSWORD}@host/x",
        f"postgres//ann:{PASSWORD}@host/x",
        f"mysql://ann:{PASSWORD}@host/x",
        f"postgresql://ann:{PASSWORD}@host/x?{PASSWORD}=1",
        f"postgresql://ann:{PASSWORD}@host/x?sslmode={PASSWORD}",
        f"postgresql://ann:{PASSWORD}@host/x?connect_timeout={PASSWORD}",
    ],
)
def test_a_url_that_is_refused_is_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    printed = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert f":{PASSWORD}" not in printed


def test_no_process_is_started_with_a_password_in_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **_: started.append(arguments))
    monkeypatch.setattr(os, "system", started.append)
    for url in spelled(5432):
        repr(Database(url))
    assert started == []
