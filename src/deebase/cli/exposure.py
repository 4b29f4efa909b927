"""Which tables a command shows to others, and what they may do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deebase.cli.frame import Refusal

if TYPE_CHECKING:
    from deebase import Database
    from deebase.cli.session import Session
    from deebase.web import Access


F = TypeVar("F", bound=Callable[..., Any])
#: Addresses that programs of this machine alone can reach.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _must_be_loopback(_: click.Context, __: click.Parameter, host: str) -> str:
    if host not in _LOOPBACK:
        raise Refusal(
            f"--host {host}: these commands know no users, so they serve this machine alone; "
            "mount studio(db, user=...) in an app for others, or use an SSH tunnel"
        )
    return host


def loopback_option(command: F) -> F:
    """Add --host to a command that serves this machine alone."""
    return click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        callback=_must_be_loopback,
        help="The address to listen on: 127.0.0.1, localhost or ::1.",
    )(command)


def exposed(
    session: Session, shown: Sequence[str], writable: Sequence[str]
) -> Mapping[str, Access] | Callable[[Database], Mapping[str, Access]]:
    """Return what can be done with each table and view, or a function that does if those to come belong to them.

    Args:
        session: the database.
        shown: tables and views that can be read; all of them if none is named.
        writable: tables whose rows can be added, changed and deleted, too.

    Raises:
        Refusal: a view is to be written.
        TableNotFoundError: one does not exist.
    """
    from deebase.web import Access

    def access(names: Sequence[str]) -> dict[str, Access]:
        return {name: Access(write=name in writable, delete=name in writable) for name in names}

    for name in writable:
        session.table(name)
    for name in shown:
        if name not in session.db.v:
            session.table(name)
    if shown:
        return access(list(dict.fromkeys([*shown, *writable])))
    if not session.tables and not len(session.db.v):
        raise Refusal("the database has no tables; deebase table create makes one, and deebase data import FILE")
    return lambda db: access([*[table.name for table in session.tables], *[view.name for view in db.v]])
