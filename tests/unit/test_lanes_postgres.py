"""Which errors leave a PostgreSQL connection fit for the next statement."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from deebase._engine.lanes_postgres import PostgresLane


def answer(state: str, severity: str) -> Any:
    return asyncpg.PostgresError.new({"S": "FEHLER", "V": severity, "C": state, "M": "x"})


@pytest.mark.parametrize(
    ("error", "broken", "stale"),
    [
        (answer("23505", "ERROR"), False, False),
        (answer("42P01", "ERROR"), False, False),
        (asyncpg.DataError("x"), False, False),
        (asyncpg.InterfaceError("x"), False, False),
        # The server's last words, which come before the end of the link can be seen.
        (answer("57P01", "FATAL"), True, False),
        (answer("XX000", "PANIC"), True, False),
        (asyncpg.InternalClientError("cannot switch to state 12"), True, False),
        (asyncio.CancelledError(), True, False),
        (KeyboardInterrupt(), True, False),
        (TimeoutError(), True, False),
        (ConnectionResetError(), True, False),
        # Sound, but the server takes no writes: after a failover another one does.
        (answer("25006", "ERROR"), False, True),
    ],
    ids=repr,
)
def test_a_connection_is_used_again_only_when_it_is_fit(error: BaseException, broken: bool, stale: bool) -> None:
    connection: Any = None
    lane = PostgresLane(connection, None)
    lane.failed(error)
    assert (lane.broken, lane.stale) == (broken, stale)
    lane.failed(answer("23505", "ERROR"))
    assert (lane.broken, lane.stale) == (broken, stale)
