"""The session that every SQLite lane of a database has: pragmas and attached files, set by statements of the user."""

from __future__ import annotations

from typing import NamedTuple

from deebase._lanes.interface import Params
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.tokens import BLANK, tokens

#: Parts of a key: the kind of setting, its schema and its name.
Key = tuple[str, str, str]

#: Set by the connection that writes. SQLite stores WAL in the file, and a connection that only reads cannot change it.
_OF_THE_WRITER = "journal_mode"


class Setting(NamedTuple):
    """A statement that sets up a session."""

    version: int
    statement: Statement
    args: Params


class SessionState:
    """The statements that set up a session, the last one of each setting, in order.

    Attributes:
        version: number of statements that changed the session so far.
    """

    def __init__(self) -> None:
        self.version: int = 0
        self._settings: dict[Key, Setting] = {}

    def __len__(self) -> int:
        return len(self._settings)

    def record(self, statement: Statement, args: Params) -> None:
        """Record a statement in place of an earlier one for the same setting; DETACH removes its ATTACH."""
        self.version += 1
        key = _key(statement.sql, args)
        verb, schema, _ = key
        if verb in ("ATTACH", "DETACH"):
            # DETACH also removes the pragmas of the schema.
            self._settings = {other: kept for other, kept in self._settings.items() if other[1] != schema}
        # Removed first: the order of the dict is that of the versions.
        self._settings.pop(key, None)
        if verb != "DETACH":
            self._settings[key] = Setting(self.version, statement, args)

    def missing(self, lane: LaneSession, *, reads: bool) -> list[tuple[Statement, Params]]:
        """Return the statements that a lane must run, and count them as run.

        Args:
            lane: the session of the lane.
            reads: the lane cannot write.
        """
        attached = {key[1]: kept.version for key, kept in self._settings.items() if key[0] == "ATTACH"}
        detached = [schema for schema, version in lane.attached.items() if attached.get(schema) != version]
        found: list[tuple[Statement, Params]] = [
            (Statement(f'DETACH "{schema.replace(chr(34), chr(34) * 2)}"'), ()) for schema in detached
        ]
        for key, kept in self._settings.items():
            if kept.version > lane.version and not (reads and key[2] == _OF_THE_WRITER):
                found.append((kept.statement, kept.args))
        lane.version, lane.attached = self.version, attached
        return found

    def has_run(self, lane: LaneSession) -> None:
        """Count all statements as run by a lane, which has just run the last one."""
        self.missing(lane, reads=False)


class LaneSession:
    """The statements of a ``SessionState`` that one lane has run.

    Attributes:
        version: the version of the state whose statements the lane has run.
        attached: the version of each ATTACH that the lane has run, by schema.
    """

    __slots__ = ("attached", "version")

    def __init__(self) -> None:
        self.version: int = 0
        self.attached: dict[str, int] = {}


def _key(sql: str, args: Params) -> Key:
    """Return what a statement sets, or the text itself if the statement is of another kind."""
    words = [token.text for token in tokens(sql, SQLITE) if token.kind not in BLANK and token.text != ";"]
    verb = words[0].upper()
    if verb == "PRAGMA":
        schema, name = (words[1], words[3]) if words[2] == "." else ("", words[1])
        return verb, _name(schema), _name(name)
    if verb in ("ATTACH", "DETACH"):
        alias = str(args[-1]) if words[-1].startswith(("?", ":", "@", "$")) else words[-1]
        return verb, _name(alias), ""
    return verb, "", sql


def _name(text: str) -> str:
    """Return a name as SQLite compares it: without quotes, in lower case."""
    return (text[1:-1] if text[:1] in ('"', "'", "`", "[") else text).lower()
