"""Texts in double quotes: SQLite reads them as strings where no column has the name (sqlite.org/quirks.html#dblquote).

Since Python 3.12 a connection can refuse them, so that a misspelt "column" of a statement is an error. Views and
triggers of existing files may depend on them: a connection that meets such a file reads them as SQLite always did.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from contextlib import suppress

from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens, folded

#: From some version on, SQLite quotes the name, and asks whether a string is meant.
_MISSING = re.compile(r'no such column: ("?)(.+?)\1(?: - should this be .*)?$', re.DOTALL)
_WRITTEN = "SELECT sql FROM {0}.sqlite_master WHERE type IN ('view', 'trigger')"


def refuse(raw: sqlite3.Connection) -> None:
    """Refuse such texts in statements; in definitions of tables, which may be copied from other files, they stay."""
    if sys.version_info >= (3, 12):
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, False)
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, True)


def accept(raw: sqlite3.Connection) -> None:
    """Read such texts as strings, also where the library was built without."""
    if sys.version_info >= (3, 12):
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML, True)
        raw.setconfig(sqlite3.SQLITE_DBCONFIG_DQS_DDL, True)


def accept_if_needed(raw: sqlite3.Connection, error: BaseException) -> bool:
    """Accept such texts if a statement failed for one in a view or trigger; True if they were refused before."""
    if sys.version_info >= (3, 12):
        found = _MISSING.search(str(error)) if isinstance(error, sqlite3.OperationalError) else None
        if found is not None and not raw.getconfig(sqlite3.SQLITE_DBCONFIG_DQS_DML):
            with suppress(sqlite3.Error):
                if _is_in_schema(raw, folded(found[2])):
                    accept(raw)
                    return True
    return False


def _is_in_schema(raw: sqlite3.Connection, name: str) -> bool:
    for _, schema, _ in raw.execute("PRAGMA database_list").fetchall():
        for (sql,) in raw.execute(_WRITTEN.format(identifier(schema))).fetchall():
            quoted = [token for token in code_tokens(str(sql), SQLITE) if token.text.startswith('"')]
            if any(folded(token.name) == name for token in quoted):
                return True
    return False
