"""Settings of a role, a database or a session that would change how SQL text is read and what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    ConfigurationError,
    Database,
    DeeBaseError,
    InvalidOperationError,
    QueryError,
    TransactionAbortedError,
)
from tests.support.worlds import only_on

#: To the scanner a stray backslash between two strings, which PostgreSQL refuses. With backslashes as escapes it would
#: be another condition outside of the parentheses, and so of the scope.
ESCAPING = r"body = '\' OR body = ') OR 1=1 OR (body <> '\''"


class Note:
    id: int
    owner: int
    body: str


class Kind(Enum):
    PLAIN = "plain"
    ESCAPING = "\\'); CREATE TABLE stolen (id int); --"


class Typed:
    id: int
    kind: Kind


backend_name = only_on("postgres")


@asynccontextmanager
async def settings_of_the_database(url: str, **settings: str) -> AsyncIterator[None]:
    """Give the database of a URL settings of its own, and take them away again."""
    async with Database(url, pool_size=1) as admin:
        name = await admin.item("SELECT quote_ident(current_database())")
        for setting, value in settings.items():
            await admin.q(f"ALTER DATABASE {name} SET {setting} = {value}")
        try:
            yield
        finally:
            await admin.q(f"ALTER DATABASE {name} RESET ALL")


async def test_backslashes_stay_plain_for_any_setting_of_the_database(db_url: str) -> None:
    async with settings_of_the_database(db_url, standard_conforming_strings="off"), Database(db_url) as db:
        notes = await db.create(Note)
        await notes.insert_all([{"id": 1, "owner": 1, "body": "mine"}, {"id": 2, "owner": 2, "body": "\\"}])
        with pytest.raises(QueryError):
            await notes.xtra(owner=1)(where=ESCAPING)
        typed = await db.create(Typed)
        await typed.insert(id=1, kind=Kind.ESCAPING)
        assert (await typed[1])["kind"] is Kind.ESCAPING
        assert await db.item("SELECT to_regclass('stolen')") is None


async def switched_off_by_text(db: Database, _tx: Any) -> None:
    await db.q("SET standard_conforming_strings = off")


async def switched_off_by_a_function(db: Database, _tx: Any) -> None:
    await db.q("SELECT set_config('standard_conforming_strings', 'off', true)")


async def switched_off_by_sqlalchemy(_db: Database, tx: Any) -> None:
    await tx.connection.execute(sa.text("SET LOCAL standard_conforming_strings = off"))


async def switched_off_by_the_driver(_db: Database, tx: Any) -> None:
    raw = await tx.connection.get_raw_connection()
    await raw.driver_connection.execute("SET standard_conforming_strings = off")


@pytest.mark.parametrize(
    "switch_off",
    [
        switched_off_by_text,
        switched_off_by_a_function,
        switched_off_by_sqlalchemy,
        switched_off_by_the_driver,
    ],
    ids=lambda function: str(function.__name__),
)
async def test_a_session_with_escaping_backslashes_is_refused(
    db_url: str, switch_off: Callable[[Database, Any], Any]
) -> None:
    async with Database(db_url, pool_size=1) as db:
        notes = await db.create(Note)
        await notes.insert(id=2, owner=2, body="another's")
        with pytest.raises(TransactionAbortedError):
            async with db.transaction() as tx:
                await switch_off(db, tx)
                with pytest.raises(InvalidOperationError, match="standard_conforming_strings is off"):
                    await notes.xtra(owner=1)(where=ESCAPING)
        await db.q("SELECT set_config('standard_conforming_strings', 'off', false)")
        with pytest.raises(QueryError):
            await notes.xtra(owner=1)(where=ESCAPING)


async def test_a_server_that_ignores_the_parameter_is_refused(db_url: str) -> None:
    db = Database(db_url)
    # What a pooler in between makes of it that does not pass it on.
    db._core.settings.connect_args["server_settings"]["standard_conforming_strings"] = "off"
    with pytest.raises(InvalidOperationError, match="standard_conforming_strings is off"):
        await db.item("SELECT 1")
    await db.close()


@pytest.mark.parametrize("value", ["off", "false", "0", False])
def test_the_setting_cannot_be_taken_away_by_an_option(db_url: str, value: Any) -> None:
    settings = {"standard_conforming_strings": value}
    with pytest.raises(ConfigurationError, match="standard_conforming_strings"):
        Database(db_url, engine_options={"connect_args": {"server_settings": settings}})


async def test_server_settings_of_the_caller_are_added_to_ours(db_url: str) -> None:
    options = {"connect_args": {"server_settings": {"application_name": "reports", "work_mem": "8MB"}}}
    async with Database(db_url, engine_options=options, command_timeout=7) as db:
        shown = {name: await db.item(f"SHOW {name}") for name in ("application_name", "work_mem", "statement_timeout")}
        assert shown == {"application_name": "reports", "work_mem": "8MB", "statement_timeout": "7s"}
        assert await db.item("SHOW standard_conforming_strings") == "on"


ODD = {
    "datestyle": "'German, DMY'",
    "intervalstyle": "'sql_standard'",
    "bytea_output": "'escape'",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "timezone": "'Asia/Kolkata'",
    "backslash_quote": "off",
    "escape_string_warning": "off",
    "xmloption": "document",
    "default_transaction_isolation": "serializable",
    "client_encoding": "'latin1'",
    "transform_null_equals": "on",
    "array_nulls": "off",
}


class Formats:
    id: int
    day: date = date(2024, 2, 1)
    at: datetime = datetime(2024, 2, 1, 10, 30)
    wait: timedelta = timedelta(days=1, hours=2)
    raw: bytes = b"\x00\\'\xff"
    part: float = 0.1234567890123
    name: str = "it's"


async def seen(url: str) -> tuple[Any, ...]:
    """Return what a fresh Database sees of the table: its definition, columns, indexes, a row by its defaults."""
    async with Database(url) as db:
        await db.reflect()
        table = db.t.formats
        row = await table.insert(id=1)
        found = await table(day=row["day"], at=row["at"], part=row["part"]).one()
        assert found == row
        await table.delete(1)
        return table.schema, table.columns, table.indexes, db.v.early.columns, row


async def test_settings_of_a_database_change_no_answer(db_url: str) -> None:
    async with Database(db_url) as db:
        table = await db.create(Formats, indexes=["day"])
        await table.create_index(["name"], where="name <> 'x'", name="partial")
        await db.q("CREATE VIEW early AS SELECT id, day FROM formats WHERE day < '2024-03-01'")
    before = await seen(db_url)
    async with settings_of_the_database(db_url, **ODD):
        assert await seen(db_url) == before


@pytest.mark.parametrize("path", ["''", "app, public", "nowhere"])
async def test_the_search_path_of_a_database_leads_to_its_tables(db_url: str, path: str) -> None:
    async with Database(db_url) as db:
        await db.q("CREATE SCHEMA app")
    async with settings_of_the_database(db_url, search_path=path), Database(db_url) as db:
        if path in ("''", "nowhere"):
            with pytest.raises(DeeBaseError):
                await db.create(Note)
            return
        notes = await db.create(Note)
        await notes.insert(id=1, owner=1, body="x")
        async with Database(db_url) as other:
            await other.reflect()
            assert await other.t.note.count() == 1
