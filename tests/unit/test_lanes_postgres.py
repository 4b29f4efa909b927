"""Which errors leave a PostgreSQL connection fit for the next statement."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from deebase._backends.postgres.lane import PostgresLane
from deebase._backends.postgres.session_state import StoredCode


def answer(state: str, severity: str) -> Any:
    return asyncpg.PostgresError.new({"S": "FEHLER", "V": severity, "C": state, "M": "x"})


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (answer("23505", "ERROR"), False),
        (answer("42P01", "ERROR"), False),
        (asyncpg.DataError("x"), False),
        (asyncpg.InterfaceError("x"), False),
        # The server's last words, which come before the end of the link can be seen.
        (answer("57P01", "FATAL"), True),
        (answer("XX000", "PANIC"), True),
        (asyncpg.InternalClientError("cannot switch to state 12"), True),
        (asyncio.CancelledError(), True),
        (KeyboardInterrupt(), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        # The connection works, but the server accepts no writes: the pool reconnects (tests/faults/test_failover.py).
        (answer("25006", "ERROR"), False),
    ],
    ids=repr,
)
def test_a_connection_is_used_again_only_when_it_is_fit(error: BaseException, broken: bool) -> None:
    connection: Any = None
    lane = PostgresLane(connection, None, StoredCode())
    lane.failed(error)
    assert lane.broken is broken
    lane.failed(answer("23505", "ERROR"))
    assert lane.broken is broken
