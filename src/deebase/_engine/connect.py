"""Makes the engine of SQLAlchemy and the lanes of an event loop."""

from __future__ import annotations

import asyncio
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from deebase._backends.error_translation import shown_cause
from deebase._backends.protocols import LANE, Settings, Translate
from deebase._lanes.interface import Lanes
from deebase._types.forms.foreign_values import OWN, sendable
from deebase.errors import ConfigurationError, InvalidOperationError, TransactionError


def make_engine(settings: Settings, translate: Translate) -> AsyncEngine:
    """Make SQLAlchemy's engine; nothing is opened yet.

    Args:
        settings: where the database is.
        translate: returns the DeeBase error for a driver's error, and redacts the values in that.
    """
    options: dict[str, Any] = {
        # Lanes stay checked out; the overflow is for connections that users borrow from db.engine.
        "pool_size": settings.pool_size + (1 if settings.in_loop is None else 2),
        "max_overflow": settings.pool_size,
        # Neither errors nor the log of the engine quote values.
        "hide_parameters": True,
        **settings.backend.engine.engine_options(settings),
    }
    try:
        engine = create_async_engine(settings.sa_url, **options)
    except ImportError as error:
        raise ConfigurationError(
            f"the driver for {settings.name} cannot be imported: {error.name}", hint="pip install aiosqlite asyncpg"
        ) from error
    except TypeError as error:
        raise ConfigurationError("SQLAlchemy does not accept one of the engine_options", hint=str(error)) from error
    settings.backend.engine.prepare(engine, settings)
    event.listen(engine.sync_engine, "before_cursor_execute", _send_own_values, retval=True)
    _guard_lanes(engine, translate)
    return engine


def _send_own_values(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
) -> tuple[str, Any]:
    """Make SQLAlchemy convert values of other libraries as DeeBase does: sqlite3 stores an int of numpy as bytes."""
    rows: list[Any] = parameters if many else [parameters]
    if all(OWN.issuperset(map(type, row)) for row in rows):
        return statement, parameters
    made = [tuple(map(sendable, row)) for row in rows]
    return statement, made if many else made[0]


def _guard_lanes(engine: AsyncEngine, translate: Translate) -> None:
    """Connect the events of ``tx.connection`` to its transaction."""

    def refuse(connection: sa.Connection) -> None:
        lane = connection.get_execution_options().get(LANE)
        if lane is not None and lane.in_transaction:
            raise InvalidOperationError(
                "the transaction of tx.connection ends with its block",
                operation="commit",
                hint="leave the block to commit, call tx.rollback() to undo it",
            )

    def undone(connection: sa.Connection) -> None:
        # SQLAlchemy rolls back after some errors, so this cannot be rejected: the transaction has ended.
        lane = connection.get_execution_options().get(LANE)
        if lane is not None and lane.in_transaction and lane.on_error is not None:
            lane.on_error(
                TransactionError("tx.connection was rolled back", hint="leave the block, or call tx.rollback()")
            )

    def failed(context: sa.engine.ExceptionContext) -> None:
        connection = context.connection
        error = context.sqlalchemy_exception or context.original_exception
        if connection is not None:
            # The driver's message may quote values: our message replaces it, for errors of any class.
            translate(error, None)
        lane: Any = None if connection is None else connection.get_execution_options().get(LANE)
        if lane is not None and lane.on_error is not None:
            lane.on_error(error)

    def begin(connection: sa.Connection, *_: Any) -> None:
        # The transaction may begin with its first statement, which is one of the user's here.
        lane = connection.get_execution_options().get(LANE)
        if lane is None:
            return
        try:
            await_only(lane.flush())
        except BaseException as error:
            ours = translate(error, None)
            if ours is None or ours is error:
                raise
            raise ours from shown_cause(error)

    event.listen(engine.sync_engine, "before_cursor_execute", begin)
    event.listen(engine.sync_engine, "commit", refuse)
    event.listen(engine.sync_engine, "rollback", undone)
    event.listen(engine.sync_engine, "handle_error", failed)


def make_lanes(engine: AsyncEngine, settings: Settings, loop: asyncio.AbstractEventLoop, translate: Translate) -> Lanes:
    """Make the lanes of one event loop; each opens at its first use."""
    return settings.backend.engine.lanes(engine, settings, loop, translate)
