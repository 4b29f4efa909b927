"""Text: str and Text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.quoting import unquoted
from deebase._types.base import ColumnType, Processor, is_a, misfit, present, refused
from deebase._types.quick_checks import quick_text
from deebase._types.uuid import uuids_by_database
from deebase.types import Text as TextAnnotation


def text_fault(value: str) -> str | None:
    """Return why neither database stores a str, or None."""
    if "\0" in value:
        return "the text holds a NUL character"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "the text holds half of a surrogate pair"
    return None


#: The CHECK of a column with a length on SQLite, as `create` writes it, and as ALTER TABLE leaves it.
_LENGTH = re.compile(r"""CHECK \(length\((?:"((?:[^"]|"")+)"|(\w+))\) <= (\d+)\)""")


def length_check(kind: TypeEngine[Any], quoted: str, dialect: Dialect) -> str | None:
    """Return the condition that holds a column to its length; None if it has none, or the type says it.

    Args:
        kind: the type of the column.
        quoted: its name in SQL.
        dialect: the database.
    """
    if not isinstance(kind, LimitedText) or capabilities_of(dialect).checks_types:
        return None
    return f"length({quoted}) <= {kind.length}"


def checked_lengths(sql: str) -> dict[str, int]:
    """Return the columns whose length a CREATE TABLE of SQLite checks."""
    return {unquoted(quoted, '"') or plain: int(length) for quoted, plain, length in _LENGTH.findall(sql)}


def plain_json(value: Any) -> Any:
    """Return a JSON value with floats for the Decimals that it was read with.

    Raises:
        ValueError: a number is beyond those of a float.
    """
    if isinstance(value, Decimal):
        number = float(value)
        if number in (float("inf"), float("-inf")):
            raise ValueError
        return number
    if is_a(value, dict):
        return {name: plain_json(inner) for name, inner in value.items()}
    return [plain_json(inner) for inner in value] if is_a(value, list) else value


def accept_text(value: Any) -> str:
    """Return a str without NUL and lone surrogates; a subclass is stored as a plain str.

    Raises:
        ValidationError: it is something else.
    """
    if not isinstance(value, str):
        raise misfit(value, "text", "decode it first" if isinstance(value, (bytes, bytearray)) else "str(value)")
    fault = text_fault(value)
    if fault:
        raise refused(value, fault, "remove it, or use a bytes column")
    return value if type(value) is str else str.__str__(value)


class LimitedText(sa.String):
    """VARCHAR(n) whose length the database checks: by the type, or by a CHECK that the table has for it."""


class String(ColumnType[str], python=str):
    """VARCHAR.

    Args:
        length: of the longest text; None for any.
    """

    impl = sa.String
    adopts = (sa.String,)
    postgres_names = ("character varying", "character")
    wanted = "text"
    example = "text"
    zero = ""
    made_by_database = uuids_by_database(as_text=True)
    passes = frozenset({str})

    def __init__(self, length: int | None = None) -> None:
        super().__init__(length)
        self.length = length

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        kind = sa.CHAR if declared == "character" else LimitedText if arguments else sa.String
        return kind(arguments[0] if arguments else None)

    @classmethod
    def adopting(cls, sa_type: Any) -> ColumnType[Any]:
        return cls(sa_type.length)

    @property
    def sa_type(self) -> TypeEngine[Any]:
        return sa.String(self.length)

    def limiter(self) -> Callable[[str], str | None] | None:
        return None if self.length is None else self._excess

    def _excess(self, value: str) -> str | None:
        if self.length is None or len(value) <= self.length:
            return None
        return f"holds at most {self.length} characters, and this text has {len(value)}"

    def accept(self, value: Any) -> str:
        return accept_text(value)

    def quick(self, check: Processor) -> Processor:
        return quick_text(check)

    def accept_all(self, values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any] | None:
        if super().accept_all(values, kinds) is None:
            return None
        texts = present(values, kinds)
        if self.length is not None and max(map(len, texts), default=0) > self.length:
            return None
        return values if text_fault("".join(texts)) is None else None

    def parse(self, text: str) -> str:
        return text

    def of_json(self, value: Any) -> str:
        """Return a string, or the JSON text of anything else."""
        if isinstance(value, str):
            return value
        return str(value) if isinstance(value, Decimal) else json.dumps(plain_json(value), ensure_ascii=False)

    def to_sqlite(self) -> None:
        """Send it as it is."""

    from_sqlite = to_postgres = from_postgres = to_sqlite

    def of_literal(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        return value

    def sample(self, number: int, name: str) -> str:
        """Return the column's name and the number, of which the end fits the column."""
        made = f"{name}-{number}"
        return made if self.length is None or len(made) <= self.length else str(number)[-self.length :]


class Text(String, python=TextAnnotation, name="text"):
    """TEXT."""

    impl = sa.Text
    adopts = (sa.Text,)
    postgres_names = ("text", "name")

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        return sa.Text()

    @property
    def sa_type(self) -> TypeEngine[Any]:
        return sa.Text(self.length)
