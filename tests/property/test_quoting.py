"""A name or a text in quotes is read back as it was, whatever it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deebase import Database
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import POSTGRES, TokenRules
from deebase._sqltext.quoting import bytes_literal, identifier, literal, unquoted
from deebase._sqltext.tokens import Token, tokens
from tests.conftest import BACKENDS

HOSTILE = [
    "'",
    '"',
    "''",
    '""',
    "\\",
    "\\'",
    "'\\''",
    "';--",
    '";--',
    "/*",
    "$$",
    "E'",
    "?",
    ":x",
    "%s",
    "\n",
    "\ufeff",
]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.lists(st.sampled_from([*HOSTILE, "a", " "]), max_size=8).map("".join),
)


class Opened:
    """A database for all examples of one backend."""

    def __init__(self, runner: asyncio.Runner, db: Database) -> None:
        self.runner = runner
        self.db = db
        self.rules: TokenRules = runner.run(self.rules_of_it())

    async def rules_of_it(self) -> TokenRules:
        return capabilities_of(self.db.engine.dialect).tokens

    def rows(self, sql: str) -> object:
        return self.runner.run(self.asked(sql))

    async def asked(self, sql: str) -> object:
        return await self.db.q(sql)


@pytest.fixture(scope="module", params=BACKENDS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    with asyncio.Runner() as runner:
        if request.param == "postgres":
            with request.getfixturevalue("postgres_server").fresh_database() as url:
                yield from open_at(runner, url)
        else:
            memory = request.param == "sqlite-memory"
            yield from open_at(runner, ":memory:" if memory else str(tmp_path_factory.mktemp("quotes") / "test.db"))


def open_at(runner: asyncio.Runner, target: str) -> Iterator[Opened]:
    db = Database(target, durability="normal")
    opened = Opened(runner, db)
    opened.rows("SELECT 1")  # All connections that it needs are open from now on.
    yield opened
    runner.run(db.close())


@given(text=TEXTS)
@example("\\")
@example("a\\'b")
@example("\\x41")
def test_a_text_is_read_back(opened: Opened, text: str) -> None:
    written = literal(text, opened.rules)
    assert tokens(written, opened.rules) == [Token("string", written, 0)]
    # Through q(), where a question mark or colon in quotes is no parameter, and straight through the driver.
    assert opened.rows(f"SELECT {written} AS x") == [{"x": text}]
    assert unquoted(written[1:-1]) == text or "\\" in text


@given(name=TEXTS)
@example('"')
@example("select")
def test_a_name_is_read_back(opened: Opened, name: str) -> None:
    # SQLite gives a column of a subquery that is called so another name (sqlite3ColumnsFromExprList in select.c).
    assume(0 < len(name.encode()) <= 63 and name.lower() not in ("true", "false"))
    written = identifier(name)
    (token,) = tokens(written, opened.rules)
    assert (token.kind, token.name) == ("quoted", name)
    assert opened.rows(f"SELECT {written} FROM (SELECT 7 AS {written}) AS s") == [{name: 7}]
    assert identifier(None, name) == written
    assert identifier(name, name) == f"{written}.{written}"


@given(value=st.binary(max_size=20))
def test_bytes_are_read_back(opened: Opened, value: bytes) -> None:
    written = bytes_literal(value, opened.rules)
    cast = f"CAST({written} AS bytea)" if opened.rules.escapes_strings else written
    assert opened.rows(f"SELECT {cast} AS x") == [{"x": value}]


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
@given(text=TEXTS)
@example("\\'; --")
async def test_a_setting_of_the_server_changes_no_text(db: Database, text: str) -> None:
    async with db.transaction() as tx:
        await tx.connection.exec_driver_sql("SET LOCAL standard_conforming_strings = off")
        read = await tx.connection.exec_driver_sql(f"SELECT {literal(text, POSTGRES)}::text")
        assert read.scalar_one() == text
