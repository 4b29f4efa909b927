"""The session that every SQLite lane of a database has: pragmas and attached files, set by statements of the user."""

from __future__ import annotations

from typing import NamedTuple

from deebase._lanes.interface import Params
from deebase._sql.statement import Statement
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import Token, code_tokens, folded

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
        found: list[tuple[Statement, Params]] = [(Statement(f"DETACH {identifier(schema)}"), ()) for schema in detached]
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
    found = [token for token in code_tokens(sql, SQLITE) if token.text != ";"]
    verb = found[0].word
    if verb == "PRAGMA":
        schema, name = (found[1].name, found[3].name) if found[2].text == "." else ("", found[1].name)
        return verb, folded(schema), folded(name)
    if verb in ("ATTACH", "DETACH"):
        values = list(args)
        if verb == "ATTACH" and found[-2].word == "KEY":
            # SQLite without encryption ignores a key (lang_attach.html does not list it).
            found, values = found[:-2], values[: -1 if _is_placeholder(found[-1]) else None]
        alias = str(values[-1]) if _is_placeholder(found[-1]) else found[-1].name
        return verb, folded(alias), ""
    return verb, "", sql


def _is_placeholder(token: Token) -> bool:
    return token.kind in ("mark", "named", "native")
