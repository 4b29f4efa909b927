"""The differences between an existing table and its class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._model.facts import ColumnInfo, TableInfo
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.create_table import parse
from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.tokens import Token, code_tokens, folded
from deebase._sqltext.type_names import same_type
from deebase._types.default_values import NoLiteral, value_of
from deebase.errors import InvalidOperationError

#: A cast, as PostgreSQL writes it after a literal.
_CAST = re.compile(
    r"::(?:character varying|double precision|time(?:stamp)? with(?:out)? time zone|[a-z]\w*)(?:\(\d+(?:,\d+)?\))?"
)
_NUMBER = re.compile(r"(-?)(\d+(?:\.\d+)?)")
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "%", "||", "^"})
#: Keywords before a parenthesis, which are no functions.
_NO_FUNCTIONS: Final = frozenset(
    {"ALL", "AND", "ANY", "ARRAY", "AS", "BETWEEN", "BY", "CASE", "CAST", "ELSE", "FROM", "IN", "IS", "LIKE", "NOT"}
    | {"OR", "THEN", "WHEN"}
)
#: Keywords whose expressions PostgreSQL writes in another order.
_REWRITTEN: Final = frozenset({"BETWEEN", "IN", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM", "INTERVAL"})


def differences(table: sa.Table, found: TableInfo, dialect: Dialect) -> list[str]:
    """Return the differences between a table and its class in words.

    Args:
        table: the table of the class.
        found: the existing table.
        dialect: the database.
    """
    columns = {column.name: column for column in found.columns}
    result = [f"{column.name} is missing" for column in table.c if column.name not in columns]
    result += [f"{name} is not in the class" for name in columns if name not in table.c]
    for column in table.c:
        old = columns.get(column.name)
        if old is None:
            continue
        wanted = column.type.compile(dialect=dialect)
        if same_type(old.type) != same_type(wanted):
            result.append(f"{column.name} is {old.type}, the class says {wanted}")
        if not column.primary_key and old.not_null == bool(column.nullable):
            result.append(f"{column.name} is {'NOT NULL' if old.not_null else 'nullable'}, the class says otherwise")
        result += _values(column, old, found, dialect)
    key = [column.name for column in table.primary_key.columns]
    if list(found.pks) != key:
        result.append(f"the key is ({', '.join(found.pks)}), the class says ({', '.join(key)})")
    return result


def other_security(secure: Sequence[str], found: TableInfo) -> list[str]:
    """Return in words how the columns that secure the rows differ from those of the class, if it names some."""
    if not secure or set(secure) == set(found.secure):
        return []
    there, wanted = (" and ".join(names) or "nothing" for names in (found.secure, secure))
    return [f"the rows are secured by {there}, the class says {wanted}"]


def _values(column: sa.Column[Any], old: ColumnInfo, found: TableInfo, dialect: Dialect) -> Iterator[str]:
    """Yield how the values that the database makes for a column differ from those of the class."""
    computed, made = column.computed, column.server_default
    if (computed is None) != (old.computed is None):
        yield f"{column.name} is {'not ' if old.computed is None else ''}computed by the database"
    elif is_computed_otherwise(column, old, found, dialect):
        wanted = _written(getattr(computed, "sqltext", ""), dialect)
        stored = " ".join((_stored(old, found) or "").split())
        yield f"{column.name} is computed as {stored}, the class says {wanted}"
    elif isinstance(made, sa.DefaultClause) and not old.generated:
        wanted = _written(made.arg, dialect)
        if not same_default(wanted, old.default, column.type):
            there = f"the default {old.default}" if old.default else "no default"
            yield f"{column.name} has {there}, the class says {wanted}"


def is_computed_otherwise(column: sa.Column[Any], old: ColumnInfo, found: TableInfo, dialect: Dialect) -> bool:
    """Whether a column of a table is computed from another expression than that of the class."""
    stored = None if old.computed is None else _stored(old, found)
    if column.computed is None or stored is None:
        return False
    names, rules = [each.name for each in found.columns], capabilities_of(dialect).tokens
    return _parts(_written(column.computed.sqltext, dialect), names, rules) != _parts(stored, names, rules)


def _written(expression: Any, dialect: Dialect) -> str:
    return str(expression.compile(dialect=dialect)) if isinstance(expression, sa.ClauseElement) else str(expression)


def _stored(column: ColumnInfo, table: TableInfo) -> str | None:
    """Return what a column is computed from as the database has it; None if that cannot be read."""
    if table.sql is None:
        return column.computed
    try:
        clause = next(iter(parse(table.sql).column(column.name).of("GENERATED")))
    except (InvalidOperationError, LookupError, StopIteration):
        # A table of a newer SQLite.
        return None
    opened = next(token for token in clause.tokens if token.text == "(")
    closed = next(token for token in reversed(clause.tokens) if token.text == ")")
    return table.sql[opened.end : closed.start].strip()


def _parts(sql: str, columns: list[str], rules: TokenRules) -> object:
    """Return what two texts of one expression have in common, however the database writes it."""
    known = {folded(name) for name in columns}
    found = code_tokens(_CAST.sub("", sql), rules)
    parts = [part for place, token in enumerate(found) for part in _part(token, found[place + 1 : place + 2], known)]
    words = {token.word for token in found}
    return frozenset(parts) if words & _REWRITTEN or "= ANY" in sql or "ALL (" in sql else tuple(parts)


def _part(token: Token, following: list[Token], columns: set[str]) -> Iterator[str]:
    if token.kind == "string":
        number = _NUMBER.fullmatch(token.name)
        yield from [part for part in number.groups() if part] if number else [token.text]
    elif token.kind == "number" or token.text in _ARITHMETIC:
        yield token.text
    elif token.kind in ("word", "quoted"):
        is_function = bool(following) and following[0].text == "(" and token.word not in _NO_FUNCTIONS
        if folded(token.name) in columns or is_function:
            yield folded(token.name)


def same_default(one: str | None, other: str | None, kind: TypeEngine[Any]) -> bool:
    """Whether two defaults of a column are the same value or expression.

    Args:
        one: a default in SQL, None for none.
        other: the other one.
        kind: the type of the column.
    """
    if one is None or other is None:
        return one is other
    try:
        values = [value_of(sql, kind) for sql in (one, other)]
        return type(values[0]) is type(values[1]) and bool(values[0] == values[1])
    except NoLiteral:
        return _plain(one) == _plain(other)


def _plain(default: str) -> str:
    text = _CAST.sub("", default.strip("()"))
    return text if text.startswith("'") else re.sub(r"[\s()]+", "", text).lower()
