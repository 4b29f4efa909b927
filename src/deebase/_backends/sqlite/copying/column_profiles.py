"""Which form the values of a column of SQLite have: what its declared type says, if its values agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from deebase._backends.copy_forms import PLAIN, Convert, CopyTarget, Form
from deebase._backends.sqlite.copying.copy_values import reader
from deebase._backends.sqlite.copying.moment_styles import DEFAULTS, WITH_OFFSET, MomentStyles

_INTEGER: Final = Form("integer")
_DECIMAL: Final = Form("decimal")
_REAL: Final = Form("real")
_TEXT: Final = Form("text")
_BYTES: Final = Form("bytes")
_DATE: Final = Form("date")
_TIMESTAMP: Final = Form("timestamp")
_AWARE: Final = Form("timestamptz")
#: Forms of declared types, by the type without its sizes; the first one that takes all values is chosen.
_DECLARED: Final[dict[str, tuple[Form, ...]]] = {
    **dict.fromkeys(("BOOLEAN", "BOOL"), (Form("boolean"), _INTEGER, _DECIMAL)),
    **dict.fromkeys(("DATE",), (_DATE, _TIMESTAMP)),
    **dict.fromkeys(("DATETIME", "TIMESTAMP", "SMALLDATETIME", "DATETIME2"), (_TIMESTAMP,)),
    **dict.fromkeys(
        ("DATETIME UTC TEXT", "TIMESTAMPTZ", "DATETIMEOFFSET", "TIMESTAMP WITH TIME ZONE", "DATETIME WITH TIME ZONE"),
        (_AWARE,),
    ),
    "TIME": (Form("time"),),
    **dict.fromkeys(("DECIMAL", "NUMERIC", "DEC", "NUMBER", "DECIMAL TEXT"), (_DECIMAL,)),
    "DURATION REAL": (Form("interval"),),
    **dict.fromkeys(("JSON", "JSONB"), (Form("json"), Form("json", "json"))),
    **dict.fromkeys(("UUID", "UUID CHAR", "GUID", "UNIQUEIDENTIFIER"), (Form("uuid"), _TEXT)),
    "INET TEXT": (Form("native", "inet"),),
    "CIDR TEXT": (Form("native", "cidr"),),
    "VARCHAR": (Form("text", "character varying"),),
    "FLOAT4": (Form("real", "real"), _REAL, _DECIMAL),
    "SMALLINT": (Form("integer", "smallint"), _INTEGER, _DECIMAL),
    "MONEY": (_DECIMAL,),
}
#: What stands before a type of PostgreSQL in a declared type that a copy has made.
NATIVE: Final = "TEXT "
ARRAY: Final = "JSON "
#: Types of PostgreSQL whose values are copied as text, and which a column may have again.
NATIVES: Final = frozenset(
    {
        *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
        *("int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange"),
        *("macaddr", "macaddr8", "money", "bit", "bit varying", "xml", "tsvector", "tsquery", "jsonpath", "pg_lsn"),
        *("point", "line", "lseg", "box", "path", "polygon", "circle", "hstore", "ltree", "citext", "cube"),
        *("time with time zone", "lquery", "ltxtquery", "vector", "character", "oid", "xid8", "txid_snapshot"),
    }
)
_SIZES: Final = re.compile(r"\(\s*(\d+)\s*(?:,\s*(-?\d+)\s*)?\)")


def declared_name(declared: str) -> str:
    """Return a declared type in capitals, without sizes and repeated blanks."""
    return " ".join(_SIZES.sub(" ", declared).upper().split())


def declared_forms(declared: str) -> tuple[Form, ...]:
    """Return the forms that a declared type stands for, the closest one first; nothing if it says too little."""
    native = _native(declared)
    if native is not None:
        return native
    name, sizes = declared_name(declared), _sizes(declared)
    known = None if name == "VARCHAR" and sizes else _DECLARED.get(name)
    if known is not None:
        return (Form("decimal", sizes=sizes), *known) if known == (_DECIMAL,) and sizes else known
    # The rules of sqlite.org/datatype3.html#determination_of_column_affinity, in their order.
    if re.search(r"\b(?:TINY|SMALL|MEDIUM|BIG|UNSIGNED)?INT(?:EGER)?\d*\b", name) or name.endswith("SERIAL"):
        return (_INTEGER, _DECIMAL)
    if "INT" not in name and any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return (Form("text", sizes=sizes[:1]), _TEXT) if sizes and "CHAR" in name else (_TEXT,)
    if "BLOB" in name or name in ("BINARY", "VARBINARY", "BYTEA", "IMAGE"):
        return (_BYTES,)
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return (_REAL, _DECIMAL)
    return ()


def _native(declared: str) -> tuple[Form, ...] | None:
    """Return the forms of a type that a copy from PostgreSQL has declared."""
    native = declared.removeprefix(NATIVE)
    if native != declared and native.partition("(")[0] in NATIVES:
        return Form("native", native), _TEXT
    native = declared.removeprefix(ARRAY)
    return (Form("array", native), Form("json")) if native != declared and native.endswith("[]") else None


def _sizes(declared: str) -> tuple[int, ...]:
    found = _SIZES.search(declared)
    if found is None:
        return ()
    sizes = tuple([int(size) for size in found.groups() if size is not None])
    return sizes if sizes[0] else ()


class ColumnProfile:
    """What the values of one column are.

    Attributes:
        classes: how many values there are of each class.
        nulls: how many values are NULL.
    """

    def __init__(self, declared: str, target: CopyTarget, *, thorough: bool = False) -> None:
        self.classes: Counter[type] = Counter()
        self.nulls: int = 0
        self._type = declared
        self._declared = declared_forms(declared)
        self._target = target
        kind = self._declared[0].kind if self._declared else ""
        self._moments = MomentStyles(kind) if kind in DEFAULTS else None
        content = (_INTEGER, _REAL, _DECIMAL, _TEXT, _BYTES)
        tried = (*self._declared, *content) if thorough else self._declared[:1]
        self._fits: dict[Form, int] = dict.fromkeys(tried, 0)

    def thorough(self) -> ColumnProfile:
        """Return a profile that tries every form, for another pass over the values."""
        return ColumnProfile(self._type, self._target, thorough=True)

    async def add(self, values: Sequence[Any]) -> None:
        """Take values in."""
        classes = Counter(map(type, values))
        self.nulls += classes.pop(type(None), 0)
        self.classes += classes
        # The forms whose values these are, whatever they are.
        plain = [form for form in self._fits if self._takes_all(form, set(classes))]
        for form in plain:
            self._fits[form] += classes.total()
        if self._moments is None and len(plain) == len(self._fits):
            return
        # Equal values of several classes, as 1 and 1.0, may differ in what they fit.
        counted = Counter(values).items() if set(classes) == {str} else [(value, 1) for value in values]
        found = [(value, times) for value, times in counted if value is not None]
        if self._moments is not None:
            self._moments.add(found)
        for form in self._fits:
            if form not in plain:
                self._fits[form] += await self._fitting(form, found)

    def _takes_all(self, form: Form, classes: set[type]) -> bool:
        plain = PLAIN.get(form.kind)
        return plain is not None and classes <= {plain} and self._target.refusals(form) is None

    async def settle(self) -> None:
        """Give up types that the target does not have: a column without values has them, too."""
        for form in self._fits:
            if _is_native(form) and not await self._target.accepts(form, ()):
                self._fits[form] = -1

    async def _fitting(self, form: Form, found: Sequence[tuple[Any, int]]) -> int:
        """Return how many of some values fit a form; each value comes with how many times it was found."""
        fits = _fit(form, self._target.refusals(form))
        fitting = [(value, times) for value, times in found if fits(value)]
        if _is_native(form):
            read = reader(form)
            if not await self._target.accepts(form, [read(value) for value, _ in fitting]):
                return 0
        return sum([times for _, times in fitting])

    @property
    def count(self) -> int:
        """The number of values."""
        return self.classes.total()

    @property
    def is_settled(self) -> bool:
        """Whether all values have the form that the declared type stands for."""
        return (
            bool(self._declared)
            and self._fits[self._declared[0]] == self.count
            and self._is_lossless
            and self._is_uniform
        )

    @property
    def _is_lossless(self) -> bool:
        return self._moments is None or self._moments.is_lossless

    def style(self, form: Form) -> str:
        """Return the style in which moments are written, if it is not the one of DeeBase."""
        if self._moments is None or form.kind not in DEFAULTS or not self.count:
            return ""
        style = self._moments.style() or (WITH_OFFSET if self._moments.has_zones else "")
        return "" if style == DEFAULTS[form.kind] else style

    @property
    def _is_uniform(self) -> bool:
        """Whether the values of a column of moments are written alike, so that equal moments are equal values."""
        return self._moments is None or not self.count or self._moments.style() is not None

    def form(self, *, as_text: bool, is_key: bool) -> tuple[Form, int]:
        """Return the form of the column, and how many values do not fit it.

        Args:
            as_text: a column with values that do not fit becomes one of text, or of bytes.
            is_key: its values are unique, or refer to others.
        """
        is_lossless = self._is_lossless and (self._is_uniform or not is_key)
        for form in self._declared:
            if self._fits.get(form) == self.count and is_lossless:
                return self._with_zone(form), 0
        best = max(self._declared, key=self._fits.__getitem__, default=None)
        if best is None or not self._fits[best] or self._loses(best):
            # The declared type says nothing, or too little, about these values.
            best = self._content()
        if as_text and self._fits[best] < self.count:
            is_text = self._fits[_TEXT] == self.count or self._fits[_BYTES] < self.count
            return (_TEXT if is_text else _BYTES), 0
        return best, self.count - self._fits[best]

    def _loses(self, form: Form) -> bool:
        """Whether all values are moments, or look like moments, and their form would not say all that they say."""
        return self._moments is not None and self._fits[form] + self._moments.odd == self.count

    def _with_zone(self, form: Form) -> Form:
        return _AWARE if form == _TIMESTAMP and self._moments is not None and self._moments.has_zones else form

    def _content(self) -> Form:
        """Return the form of the classes of the values alone."""
        classes = set(self.classes)
        numbers = classes & {int, float}
        if not classes:
            return _TEXT
        if classes == numbers:
            return {1: _INTEGER if int in classes else _REAL}.get(len(numbers), _DECIMAL)
        if bytes in classes and not numbers:
            return _BYTES
        return _TEXT


def _is_native(form: Form) -> bool:
    return form.kind == "native" or (form.kind == "array" and bool(form.native))


def _fit(form: Form, check: Convert | None) -> Convert:
    convert = reader(form)

    def fits(value: Any) -> bool:
        try:
            made = convert(value)
            if check is not None:
                check(made)
        except ValueError:
            return False
        return True

    return fits
