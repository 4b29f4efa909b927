"""The names of column types: the forms of one type that are the same, and what is in their parentheses."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

#: Other names of PostgreSQL's types (manual, "Data Types"), and what ``format_type`` calls them.
_ALIASES: Final = {
    **dict.fromkeys(("int", "int4"), "integer"),
    "int2": "smallint",
    "int8": "bigint",
    "float4": "real",
    **dict.fromkeys(("float", "float8"), "double precision"),
    "bool": "boolean",
    **dict.fromkeys(("decimal", "dec"), "numeric"),
    **dict.fromkeys(("varchar", "char varying"), "character varying"),
    "char": "character",
    "varbit": "bit varying",
}
#: Types with their arguments in the middle of the name.
_ZONED: Final = {
    "timestamptz": ("timestamp", " with time zone"),
    "timetz": ("time", " with time zone"),
    "timestamp": ("timestamp", " without time zone"),
    "time": ("time", " without time zone"),
}
#: The largest precision of FLOAT that is a REAL (manual, "Floating-Point Types").
_REAL_BITS: Final = 24
_ARRAY: Final = re.compile(r"(?:\s*\[\s*\d*\s*\])+\s*\Z")
_QUOTED: Final = re.compile(r'("(?:[^"]|"")*")')
_KEPT: Final = re.compile(r'("(?:[^"]|"")*"|\([^()]*\))')


class TypeName(NamedTuple):
    """A type of PostgreSQL in parts: ``timestamp(3) without time zone[]``.

    Attributes:
        name: ``timestamp``.
        arguments: what is in the parentheses, without spaces; None without parentheses.
        rest: `` without time zone``.
        array: whether it is an array.
    """

    name: str
    arguments: str | None
    rest: str
    array: bool

    @property
    def bare(self) -> str:
        """The type without its arguments, as values are cast to it: a cast to CHAR or BIT would cut them."""
        name = {"character": "bpchar", "bit": "bit varying"}.get(self.name, self.name)
        return f"{name}{self.rest}{'[]' if self.array else ''}"

    @property
    def short(self) -> str:
        """The type with its usual name: ``varchar(50)``, ``timestamptz(3)``."""
        if self.rest == " without time zone":
            return str(self._replace(rest=""))
        if self.rest == " with time zone":
            return str(self._replace(name=f"{self.name}tz", rest=""))
        names = {"character varying": "varchar", "character": "char", "bit varying": "varbit"}
        return str(self._replace(name=names.get(self.name, self.name)))

    def __str__(self) -> str:
        """Return the type as ``format_type`` writes it."""
        arguments = "" if self.arguments is None else f"({self.arguments})"
        return f"{self.name}{arguments}{self.rest}{'[]' if self.array else ''}"


@lru_cache(maxsize=1000)
def type_name(written: str) -> TypeName:
    """Return a type of PostgreSQL in the form in which ``format_type`` writes it, in parts."""
    folded = _folded(written, upper=False)
    array = _ARRAY.search(folded)
    text = folded[: array.start()] if array else folded
    if text.endswith('"'):
        return TypeName(text, None, "", array is not None)
    name, opened, more = text.partition("(")
    arguments, _, rest = more.partition(")")
    return TypeName(*_standard(name.rstrip(), arguments.replace(" ", "") if opened else None, rest), array is not None)


def _standard(name: str, arguments: str | None, rest: str) -> tuple[str, str | None, str]:
    """Return name, arguments and rest of one type as the server writes them."""
    for zone in (" with time zone", " without time zone"):
        if arguments is None and name.endswith(zone):
            return name.removesuffix(zone), None, zone
    if name in _ZONED and not rest:
        name, rest = _ZONED[name]
        return name, arguments, rest
    if name == "float" and arguments is not None:
        return ("real" if int(arguments) <= _REAL_BITS else "double precision"), None, rest
    name = _ALIASES.get(name, name)
    if name in ("character", "bit") and not rest:
        arguments = "1" if arguments is None else arguments
    if name == "numeric" and arguments is not None and "," not in arguments:
        arguments += ",0"
    return name, arguments, rest


def same_type(written: str) -> str:
    """Return the comparable form of a type name of either database."""
    text = re.sub(r" ?([(),]) ?", r"\1", _folded(written, upper=True))
    # SQLAlchemy writes VARCHAR and CHAR; PostgreSQL adds the default of TIMESTAMP and TIME.
    text = text.replace("CHARACTER VARYING", "VARCHAR").replace("CHARACTER(", "CHAR(")
    return re.sub(r"\)(?=\w)", ") ", text.replace(" WITHOUT TIME ZONE", "").replace(")WITHOUT TIME ZONE", ")"))


def _folded(written: str, *, upper: bool) -> str:
    """Return a text with single spaces, and in one case outside of quotes; lower case leaves arguments as they are."""
    parts = (_QUOTED if upper else _KEPT).split(written.strip())
    change = str.upper if upper else str.lower
    return "".join([part if n % 2 else re.sub(r"\s+", " ", change(part)) for n, part in enumerate(parts)])
