"""Which tables a command shows to others, and what they may do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from deebase.cli.frame import Refusal

if TYPE_CHECKING:
    from deebase.cli.session import Session
    from deebase.web import Access


#: Addresses that programs of this machine alone can reach.
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _must_be_loopback(_: click.Context, __: click.Parameter, host: str) -> str:
    if host not in _LOOPBACK:
        raise Refusal(
            f"--host {host}: these commands know no users, so they serve this machine alone; "
            "mount studio(db, user=...) in an app for others, or use an SSH tunnel"
        )
    return host


loopback_option = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    callback=_must_be_loopback,
    help="The address of this machine: 127.0.0.1, localhost or ::1.",
)


def exposed(session: Session, shown: Sequence[str], writable: Sequence[str]) -> dict[str, Access]:
    """Return what can be done with each table and view.

    Args:
        session: the database.
        shown: tables and views that can be read; all of them if none is named.
        writable: tables whose rows can be added, changed and deleted, too.

    Raises:
        Refusal: a view is to be written.
        TableNotFoundError: one does not exist.
    """
    from deebase.web import Access

    for name in writable:
        session.table(name)
    names = list(shown) or [*[table.name for table in session.tables], *[view.name for view in session.db.v]]
    for name in names:
        if name not in session.db.v:
            session.table(name)
    if not names:
        raise Refusal("the database has no tables; deebase table create makes one, and deebase data import FILE")
    write = {name: name in writable for name in dict.fromkeys([*names, *writable])}
    return {name: Access(write=named, delete=named) for name, named in write.items()}
