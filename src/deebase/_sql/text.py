"""A scanner for SQL that is the user's own: placeholders, kinds of statement, scripts, fragments.

It reads a text as the database will: strings, quoted names, comments and dollar quotes are never looked
into, and what only one of the two databases takes for a quote is one only there.
"""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple

from deebase.errors import ValidationError


class StatementKind(Enum):
    """What a statement does, as far as the engine has to know."""

    READ = "read"
    WRITE = "write"
    SCHEMA = "schema"
    SESSION = "session"
    TRANSACTION = "transaction"
    OTHER = "other"


class Token(NamedTuple):
    """A piece of SQL: its kind and its text."""

    kind: str
    text: str


_WORD = r"(?P<word>[^\W\d][\w$]*)"
_COMMON = [
    r"(?P<space>\s+)",
    r"(?P<comment>--[^\n]*)",
    r"(?P<number>\d[\w.]*)",
    r"(?P<cast>::|:=)",
    r"(?P<escaped>\?\?)",
    r"(?P<numbered>\?\d+)",
    r"(?P<mark>\?)",
    r"(?P<named>:[^\W\d]\w*)",
    _WORD,
    r"(?P<other>.)",
]
_STRING = r"(?P<string>'(?:[^']|'')*')"
_QUOTED = r'(?P<quoted>"(?:[^"]|"")*")'
_PATTERNS = {
    "sqlite": re.compile(
        "|".join(
            [
                _STRING,
                _QUOTED,
                r"(?P<quoted2>`(?:[^`]|``)*`|\[[^\]]*\])",
                r"(?P<block>/\*.*?(?:\*/|\Z))",
                r"(?P<foreign>[$@#][^\W\d]\w*)",
                *_COMMON,
            ]
        ),
        re.DOTALL,
    ),
    "postgresql": re.compile(
        "|".join(
            [
                r"(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')",
                _QUOTED,
                r"(?P<dollar>\$(?P<tag>(?:[^\W\d][\w]*)?)\$.*?\$(?P=tag)\$)",
                r"(?P<blockstart>/\*)",
                r"(?P<foreign>\$\d+)",
                *_COMMON,
            ]
        ),
        re.DOTALL,
    ),
}
#: A character that ends an operand: a colon right behind it is a slice or a cast, no placeholder.
_OPERAND_END = re.compile(r"[\w\])]\Z")


def _nested_comment_end(sql: str, start: int) -> int:
    depth, at = 1, start + 2
    while depth and at < len(sql):
        if sql.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif sql.startswith("*/", at):
            depth, at = depth - 1, at + 2
        else:
            at += 1
    return at if not depth else -1


def tokens(sql: str, dialect: str) -> Iterator[Token]:
    """Yield the tokens of a text; an unclosed quote or comment is a token of kind "broken"."""
    pattern = _PATTERNS[dialect]
    at, end = 0, len(sql)
    last = ""
    while at < end:
        match = pattern.match(sql, at)
        if match is None:  # pragma: no cover - "other" matches any character
            raise AssertionError("the scanner stopped")
        kind, text = str(match.lastgroup), match.group()
        if kind == "tag":
            kind = "dollar"
        if kind == "blockstart":
            stop = _nested_comment_end(sql, at)
            kind, text = ("block", sql[at:stop]) if stop > 0 else ("broken", sql[at:])
        elif kind == "block" and not (text.endswith("*/") and len(text) >= 4):
            kind = "broken"
        elif (kind == "other" and text in "'\"`" and not (text == "`" and dialect == "postgresql")) or (
            kind == "other" and text == "[" and dialect == "sqlite"
        ):
            kind, text = "broken", sql[at:]
        elif kind == "named" and (_OPERAND_END.search(last) or last.endswith(":")):
            kind, text = "other", ":"
        yield Token(kind.rstrip("2"), text)
        at += len(text)
        last = text


class Scan(NamedTuple):
    """A text cut at its placeholders: literal pieces, and between them names or None for ``?``."""

    pieces: tuple[str, ...]
    holes: tuple[str | None, ...]
    foreign: str | None


@lru_cache(maxsize=1000)
def scan(sql: str, dialect: str) -> Scan:
    """Find the placeholders of a text."""
    pieces: list[str] = [""]
    holes: list[str | None] = []
    foreign: str | None = None
    for kind, text in tokens(sql, dialect):
        if kind in ("mark", "named"):
            holes.append(text[1:] if kind == "named" else None)
            pieces.append("")
        else:
            if kind in ("foreign", "numbered"):
                foreign = foreign or text
            pieces[-1] += "?" if kind == "escaped" else text
    return Scan(tuple(pieces), tuple(holes), foreign)


@dataclass(frozen=True, slots=True)
class BoundValue:
    """A value between two pieces of a fragment."""

    value: Any


def bind_text(sql: str, params: Any, dialect: str) -> tuple[str, list[Any]]:
    """Return a text with the driver's placeholders, and the values in their order.

    Raises:
        ValidationError: the parameters are of the wrong kind or do not match the placeholders.
    """
    text, order = _native(sql, _style(params), dialect)
    if not order and not params:
        return text, []
    return text, _pick(order, params)


def _style(params: Any) -> str:
    if params is None:
        return "none"
    if isinstance(params, Mapping):
        return "named"
    if isinstance(params, Sequence) and not isinstance(params, (str, bytes, bytearray)):
        return "listed"
    raise ValidationError(
        f"parameters are a list for ? or a dict for :name, not {type(params).__name__}",
        field="params",
        hint="wrap a single value in a list: [30]",
    )


@lru_cache(maxsize=1000)
def _native(sql: str, style: str, dialect: str) -> tuple[str, tuple[str | int, ...]]:
    """Return the native text, and for each parameter its name or position."""
    found = _checked_scan(sql, style, dialect)
    text, order = found.pieces[0], list[str | int]()
    numbers: dict[str, int] = {}
    for n, (hole, piece) in enumerate(zip(found.holes, found.pieces[1:], strict=True)):
        if (style == "named" and hole is None) or style == "none":
            mark = "?"
        elif dialect == "sqlite" or hole is None:
            order.append(n if hole is None else hole)
            mark = "?" if dialect == "sqlite" else f"${len(order)}"
        else:
            if hole not in numbers:
                order.append(hole)
                numbers[hole] = len(order)
            mark = f"${numbers[hole]}"
        text += mark + piece
    return text, tuple(order)


def _checked_scan(sql: str, style: str, dialect: str) -> Scan:
    """Return the scan of a text whose placeholders fit the style of its parameters."""
    found = scan(sql, dialect)
    names = [hole for hole in found.holes if hole is not None]
    marks = len(found.holes) - len(names)
    if found.foreign is not None and (style != "none" or dialect == "sqlite"):
        raise ValidationError(f"the placeholder {found.foreign} is not taken", field="params", hint="write ? or :name")
    if style == "none" and names:
        raise ValidationError(f"no value is given for :{names[0]}", field=names[0], hint="params={...}")
    # On PostgreSQL a question mark may be an operator of jsonb.
    if style == "none" and marks and dialect == "sqlite":
        raise ValidationError("no values are given for ?", field="params", hint="params=[...], or ?? for a literal ?")
    if style == "listed" and names:
        raise ValidationError(f"the text has :{names[0]}, but the parameters are a list", field="params", hint="a dict")
    if style == "named" and marks and dialect == "sqlite":
        raise ValidationError(
            "the text has ?, but the parameters are a dict", field="params", hint="use a list, or :name"
        )
    return found


def _pick(order: Sequence[str | int], params: Any) -> list[Any]:
    if isinstance(params, Mapping):
        for name in order:
            if name not in params:
                raise ValidationError(f"no value is given for :{name}", field=str(name), hint="add it to the dict")
        names: Mapping[Any, Any] = params
        extra = [str(name) for name in names if name not in order]
        if extra:
            raise ValidationError(f"the text has no :{extra[0]}", field=extra[0], hint="leave it out of the dict")
        return [params[name] for name in order]
    if len(params) != len(order):
        raise ValidationError(
            f"the text has {len(order)} placeholder(s), {len(params)} value(s) are given",
            field="params",
            hint="one each",
        )
    return list(params)


def fragment_parts(sql: str, params: Any, dialect: str) -> list[str | BoundValue]:
    """Return a condition as literal pieces with bound values in between.

    Raises:
        ValidationError: as ``bind_text``.
    """
    style = _style(params)
    found = _checked_scan(sql, style, dialect)
    values = iter(_fragment_values(found, style, params))
    parts: list[str | BoundValue] = [found.pieces[0]]
    for hole, piece in zip(found.holes, found.pieces[1:], strict=True):
        literal = style == "none" or (style == "named" and hole is None)
        parts.append("?" if literal else BoundValue(next(values)))
        parts.append(piece)
    if any("%(" in part for part in parts if isinstance(part, str)):
        # SQLAlchemy's compiler would take it for a parameter of its own.
        raise ValidationError("a condition cannot hold '%('", field="where", hint="pass the text as a parameter")
    return parts


def _fragment_values(found: Scan, style: str, params: Any) -> list[Any]:
    if style == "none":
        return []
    if style == "named":
        names = [hole for hole in found.holes if hole is not None]
        _pick(list(dict.fromkeys(names)), params)
        return [params[name] for name in names]
    return _pick(range(len(found.holes)), params)


_TRANSACTION = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "ABORT"}
_SESSION = {"SET", "RESET", "ATTACH", "DETACH", "LISTEN", "UNLISTEN", "LOAD", "DISCARD", "PREPARE", "DEALLOCATE"}
_SCHEMA = {
    "CREATE", "ALTER", "DROP", "REINDEX", "ANALYZE", "VACUUM", "TRUNCATE", "COMMENT", "GRANT", "REVOKE", "REFRESH",
    "CLUSTER", "SECURITY",
}  # fmt: skip
_WRITES = {"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"}
_READS = {"SELECT", "VALUES", "EXPLAIN", "SHOW", "TABLE", "WITH"}


@lru_cache(maxsize=1000)
def classify(sql: str) -> StatementKind:
    """Return what kind of statement a text is, by its keywords outside of quotes and comments."""
    # Read as SQLite reads it: a keyword inside of a PostgreSQL dollar quote makes it a write, no harm.
    words = [token.text.upper() for token in tokens(sql, "sqlite") if token.kind == "word"]
    first = words[0] if words else ""
    if (first == "PREPARE" and words[1:2] == ["TRANSACTION"]) or first in _TRANSACTION:
        return StatementKind.TRANSACTION
    if first == "PRAGMA":
        return StatementKind.SESSION if "=" in sql or _sets_by_call(sql) else StatementKind.READ
    if first in _SESSION or (first == "CREATE" and words[1:2] in (["TEMP"], ["TEMPORARY"])):
        return StatementKind.SESSION if first != "CREATE" else StatementKind.OTHER
    if first in _WRITES:
        return StatementKind.WRITE
    if first in _SCHEMA:
        return StatementKind.SCHEMA
    if first in _READS:
        writes = _WRITES.intersection(words[1:]) or (first == "SELECT" and "INTO" in words)
        locks = any(
            words[n : n + 2] in (["FOR", "UPDATE"], ["FOR", "SHARE"], ["FOR", "NO"], ["FOR", "KEY"])
            for n in range(len(words))
        )
        return StatementKind.WRITE if writes or locks else StatementKind.READ
    return StatementKind.OTHER


#: PRAGMA name(value) sets for all but these, which ask about something named in the parentheses.
_ASKING = {
    "table_info", "table_xinfo", "table_list", "index_info", "index_xinfo", "index_list", "foreign_key_list",
    "foreign_key_check", "integrity_check", "quick_check",
}  # fmt: skip


def _sets_by_call(sql: str) -> bool:
    match = re.search(r"PRAGMA\s+(?:\w+\s*\.\s*)?(\w+)\s*\(", sql, re.IGNORECASE)
    return match is not None and match.group(1).lower() not in _ASKING


def split_script(sql: str, dialect: str) -> list[str]:
    """Return the statements of a script, cut at the semicolons between them."""
    statements: list[str] = []
    current = ""
    words: list[str] = []
    depth = 0
    for kind, text in tokens(sql, dialect):
        if kind == "broken":
            raise ValidationError("the script has an unclosed quote or comment", field="sql", hint="close it")
        if kind == "word":
            words.append(text.upper())
            depth = _body_depth(words, depth)
        if text == ";" and kind == "other" and depth == 0:
            statements.append(current.strip())
            current, words = "", []
        else:
            current += text
    statements.append(current.strip())
    return [
        text for text in statements if any(t.kind not in ("space", "comment", "block") for t in tokens(text, dialect))
    ]


def _body_depth(words: list[str], depth: int) -> int:
    """Follow BEGIN ... END of a trigger or function body, and the CASE ... END inside of it."""
    word = words[-1]
    if words[0] != "CREATE":
        return 0
    if depth == 0:
        body = (word == "BEGIN" and "TRIGGER" in words) or (word == "ATOMIC" and words[-2:-1] == ["BEGIN"])
        return 1 if body else 0
    if word == "CASE":
        return depth + 1
    return depth - 1 if word == "END" else depth


def check_fragment(sql: str, dialect: str, *, scoped: bool = False) -> None:
    """Refuse a text condition that could reach beyond the parentheses it is put in.

    Args:
        sql: the condition.
        dialect: how it will be read.
        scoped: the handle has a scope: comments are refused too.

    Raises:
        ValidationError: unbalanced quotes or parentheses, a semicolon, an open comment, no text at all.
    """
    depth = 0
    empty = True
    for kind, text in tokens(sql, dialect):
        empty = empty and kind in ("space", "comment", "block")
        wrong = None
        if kind == "broken":
            wrong = "an unclosed quote or comment"
        elif scoped and kind in ("comment", "block"):
            wrong = "a comment"
        elif kind == "other":
            depth += (text == "(") - (text == ")")
            wrong = "a semicolon" if text == ";" else ("an unbalanced parenthesis" if depth < 0 else None)
        if wrong is not None:
            raise ValidationError(f"the condition has {wrong}", field="where", hint="write one condition, values as ?")
    if depth or empty:
        what = "has an unbalanced parenthesis" if depth else "is empty"
        raise ValidationError(f"the condition {what}", field="where", hint="write one condition, values as ?")
