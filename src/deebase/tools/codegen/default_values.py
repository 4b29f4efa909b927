"""SQL literals of DEFAULT clauses as Python values."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from deebase._sqltext.quoting import unquoted
from deebase._types import standard as ours
from deebase.errors import DeeBaseError

_TEXT: Final = re.compile(r"(?P<escaped>[eE]?)'(?P<text>(?:[^']|'')*)'(?:::[\w \"().,]+(?:\[\])?)?", re.DOTALL)
_NUMBER: Final = re.compile(r"\(?\s*(?P<number>[-+]?\s*(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\)?(?:::[\w \"().,]+)?")
_BLOB: Final = re.compile(r"[xX]'([0-9A-Fa-f]*)'")
#: How `create` writes a float on SQLite that has too many digits for a decimal fraction.
_EXACT: Final = re.compile(r"\(?(-?\d+) \* 1\.0((?: [*/] [\d.e+]+)+)\)?")
_NULL: Final = re.compile(r"NULL(?:::[\w \"().,]+)?", re.IGNORECASE)
_INTERVAL: Final = re.compile(
    r"(?:(?P<days>[-+]?\d+) days? ?)?(?:(?P<sign>[-+]?)(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+(?:\.\d+)?))?"
)
_SECONDS: Final = re.compile(r"(?P<days>-?\d+) days (?P<seconds>\d+\.\d+) seconds")
_DIALECT: Final = sqlite.dialect()


class NoLiteral(Exception):
    """The SQL is more than a literal."""


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
        return _typed(_plain(text), kind)
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


def _typed(value: Any, kind: sa.types.TypeEngine[Any]) -> Any:
    if isinstance(kind, ours.Float):
        return float(value)
    if isinstance(kind, ours.Boolean):
        return _true(value)
    if isinstance(kind, ours.Binary):
        return bytes.fromhex(value.removeprefix("\\x")) if isinstance(value, str) else bytes(value)
    if isinstance(kind, ours.Interval):
        return _interval(value)
    if isinstance(kind, sa.Integer):
        return _whole(value)
    if isinstance(kind, ours.ColumnType):
        process = kind.result_processor(_DIALECT, None)
        if process is not None:
            return process(value if isinstance(value, str) else _number_text(value))
    if isinstance(value, str):
        return value
    raise NoLiteral


def _number_text(value: Any) -> str:
    if isinstance(value, (bool, bytes)):
        raise NoLiteral
    return str(value)


def _true(value: Any) -> bool:
    truth = {"t": True, "f": False, "true": True, "false": False, 1: True, 0: False}
    return truth[value.lower() if isinstance(value, str) else value]


def _whole(value: Any) -> int:
    if isinstance(value, (bool, bytes)) or (not isinstance(value, str) and value != int(value)):
        raise NoLiteral
    return int(value)


def _interval(value: Any) -> timedelta:
    if not isinstance(value, str):
        return timedelta(seconds=float(value))
    match = _SECONDS.fullmatch(value) or _INTERVAL.fullmatch(value)
    if match is None or not value:
        raise NoLiteral
    parts = match.groupdict()
    sign = -1 if parts.get("sign") == "-" else 1
    whole, _, fraction = (parts["seconds"] or "0").partition(".")
    clock = timedelta(
        hours=int(parts.get("hours") or 0),
        minutes=int(parts.get("minutes") or 0),
        seconds=int(whole),
        microseconds=int((fraction + "000000")[:6]),
    )
    return timedelta(days=int(parts["days"] or 0)) + sign * clock
