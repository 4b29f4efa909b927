"""Names of tables, views and columns for the completion of a shell, which gets nothing where they cannot be read."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from deebase.errors import DeeBaseError

if TYPE_CHECKING:
    from deebase.database import Database

#: Seconds after which a database has no names to offer.
_PATIENCE = 2.0


def tables(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Return the tables and views whose names begin with a text."""
    return [name for name in _names(ctx, None) if name.startswith(begun)]


def columns(ctx: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """Return the columns of the named table whose names begin with a text, with ``=`` where a value follows."""
    # An option whose value is being typed keeps Click from assigning the arguments.
    table = ctx.params.get("table") or ctx.params.get("name") or next(iter(ctx.args), None)
    ending = "=" if "=" in (parameter.metavar or "") else ""
    found: Sequence[str] = _names(ctx, table) if isinstance(table, str) else ()
    return [f"{name}{ending}" for name in found if name.startswith(begun)]


def _names(ctx: click.Context, table: str | None) -> Sequence[str]:
    """Return the names of the tables and views, or of the columns of one; none if the database cannot be read."""
    from deebase.cli.session import is_own, session

    try:
        # The context, which has the options that name the database, is not that of a running command.
        with warnings.catch_warnings(), ctx.scope(cleanup=False):
            warnings.simplefilter("ignore")
            with session(reflects=False, read_only=True) as s:
                s.run(asyncio.wait_for(_reflected(s.db), _PATIENCE))
                if table is not None:
                    return s.readable(table).columns
                return sorted([name for item in (s.db.t, s.db.v) for one in item if not is_own(name := one.name)])
    except (DeeBaseError, click.ClickException, OSError, TimeoutError):
        # A message would appear in the middle of what is typed.
        return []


async def _reflected(db: Database) -> None:
    await db.reflect()
