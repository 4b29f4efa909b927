"""What PostgreSQL itself says to the texts that are one token by our rules."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import tokens
from tests.support.token_cases import POSTGRES_TOKENS


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(postgres_url)
    yield opened
    await opened.close()


async def answer(connection: asyncpg.Connection, sql: str) -> object:
    """Return the value that the server gives, or its message."""
    try:
        return await connection.fetchval(sql)
    except asyncpg.PostgresError as error:
        return error.args[0]


def of(*kinds: str) -> list[str]:
    return [text for kind in kinds for text in POSTGRES_TOKENS[kind]]


async def test_values_are_values(connection: asyncpg.Connection) -> None:
    newer = connection.get_server_version().major >= 16
    for text in of("string", "blob", "number"):
        if newer or not (text[0].isdigit() and set(text) & set("xob_")):
            assert await answer(connection, f"SELECT pg_typeof({text})::text") in (
                *("unknown", "text", "bit", "integer", "numeric"),
            ), text


async def test_names_are_names(connection: asyncpg.Connection) -> None:
    for text in of("quoted", "word"):
        assert await answer(connection, f"SELECT {text} FROM (SELECT 7 AS {text}) AS s") == 7, text
        (token,) = tokens(text, POSTGRES)
        if token.kind == "quoted" and text.startswith('"'):
            assert await answer(connection, f"SELECT {text} FROM (SELECT 7 AS {identifier(token.name)}) AS s") == 7


async def test_blanks_mean_nothing(connection: asyncpg.Connection) -> None:
    for text in of("space", "comment"):
        assert await answer(connection, f"SELECT{text}\n7") == 7, text


async def test_what_is_open_swallows_the_rest_or_is_refused(connection: asyncpg.Connection) -> None:
    for text in of("unclosed"):
        # After a number, the newer versions do not come to the quote.
        begins = ("unterminated", "syntax error", "trailing junk") if text[0].isdigit() else "unterminated"
        message = str(await answer(connection, f"SELECT {text}"))
        assert message.startswith(begins), (text, message)


async def test_numbers_with_letters_after_them_are_refused(connection: asyncpg.Connection) -> None:
    if connection.get_server_version().major >= 15:
        for text in of("illegal"):
            message = str(await answer(connection, f"SELECT {text}"))
            assert message.startswith(("trailing junk", "invalid")), (text, message)


async def test_operators_are_one_token(connection: asyncpg.Connection) -> None:
    for text in of("symbol"):
        if set(text) <= set("+-*/<>=~!@#%^&|`") and text not in ("=>", "->"):
            found = await answer(connection, f"SELECT point '(1,1)' OPERATOR({text}) 1.5::numeric")
            sign = {"!=": "<>"}.get(text, text)
            assert found == f"operator does not exist: point {sign} numeric", text
