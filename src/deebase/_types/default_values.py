"""SQL literals of DEFAULT clauses as Python values."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from deebase._sqltext.quoting import unquoted
from deebase._types.registry import column_type
from deebase.errors import DeeBaseError

_TEXT: Final = re.compile(r"(?P<escaped>[eE]?)'(?P<text>(?:[^']|'')*)'(?:::[\w \"().,]+(?:\[\])?)?", re.DOTALL)
_NUMBER: Final = re.compile(r"\(?\s*(?P<number>[-+]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\)?(?:::[\w \"().,]+)?")
_BLOB: Final = re.compile(r"[xX]'([0-9A-Fa-f]*)'")
#: How `create` writes a float on SQLite that has too many digits for a decimal fraction.
_EXACT: Final = re.compile(r"\(?(-?\d+) \* 1\.0((?: [*/] [\d.e+]+)+)\)?")
_NULL: Final = re.compile(r"NULL(?:::[\w \"().,]+)?", re.IGNORECASE)


class NoLiteral(Exception):
    """The SQL is more than a literal."""


def default_sql(column: sa.Column[Any]) -> str | None:
    """Return the DEFAULT clause of a column that a class declares as SQL; None for none."""
    clause: Any = column.server_default
    if not isinstance(clause, sa.DefaultClause):
        return None
    argument: Any = clause.arg
    text = str(getattr(argument, "text", argument))
    # In sa.text a colon before a word has a backslash, or it would be a parameter.
    return re.sub(r"\\:(?=\w)", ":", text) if isinstance(argument, sa.TextClause) else text


def value_of(sql: str, kind: sa.types.TypeEngine[Any]) -> Any:
    """Return the value of a literal as the column has it; None for NULL.

    Args:
        sql: a DEFAULT clause of either database.
        kind: the type of the column.

    Raises:
        NoLiteral: it is an expression, or a literal that the type cannot read.
    """
    text = _unwrapped(sql)
    if _NULL.fullmatch(text):
        return None
    try:
        return column_type(kind).of_literal(_plain(text))
    except (ValueError, TypeError, ArithmeticError, LookupError, DeeBaseError):
        raise NoLiteral from None


def _unwrapped(sql: str) -> str:
    text = sql.strip()
    # pg_get_expr and SQLite keep parentheses around a literal.
    while text.startswith("(") and text.endswith(")") and not _EXACT.fullmatch(text) and "(" not in text[1:]:
        text = text[1:-1].strip()
    return text


def _plain(text: str) -> Any:
    """Return the literal as text, number, bool or bytes."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    blob = _BLOB.fullmatch(text)
    if blob:
        return bytes.fromhex(blob[1])
    quoted = _TEXT.fullmatch(text)
    if quoted:
        inner = unquoted(quoted["text"])
        return inner.replace("\\\\", "\\") if quoted["escaped"] else inner
    exact = _EXACT.fullmatch(text)
    if exact:
        return _exact(exact)
    number = _NUMBER.fullmatch(text)
    if number:
        digits = number["number"].replace(" ", "")
        # A Decimal keeps its zeros.
        return int(digits) if re.fullmatch(r"[-+]?\d+", digits) else Decimal(digits)
    raise NoLiteral


def _exact(match: re.Match[str]) -> float:
    value = float(match[1])
    for operator, factor in re.findall(r"([*/]) ([\d.e+]+)", match[2]):
        value = value * float(factor) if operator == "*" else value / float(factor)
    return value
