"""Numbers and booleans: int, float, bool."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._types.base import ColumnType, NamedWithCast, Processor, has_types, is_a, misfit, present, refused
from deebase._types.quick_checks import HIGHEST_INTEGER, LOWEST_INTEGER, quick_integer

#: Bits of the integer types, and the typecodes of arrays of so many.
_BITS_OF: Final[dict[type, int]] = {sa.SmallInteger: 16, sa.BigInteger: 64, sa.Integer: 32}
_CODES: Final = {16: "h", 32: "i", 64: "q"}
_MOST_BITS: Final = 64
#: Digits of the longest number of 64 bits.
_INTEGER_DIGITS: Final = 19
_WHOLE: Final = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)


def integer() -> TypeEngine[int]:
    """Return the type of int columns; SQLite generates keys only for columns that are called INTEGER."""
    return sa.BigInteger().with_variant(sa.Integer(), SQLiteDialect.name)


def number_text(text: str) -> str:
    """Return the text of a number, without what only Python takes for a part of it.

    Raises:
        ValueError: it holds such a thing.
    """
    if "_" in text:
        raise ValueError
    return text.strip()


class Integer(ColumnType[int], python=int):
    """An int of 64 bits: INTEGER, BIGINT. True and members of an IntEnum are stored as plain ints."""

    impl = sa.BigInteger
    adopts = (sa.Integer,)
    postgres_names = ("smallint", "integer", "bigint", "oid")
    wanted = "a whole number"
    example = "42"
    zero = 0
    json_kinds = (int,)
    passes = frozenset({int})
    #: Of the numbers of a column.
    bits: int = _MOST_BITS

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        sizes: dict[str, type[sa.Integer]] = {
            "smallint": sa.SmallInteger,
            "bigint": sa.BigInteger,
            "oid": sa.BigInteger,
        }
        return sizes.get(declared, sa.Integer)()

    @property
    def sa_type(self) -> TypeEngine[Any]:
        return integer()

    def _declared(self, on_postgres: bool) -> TypeEngine[Any]:
        # SQLite generates keys only for columns that are called INTEGER.
        return super()._declared(on_postgres) if on_postgres else sa.Integer()

    @classmethod
    def adopting(cls, sa_type: TypeEngine[Any]) -> ColumnType[Any]:
        """Return what knows the range of the type; SQLAlchemy's INTEGER is one of 32 bits."""
        made = cls()
        made.bits = next((_BITS_OF[base] for base in type(sa_type).__mro__ if base in _BITS_OF), _MOST_BITS)
        return made

    def limiter(self) -> Callable[[int], str | None] | None:
        return None if self.bits == _MOST_BITS else self._excess

    def _excess(self, value: int) -> str | None:
        half = 1 << (self.bits - 1)
        return None if -half <= value < half else f"holds integers of {self.bits} bits, and this one is larger"

    def accept(self, value: Any) -> int:
        if not isinstance(value, int):
            hint = "int(value), or make the column a float" if isinstance(value, float) else "int(value)"
            raise misfit(value, "an int", hint)
        if not LOWEST_INTEGER <= value <= HIGHEST_INTEGER:
            raise refused(value, "holds integers of 64 bits, and this one is larger", "use a Decimal or a str column")
        return int(value)

    def quick(self, check: Processor) -> Processor:
        return quick_integer(check)

    def accept_all(self, values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any] | None:
        if super().accept_all(values, kinds) is None:
            return None
        try:
            # Refuses what has more bits, in half the time of min and max.
            array(_CODES[self.bits], present(values, kinds))
        except OverflowError:
            return None
        return values

    def parse(self, text: str) -> int:
        if _WHOLE.fullmatch(text) is None:
            raise ValueError
        return int(text)

    def of_json(self, value: Any) -> int:
        """Return the number; 1.0 is one."""
        # A short text stands for a Decimal of more digits than memory holds: 1e999999999.
        if is_a(value, (Decimal, float)) and value == value and abs(value) < 10**_INTEGER_DIGITS:
            if int(value) != value:
                raise ValueError
            return int(value)
        return super().of_json(value)

    def to_json(self, value: int) -> int:
        return int(value)

    def to_sqlite(self) -> None:
        """Send it as it is."""

    from_sqlite = to_postgres = from_postgres = to_sqlite

    def of_literal(self, value: Any) -> int:
        if isinstance(value, (bool, bytes)) or (not isinstance(value, str) and value != int(value)):
            raise ValueError
        return int(value)

    def sample(self, number: int, name: str) -> int:
        return number


class _Double(sa.Double[float]):
    """DOUBLE PRECISION, without the processor of asyncpg's dialect, which needs the driver's type code."""

    render_bind_cast = True


class Float(ColumnType[float], python=float):
    """REAL, DOUBLE PRECISION. Infinities, but not NaN, which SQLite turns into NULL.

    Args:
        signed: the sign of a zero is stored. SQLite stores none, so -0.0 becomes 0.0 in columns of ours.
        nan: NaN is stored, as in columns of PostgreSQL that others made.
    """

    impl = sa.Double
    adopts = (sa.Float,)
    sqlite = sa.REAL()
    postgres: ClassVar[TypeEngine[Any] | str | None] = _Double()
    wanted = "a number"
    example = "1.5"
    zero = 0.0
    json_kinds = (int, float, Decimal)
    passes = frozenset({float})

    def __init__(self, signed: bool = False, nan: bool = False) -> None:
        super().__init__()
        self.signed = signed
        self.nan = nan

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type; the driver's dialect would put another one in the place of PostgreSQL's."""
        return self._declared(True) if has_types(dialect) else super().load_dialect_impl(dialect)

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        on_postgres = declared.islower()
        return cls(signed=on_postgres, nan=on_postgres)

    def accept(self, value: Any) -> float:
        """Return a float, also for an int that is one exactly."""
        made = self._float(value)
        return made if self.signed else made + 0.0

    def _float(self, value: Any) -> float:
        if isinstance(value, float):
            if value != value and not self.nan:
                raise refused(value, "NaN cannot be stored", "use None for a missing number")
            return float(value)
        if isinstance(value, int) and not isinstance(value, bool):
            try:
                made = float(value)
            except OverflowError:
                made = 0.0
            if made == value:
                return made
            raise refused(value, "this int is not exactly a float", "use an int or a Decimal column, or float(value)")
        raise misfit(value, "a float", "float(value)" if isinstance(value, Decimal) else None)

    def quick(self, check: Processor) -> Processor:
        """Pass floats other than NaN and a zero, which may have a sign."""

        def quick(value: Any) -> Any:
            return value if type(value) is float and value == value and value != 0.0 else check(value)

        return quick

    def accept_all(self, values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any] | None:
        if super().accept_all(values, kinds) is None:
            return None
        # The sum is also NaN for both infinities.
        if not self.nan and math.isnan(sum(present(values, kinds))):
            return None
        if self.signed or 0.0 not in values:
            return values
        return [None if value is None else value + 0.0 for value in values]

    def parse(self, text: str) -> float:
        number = float(number_text(text))
        if math.isinf(number) and "inf" not in text.lower():
            # A number beyond those of a float.
            raise ValueError
        return number

    def format(self, value: float) -> str:
        return float.__repr__(value)

    def to_json(self, value: float) -> Any:
        """Return the number; JSON has no infinity."""
        return value if math.isfinite(value) else self.format(value)

    def to_sqlite(self) -> None:
        """Send it as it is."""

    to_postgres = from_postgres = to_sqlite

    def from_sqlite(self) -> Processor:
        """Return what makes a float of 3, which RETURNING gives for a stored 3.0, and SELECT does not."""
        return float

    def of_literal(self, value: Any) -> float:
        return float(value)

    def sample(self, number: int, name: str) -> float:
        return float(number)


class SingleFloat(Float):
    """REAL of PostgreSQL: compared as one, so that what is stored is found again."""

    # By its name, as SQLAlchemy's driver takes all floats for double precision.
    postgres = NamedWithCast("REAL")
    postgres_names = ("real",)


class Boolean(ColumnType[bool], python=bool):
    """BOOLEAN; SQLite stores 1 and 0."""

    impl = sa.Boolean
    adopts = (sa.Boolean,)
    sqlite = postgres = sa.Boolean()
    sqlite_names = ("BOOL",)
    wanted = "true or false"
    example = "true"
    zero = False
    json_kinds = (bool, int)
    passes = frozenset({bool})
    # ``c.is_(True)`` becomes IS TRUE; PostgreSQL takes no parameter there.
    coerce_to_is_types = (type(None), bool)

    def accept(self, value: Any) -> bool:
        """Return True or False; 1 and 0 are refused, as they would come back as another type."""
        if value is True or value is False:
            return bool(value)
        raise misfit(value, "True or False", "bool(value)")

    def parse(self, text: str) -> bool:
        """Return the truth of a word; these are the words of PostgreSQL."""
        try:
            return _WORDS[text.strip().lower()]
        except KeyError:
            raise ValueError from None

    def format(self, value: bool) -> str:
        return "true" if value else "false"

    def to_json(self, value: bool) -> bool:
        return value

    def to_sqlite(self) -> Processor:
        return lambda value: int(self.accept(value))

    def from_sqlite(self) -> Processor:
        """Return what reads 1 and 0; others store 't' and 'f', which bool() would take for True."""
        return _BITS.__getitem__

    def of_literal(self, value: Any) -> bool:
        return self.parse(value) if isinstance(value, str) else _BITS[value]

    def sample(self, number: int, name: str) -> bool:
        return False


_BITS = {0: False, 1: True}
_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}
