"""Lint of SQL: each statement by itself, then all of them together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.splitting import split_script
from deebase.migrations.check import rules
from deebase.migrations.check.hazards_alter import actions, of_alter
from deebase.migrations.check.hazards_words import Words
from deebase.migrations.check.rules import Hazard, hazard

#: Words between CREATE and TRIGGER or INDEX.
_KINDS = frozenset({"OR", "REPLACE", "CONSTRAINT", "UNIQUE", "TEMP", "TEMPORARY"})
_ROWS = frozenset({"UPDATE", "DELETE"})


class SqlReader:
    """Reads the statements of a migration, in their order.

    Args:
        database: the database.
        transactional: whether they run in one transaction.
        bounded: whether waits for a lock have a limit.
    """

    def __init__(self, database: Capabilities, *, transactional: bool = True, bounded: bool = True) -> None:
        self._database = database
        self._transactional = transactional
        self._bounded = bounded
        self._seen: list[tuple[Words, int | None]] = []
        #: The tables that statements create.
        self.created: set[str] = set()

    def read(self, script: str, line: int | None) -> Iterator[Hazard]:
        """Yield the hazards of each statement by itself."""
        for statement in split_script(script, self._database.tokens):
            words = Words.of(statement, self._database)
            self._seen.append((words, line))
            if words.begins("CREATE") and "TABLE" in words.upper[1:4]:
                self.created |= {name for name in [words.name(after="TABLE")] if name is not None}
            yield from [replace(found, line=line) for found in self._of_statement(words)]

    def _of_statement(self, words: Words) -> Iterator[Hazard]:
        if self._transactional and words.has("CONCURRENTLY"):
            yield hazard(rules.CONCURRENTLY_INSIDE, words.name(after="ON"))
        yield from of_statement(words)

    def together(self) -> Iterator[Hazard]:
        """Yield the hazards of all statements together."""
        if self._transactional:
            yield from self._validated()
            yield from self._rows_beside_schema()
        waits = [(words, line) for words, line in self._seen if words.begins("ALTER", "TABLE") or words.begins("DROP")]
        unbounded = [line for words, line in self._seen if _lifts_the_limit(words)]
        limited = any(_names_the_limit(words) and not _lifts_the_limit(words) for words, _ in self._seen)
        if unbounded:
            yield hazard(rules.NO_LOCK_TIMEOUT, None, line=unbounded[0])
        elif not self._bounded and waits and not limited:
            words, line = waits[0]
            yield hazard(rules.NO_LOCK_TIMEOUT, words.name_at(2), line=line)

    def _validated(self) -> Iterator[Hazard]:
        added: set[str | None] = set()
        for words, line in self._seen:
            for action in actions(words) if words.begins("ALTER", "TABLE") else []:
                if action.begins("VALIDATE") and words.name_at(2) in added:
                    yield hazard(rules.VALIDATE_AT_ONCE, words.name_at(2), line=line)
                elif action.begins("ADD") and action.has("NOT", "VALID"):
                    added.add(words.name_at(2))

    def _rows_beside_schema(self) -> Iterator[Hazard]:
        changed = any(_changes_schema(words) and not self._is_of_its_own(words) for words, _ in self._seen)
        for words, line in self._seen if changed else ():
            if set(words.upper[:1]) & _ROWS and not words.has("WHERE"):
                yield hazard(rules.ROWS_BESIDE_SCHEMA, _written_to(words), line=line)

    def _is_of_its_own(self, words: Words) -> bool:
        """Whether a statement concerns a table that the migration creates itself."""
        name = words.name(after="ON") if words.has("ON") else words.name(after="TABLE")
        return name in self.created


def _changes_schema(words: Words) -> bool:
    return words.begins("ALTER", "TABLE") or words.begins("DROP") or _created_kind(words) in ("INDEX", "TRIGGER")


def _created_kind(words: Words) -> str:
    """Return the kind of object that a CREATE creates; "" for any other statement."""
    return next((word for word in words.upper[1:] if word not in _KINDS), "") if words.begins("CREATE") else ""


def _written_to(words: Words) -> str | None:
    return words.name(after="FROM") if words.begins("DELETE") else words.name_at(1)


def _names_the_limit(words: Words) -> bool:
    return words.upper[:1] in (["SET"], ["RESET"]) and "LOCK_TIMEOUT" in words.upper[1:3]


def _lifts_the_limit(words: Words) -> bool:
    """Whether it is SET lock_timeout = 0, or RESET."""
    value = "".join(words.texts[words.upper.index("LOCK_TIMEOUT") + 2 :]) if _names_the_limit(words) else ""
    return _names_the_limit(words) and (words.begins("RESET") or value.strip("'") in ("0", "0s", "0ms"))


def of_statement(words: Words) -> Iterator[Hazard]:
    """Yield the hazards of one statement.

    A new rule for a statement goes here, or into ``of_alter`` if it is about an action of ALTER TABLE.
    """
    first = words.upper[0] if words.upper else ""
    if words.begins("ALTER", "TABLE"):
        yield from of_alter(words)
    elif words.begins("ALTER", "TYPE"):
        yield hazard(rules.ALTER_TYPE, None)
    elif words.begins("ALTER", "DOMAIN"):
        if words.has("ADD") and words.has("CHECK") and not words.has("NOT", "VALID"):
            yield hazard(rules.ADD_CHECK, None)
    elif first == "ALTER" and words.has("VIEW") and words.has("RENAME"):
        yield hazard(rules.RENAME, None)
    elif words.begins("ALTER", "TRIGGER"):
        yield hazard(rules.TRIGGER, words.name(after="ON"))
    elif words.begins("ALTER", "POLICY"):
        yield hazard(rules.POLICY, words.name(after="ON"))
    elif words.begins("ALTER", "INDEX") and words.has("SET", "TABLESPACE"):
        yield hazard(rules.SET_TABLESPACE, None)
    elif first == "DROP":
        yield from _of_drop(words)
    elif first == "CREATE":
        yield from _of_create(words)
    else:
        yield from _of_others(first, words)


def _of_drop(words: Words) -> Iterator[Hazard]:
    what = words.upper[1:3]
    if what[:1] == ["TABLE"]:
        yield from [hazard(rules.DROP_TABLE, name) for name in words.names(after="TABLE")]
    elif what[:1] == ["VIEW"] or what == ["MATERIALIZED", "VIEW"]:
        yield hazard(rules.DROP_VIEW, None)
    elif what[:1] == ["INDEX"] and not words.has("CONCURRENTLY"):
        yield hazard(rules.DROP_INDEX, None)
    elif what[:1] == ["TRIGGER"]:
        yield hazard(rules.TRIGGER, words.name(after="ON"))
    elif what[:1] == ["POLICY"]:
        yield hazard(rules.POLICY, words.name(after="ON"))
    elif what[:1] == ["RULE"]:
        yield hazard(rules.REWRITE_RULE, words.name(after="ON"))
    elif what[:1] in (["FUNCTION"], ["PROCEDURE"], ["ROUTINE"], ["AGGREGATE"]):
        yield hazard(rules.DROP_ROUTINE, None)
    elif what[:1] == ["OWNED"] or (what[:1] == ["SCHEMA"] and words.has("CASCADE")):
        yield hazard(rules.DROP_TABLE, None)
    elif what[:1] in (["TYPE"], ["DOMAIN"]):
        yield hazard(rules.DROP_COLUMN if words.has("CASCADE") else rules.ALTER_TYPE, None)


def _of_create(words: Words) -> Iterator[Hazard]:
    kind = _created_kind(words)
    if kind == "INDEX" and not words.has("CONCURRENTLY"):
        yield hazard(rules.INDEX, words.name(after="ON"))
    elif kind == "TRIGGER":
        yield hazard(rules.TRIGGER, words.name(after="ON"))
    elif kind == "RULE":
        yield hazard(rules.REWRITE_RULE, words.name(after="TO"))


def _of_others(first: str, words: Words) -> Iterator[Hazard]:
    if first == "TRUNCATE":
        names = words.names(after="TABLE") if words.begins("TRUNCATE", "TABLE") else words.names(after="TRUNCATE")
        yield from [hazard(rules.DELETE_ROWS, name) for name in names]
    elif words.begins("DELETE", "FROM") and not words.has("WHERE"):
        yield hazard(rules.DELETE_ROWS, words.name(after="FROM"))
    elif first == "REINDEX" and not words.has("CONCURRENTLY"):
        yield hazard(rules.REINDEX, words.name_at(2) if words.upper[1:2] == ["TABLE"] else None)
    elif first == "CLUSTER":
        yield hazard(rules.REWRITE, words.name_at(1))
    elif first == "VACUUM" and "FULL" in words.upper:
        yield hazard(rules.VACUUM_FULL, words.name_at(len(words.texts) - 1))
    elif first == "LOCK":
        yield from [hazard(rules.LOCK_TABLE, name) for name in words.names(after="LOCK")]
    elif words.begins("REFRESH", "MATERIALIZED", "VIEW") and not words.has("CONCURRENTLY"):
        yield hazard(rules.REFRESH, words.name(after="VIEW"))


def created_by(script: str, database: Capabilities) -> Iterable[str]:
    """Return the tables that statements create."""
    reader = SqlReader(database)
    list(reader.read(script, None))
    return reader.created


def writes(script: str, database: Capabilities) -> bool:
    """Whether a statement writes rows."""
    statements = split_script(script, database.tokens)
    return any(classify(statement, database.tokens) is StatementKind.WRITE for statement in statements)
