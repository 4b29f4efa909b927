"""Lint of ALTER TABLE, action by action."""

from __future__ import annotations

from collections.abc import Iterator

from deebase.migrations.check import rules
from deebase.migrations.check.hazards_words import Words
from deebase.migrations.check.rules import Hazard, Rule, hazard

#: The kinds of objects that ADD adds besides columns.
_CONSTRAINTS = frozenset({"CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE", "PRIMARY", "EXCLUDE"})
#: The kinds of objects that DROP drops besides columns.
_NO_COLUMN = frozenset({"CONSTRAINT", "DEFAULT", "NOT", "IDENTITY", "EXPRESSION"})
_SERIAL = frozenset({"SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL2", "SERIAL4", "SERIAL8"})
#: The words that end the default of a column.
_AFTER_DEFAULT = frozenset(
    {"NOT", "NULL", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "CONSTRAINT", "COLLATE", "GENERATED", "DEFERRABLE"}
)
#: Functions with one value per statement, which is stored once for all rows.
_STABLE = frozenset(
    {
        *("NOW", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP", "TRANSACTION_TIMESTAMP", "STATEMENT_TIMESTAMP", "CURRENT_TIME"),
        *("LOCALTIME", "TIMEZONE", "DATE_TRUNC", "TO_TIMESTAMP", "COALESCE", "NULLIF", "GREATEST", "LEAST", "LOWER"),
        *("UPPER", "LENGTH", "ABS", "ROUND", "FLOOR", "CAST", "JSONB_BUILD_OBJECT", "JSON_BUILD_OBJECT", "MD5"),
        *("JSONB_BUILD_ARRAY", "JSON_BUILD_ARRAY", "TO_JSONB", "CURRENT_SETTING", "MAKE_DATE", "MAKE_INTERVAL"),
        *("VARCHAR", "CHAR", "NUMERIC", "DECIMAL", "TIMESTAMP", "TIMESTAMPTZ", "TIME", "INTERVAL", "BIT", "ARRAY"),
    }
)
#: Actions that their first words identify.
_ACTIONS: tuple[tuple[tuple[str, ...], Rule], ...] = (
    (("SET", "LOGGED"), rules.SET_LOGGED),
    (("SET", "UNLOGGED"), rules.SET_LOGGED),
    (("SET", "TABLESPACE"), rules.SET_TABLESPACE),
    (("SET", "ACCESS", "METHOD"), rules.REWRITE),
    (("DISABLE", "TRIGGER"), rules.DISABLE_TRIGGER),
    (("ENABLE", "TRIGGER"), rules.DISABLE_TRIGGER),
    (("ENABLE", "ALWAYS", "TRIGGER"), rules.DISABLE_TRIGGER),
    (("ENABLE", "REPLICA", "TRIGGER"), rules.DISABLE_TRIGGER),
    (("ENABLE", "ROW"), rules.ROW_SECURITY),
    (("DISABLE", "ROW"), rules.ROW_SECURITY),
    (("FORCE", "ROW"), rules.ROW_SECURITY),
    (("NO", "FORCE", "ROW"), rules.ROW_SECURITY),
    (("ATTACH", "PARTITION"), rules.ATTACH_PARTITION),
)


def actions(words: Words) -> list[Words]:
    """Return the actions of an ALTER TABLE."""
    place = words.skip(2)
    while place + 2 < len(words.texts) and words.texts[place + 1] == ".":
        place += 2
    # In PostgreSQL an asterisk may follow the name: the table with its children.
    place += 1 if words.upper[place + 1 : place + 2] == ["*"] else 0
    return [action for action in words.part(place + 1).split() if action.texts]


def of_alter(words: Words) -> Iterator[Hazard]:
    """Yield the hazards of an ALTER TABLE."""
    table, found = words.name_at(2), actions(words)
    if len(found) > 1:
        yield hazard(rules.SEVERAL_ACTIONS, table)
    for action in found:
        yield from _of_action(table, action)


def _of_action(table: str | None, action: Words) -> Iterator[Hazard]:
    first, second = [*action.upper, "", ""][:2]
    if first == "ADD":
        yield from _of_constraint(table, action) if second in _CONSTRAINTS else _of_column(table, action)
    elif first == "DROP" and second not in _NO_COLUMN:
        yield hazard(rules.DROP_COLUMN, table, action.name_at(1))
    elif first == "RENAME":
        whole = second in ("TO", "CONSTRAINT")
        yield hazard(rules.RENAME, table, None if whole else action.name_at(1))
    elif first == "DETACH" and not action.has("CONCURRENTLY"):
        yield hazard(rules.ATTACH_PARTITION, table)
    elif first == "ALTER":
        yield from _of_change(table, action)
    else:
        yield from [hazard(rule, table) for begins, rule in _ACTIONS if action.begins(*begins)]


def _of_change(table: str | None, action: Words) -> Iterator[Hazard]:
    column = action.name_at(1)
    rest = action.part(action.skip(1) + 1)
    if rest.begins("TYPE") or rest.begins("SET", "DATA", "TYPE"):
        yield hazard(rules.CHANGE_TYPE, table, column)
    elif rest.begins("SET", "NOT", "NULL"):
        yield hazard(rules.SET_NOT_NULL, table, column)


def _of_constraint(table: str | None, action: Words) -> Iterator[Hazard]:
    if action.has("NOT", "VALID"):
        return
    uses_index = action.has("USING", "INDEX")
    for words, rule, built_before in (
        (("FOREIGN", "KEY"), rules.FOREIGN_KEY, False),
        (("CHECK",), rules.ADD_CHECK, False),
        (("UNIQUE",), rules.ADD_UNIQUE, uses_index),
        (("PRIMARY", "KEY"), rules.ADD_PRIMARY_KEY, uses_index),
        (("EXCLUDE",), rules.ADD_EXCLUDE, False),
    ):
        if action.has(*words):
            if not built_before:
                yield hazard(rule, table)
            return


def _of_column(table: str | None, action: Words) -> Iterator[Hazard]:
    column, start = action.name_at(1), action.skip(1)
    if action.upper[1:2] != ["COLUMN"]:
        yield hazard(rules.NO_COLUMN_WORD, table, column)
    rest = action.part(start + 1)
    stored = rest.has("STORED")
    identity = rest.has("IDENTITY")
    serial = rest.upper[:1] != [] and rest.upper[0] in _SERIAL
    for found, rule in (
        (serial, rules.ADD_SERIAL),
        (identity, rules.ADD_IDENTITY),
        (stored, rules.ADD_STORED),
        (rest.has("REFERENCES"), rules.ADD_REFERENCE),
        (_is_volatile(rest), rules.VOLATILE_DEFAULT),
        (rest.has("UNIQUE"), rules.ADD_UNIQUE),
        (rest.has("PRIMARY", "KEY"), rules.ADD_PRIMARY_KEY),
        (rest.has("CHECK"), rules.ADD_CHECK),
    ):
        if found:
            yield hazard(rule, table, column)
    fills = serial or identity or rest.has("GENERATED") or rest.has("DEFAULT")
    if rest.has("NOT", "NULL") and not fills:
        yield hazard(rules.ADD_NOT_NULL, table, column)


def _is_volatile(column: Words) -> bool:
    """Whether a default calls a function that may return another value for each row."""
    place = column.find("DEFAULT")
    if place is None or column.upper[place - 1] == "BY":
        return False
    rest = column.part(place + 1)
    end = next((n for n, word in enumerate(rest.outer) if word in _AFTER_DEFAULT and n > 0), None)
    default = rest.part(0, end)
    calls = zip(default.texts, default.texts[1:], strict=False)
    return any(
        after == "(" and (name[:1].isalpha() or name[:1] in '_"') and not _is_stable(name) for name, after in calls
    )


def _is_stable(name: str) -> bool:
    return name.strip('"').upper() in _STABLE
