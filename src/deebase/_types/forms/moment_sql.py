"""SQL that compares and sorts moments by value on SQLite, in any stored form.

What DeeBase writes has one form, which compares as text. Comparisons therefore look for the value as text, by an index
if the column has one, and beside it for rows of other forms. Those are found by the same index, or by one over them
alone (``other_forms_index``), which is empty as long as DeeBase is the only writer, so that it costs next to nothing.
"""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.elements import Grouping, Null
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import NullType

from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import literal
from deebase._types.base import has_types
from deebase._types.forms.moment_forms import DATE, DATETIME, Kind

#: Begins the names of the indexes over rows of other forms, which do not belong to the table's own indexes.
OTHER_FORMS = "deebase_other_forms_"
#: Text that names no moment. sqlite3 raises an error where a function takes text that is not valid UTF-8.
NO_ASCII = "*[^\t-~]*"
#: Where a SQLAlchemy table keeps (in ``info``) the columns that have such an index.
HELPED = "deebase_helped"
#: And that it is a view, which has no index, though it may have a key.
IS_VIEW = "deebase_is_view"


def kind_of(element: Any) -> Any:
    """Return the kind of moments that an expression has; None for anything else."""
    return getattr(element.type, "kind", None)


class _Wrapped(ColumnElement[Any]):
    """An expression of one other."""

    inherit_cache = True

    def __init__(self, element: Any) -> None:
        self.element = element
        self.type = element.type

    _traverse_internals = [("element", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - declared by SQLAlchemy

    @property
    def _from_objects(self) -> Any:
        return self.element._from_objects

    def self_group(self, against: Any = None) -> Any:
        """Return itself: the compiled text is in parentheses, or is a single word."""
        return self


class Normal(_Wrapped):
    """A stored moment in our own form."""

    __visit_name__ = "deebase_normal"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("element", InternalTraversal.dp_clauseelement),
        ("name", InternalTraversal.dp_string),
    ]

    def __init__(self, element: Any, kind: Kind) -> None:
        super().__init__(element)
        self.kind = kind
        self.name = kind.name


@compiles(Normal)
def _compile_normal(element: Normal, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.element, **options)
    return text if has_types(compiler.dialect) else _normal(text, element.kind)


class Plain(_Wrapped):
    """A stored moment that is compared as the text it is."""

    __visit_name__ = "deebase_plain"
    inherit_cache = True

    def __init__(self, element: Any) -> None:
        super().__init__(element)
        self.type = sa.String()


@compiles(Plain)
def _compile_plain(element: Plain, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.element, **options)
    return text


class Form(_Wrapped):
    """Whether a stored moment has our form (or is NULL), or another one."""

    __visit_name__ = "deebase_form"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("element", InternalTraversal.dp_clauseelement),
        ("pattern", InternalTraversal.dp_string),
        ("own", InternalTraversal.dp_boolean),
    ]

    def __init__(self, element: Any, *, own: bool) -> None:
        super().__init__(element)
        self.type = sa.Boolean()
        self.pattern: str = kind_of(element).pattern
        self.own = own


@compiles(Form)
def _compile_form(element: Form, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.element, **options)
    return (
        f"ifnull({text} GLOB {literal(element.pattern, SQLITE)}, 1)"
        if element.own
        else f"{text} NOT GLOB {literal(element.pattern, SQLITE)}"
    )


class Kept(ColumnElement[Any]):
    """What an UPDATE sets: what is stored, where a value is the same moment, and else another expression of the value.

    Args:
        column: of moments.
        value: the new one.
        new: the expression.
        beside: other columns that change with it, and their values: what is stored is kept if these are the same, too.
    """

    __visit_name__ = "deebase_kept"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("column", InternalTraversal.dp_clauseelement),
        ("value", InternalTraversal.dp_clauseelement),
        ("new", InternalTraversal.dp_clauseelement),
        ("columns", InternalTraversal.dp_clauseelement_list),
        ("values", InternalTraversal.dp_clauseelement_list),
    ]

    def __init__(self, column: Any, value: Any, new: Any, beside: Sequence[tuple[Any, Any]] = ()) -> None:
        self.column = column
        self.value = value
        self.new = new
        self.columns = [other for other, _ in beside]
        self.values = [given for _, given in beside]
        self.type = column.type


@compiles(Kept)
def _compile_kept(element: Kept, compiler: Any, **options: Any) -> str:
    column, value = (compiler.process(part, **options) for part in (element.column, element.value))
    kind = kind_of(element.column)
    same = [f"{_normal(column, kind)} = {_same_form(element.value, value, kind)}"]
    for other, given in zip(element.columns, element.values, strict=True):
        text, beside = compiler.process(other, **options), kind_of(other)
        same.append(f"{text if beside is None else _normal(text, beside)} IS {compiler.process(given, **options)}")
    return f"CASE WHEN {' AND '.join(same)} THEN {column} ELSE {compiler.process(element.new, **options)} END"


class Taken(ColumnElement[Any]):
    """The value of a new row in the form that an existing row has, else unchanged.

    UNIQUE compares text: with this, two forms of one moment are the same to it.

    Args:
        column: of moments.
        value: the new one.
        beside: the other columns of the key, and their values; in an UPDATE that leaves one as it is, the column.
        kept: whether the updated row keeps its form if no other row has the value.
    """

    __visit_name__ = "deebase_taken"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("column", InternalTraversal.dp_clauseelement),
        ("value", InternalTraversal.dp_clauseelement),
        ("columns", InternalTraversal.dp_clauseelement_list),
        ("values", InternalTraversal.dp_clauseelement_list),
        ("kept", InternalTraversal.dp_boolean),
    ]

    def __init__(self, column: Any, value: Any, beside: Sequence[tuple[Any, Any]], *, kept: bool = False) -> None:
        self.column = column
        self.kept = kept
        self.value = value
        self.columns = [other for other, _ in beside]
        self.values = [given for _, given in beside]
        self.type = column.type


@compiles(Taken)
def _compile_taken(element: Taken, compiler: Any, **options: Any) -> str:
    preparer = compiler.preparer
    table = preparer.format_table(element.column.table)

    def there(column: Any) -> str:
        return f"deebase_there.{preparer.quote(column.name)}"

    def here(column: Any) -> str:
        # Without its table, it would be a column of the existing row.
        return f"{table}.{preparer.quote(column.name)}"

    kind: Kind = kind_of(element.column)
    place = _Place(table, preparer.quote(element.column.name), kind)
    conditions = [place.among(there(element.column), "SELECT x FROM deebase_new")]
    for column, value in zip(element.columns, element.values, strict=True):
        beside = kind_of(column)
        text = here(value) if value is column else compiler.process(value, **options)
        one, other = there(column), text if beside is None else _same_form(value, text, beside)
        conditions.append(f"{one if beside is None else _normal(one, beside)} = {other}")
    new = "x"
    if element.kept:
        stored = here(element.column)
        new = f"CASE WHEN {_normal(stored, kind)} = x THEN {stored} ELSE x END"
    # The value stands here once: so many rows at a time stay one parameter per column.
    found = f"SELECT {there(element.column)} FROM {table} AS deebase_there WHERE {' AND '.join(conditions)} LIMIT 1"
    return (
        f"(WITH deebase_new (x) AS (VALUES ({compiler.process(element.value, **options)})) "
        f"SELECT coalesce(({found}), {new}) FROM deebase_new)"
    )


class Compared(_Wrapped):
    """A comparison of a column of moments with values: as SQLAlchemy made it, for databases that have the type."""

    __visit_name__ = "deebase_compared"
    inherit_cache = True

    def __init__(self, element: Any) -> None:
        super().__init__(element)

    def __bool__(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        # As of SQLAlchemy's own comparisons: whether both sides are one object.
        return bool(self.element)

    def self_group(self, against: Any = None) -> Any:
        """Return itself, in parentheses where SQLAlchemy's own comparison needs some."""
        return self if self.element.self_group(against) is self.element else Grouping(self)

    @property
    def left(self) -> Any:
        """The column."""
        return self.element.left

    @property
    def right(self) -> Any:
        """The value, or the list of values."""
        return self.element.right


@compiles(Compared)
def _compile_compared(element: Compared, compiler: Any, **options: Any) -> str:
    if has_types(compiler.dialect):
        plain: str = compiler.process(element.element, **options)
        return plain
    column, operator, right = element.left, element.element.operator, element.right
    kind: Kind = kind_of(column)
    text = compiler.process(column, **options)
    listed = [right] if operator is not operators.in_op else list(getattr(right, "element", right).clauses)
    values = [_same_form(value, compiler.process(value, **options), kind) for value in listed]
    place = _place_of(column, compiler)
    if operator is operators.in_op or operator is operators.eq:
        if place is None:
            return f"({_normal(text, kind)} IN ({', '.join(values)}))"
        return f"({place.among(text, 'VALUES ' + ', '.join([f'({value})' for value in values]))})"
    sign = _SIGNS[operator]
    exact = f"{_normal(text, kind)} {sign} {values[0]}"
    return f"({exact})" if place is None else f"({place.bound(text, sign, values[0])} AND {exact})"


_SIGNS: dict[Any, str] = {operators.lt: "<", operators.le: "<=", operators.gt: ">", operators.ge: ">="}
#: What is compiled with regard to indexes.
SEARCHES: frozenset[Any] = frozenset({operators.eq, operators.in_op, *_SIGNS})


def _normal(text: str, kind: Kind) -> str:
    own = f"{text} GLOB {literal(kind.pattern, SQLITE)} OR {text} GLOB {literal(NO_ASCII, SQLITE)}"
    return f"(CASE WHEN {own} THEN {text} ELSE {kind.name}({text}) END)"


def _same_form(value: Any, text: str, kind: Kind) -> str:
    """Return a value in our form: what is bound has it, what is stored or computed may have another."""
    return _normal(text, kind) if may_have_another_form(value) else text


def may_have_another_form(value: Any) -> bool:
    """Whether an expression may give a moment in another form than ours, as functions of SQLite do.

    Text has it: DeeBase itself declares bound values as text.
    """
    if isinstance(value, (sa.BindParameter, Normal, Plain, Null)) or not isinstance(value, ColumnElement):
        return False
    kinds = (NullType, sa.DateTime, sa.Date, sa.Time)
    return kind_of(value) is not None or isinstance(value.type, kinds)


class _Place:
    """A column in its table, where rows of other forms are looked for.

    The functions return conditions with which SQLite finds rows by an index over the column. What they look for, it
    computes once for a statement.
    """

    def __init__(self, table: str, column: str, kind: Kind) -> None:
        self._kind = kind
        self._column = f"deebase_i.{column}"
        self._from = f"FROM {table} AS deebase_i WHERE {self._column} NOT GLOB {literal(kind.pattern, SQLITE)}"

    def among(self, text: str, values: str) -> str:
        """Return the condition that a column is one of the moments of a SELECT or VALUES, in any form."""
        column, kind = self._column, self._kind
        same = f"{_normal(column, kind)} IN (SELECT x FROM deebase_v)"
        parts = [f"SELECT {column} {self._from} AND {where} AND {same}" for where in self._near()]
        found = " UNION ALL ".join(["SELECT x FROM deebase_v", *parts])
        return f"{text} IN (WITH deebase_v (x) AS ({values}) {found})"

    def _near(self) -> list[str]:
        """Return where rows of other forms with the moments of ``deebase_v`` can be, as ranges of an index."""
        column = self._column
        if self._kind.is_time:
            return [_ANY.format(column)]
        lowest, highest = "(SELECT min(x) FROM deebase_v)", "(SELECT max(x) FROM deebase_v)"
        # An offset moves a moment by less than a day.
        dashed = f"{column} >= date({lowest}, '-1 day') AND {column} < {_days_after(highest)}"
        if self._kind is DATE:
            return [dashed, _LOW.format(column), _DIGITS.format(column)]
        first, last = f"strftime('%s', {lowest})", f"strftime('%s', {highest})"
        # Numbers of seconds, milli- and microseconds; after them what begins with a blank, and numbers as text.
        units = (1, 1_000, 1_000_000)
        numbers = [f"{column} >= ({first} - 1) * {n} AND {column} <= ({last} + 1) * {n}" for n in units]
        return [dashed, *numbers, f"{column} >= '' AND {column} < '/'", _DIGITS.format(column)]

    def bound(self, text: str, sign: str, value: str) -> str:
        """Return the condition that leaves out what no row with the moment can be beyond, as text."""
        column, kind = self._column, self._kind
        lower = sign.startswith(">")
        choice, limit = ("min", f"{text} >= ") if lower else ("max", f"{text} <= ")
        if kind.is_time:
            ranges = [_ANY.format(column)]
        elif lower:
            numbers = _LOW.format(column)
            if kind is DATETIME:
                seconds = f"(strftime('%s', {value}) - 1)"
                # Numbers of milli- or microseconds before 1970 are below those of seconds.
                numbers = f"{column} >= min({seconds}, {seconds} * 1000000) AND {numbers}"
            ranges = [f"{column} >= date({value}, '-1 day') AND {column} < {value}", numbers, _DIGITS.format(column)]
        else:
            ranges = [f"{column} >= {value} AND {column} < {_days_after(value)}"]
        found = [f"ifnull((SELECT {choice}({column}) {self._from} AND {where}), {value})" for where in ranges]
        return f"{limit}{choice}({', '.join([value, *found])})"


#: Ranges of an index. A column of the affinity NUMERIC converts such literals to numbers if it can. It cannot convert
#: '/', the character before '0'. SQLite sorts numbers before all text.
_LOW = "{0} < '/'"
#: Unix times as text, and texts of the years 1000 to 1999. In a column of the affinity NUMERIC, where neither is text,
#: the range is one of small numbers.
_DIGITS = "{0} >= '1' AND {0} < '2'"
_ANY = "{0} < 'a'"


def _days_after(value: str) -> str:
    # There is no day after 9999-12-31.
    return f"ifnull(date({value}, '+2 days'), 'a')"


def _place_of(column: Any, compiler: Any) -> _Place | None:
    """Return where to look for a column's rows of other forms; None where no index would find them."""
    table = getattr(column, "table", None)
    while isinstance(table, sa.Alias):
        table = table.element
    if not isinstance(table, sa.Table) or column.name not in table.c or not is_indexed(table, column.name):
        return None
    preparer = compiler.preparer
    return _Place(preparer.format_table(table), preparer.quote(column.name), kind_of(column))


def is_indexed(table: sa.Table, name: str) -> bool:
    """Whether SQLite finds the values of a column, or its rows of other forms, by an index."""
    return name in table.info.get(HELPED, ()) or any(names[0] == name for names in _indexes(table))


def is_in_an_index(table: sa.Table, name: str) -> bool:
    """Whether an index has a column, at any place."""
    return name in table.info.get(HELPED, ()) or any(name in names for names in _indexes(table))


def _indexes(table: sa.Table) -> list[list[str]]:
    """Return the columns of all indexes, those of constraints included."""
    listed: list[Any] = [] if table.info.get(IS_VIEW) else [*table.indexes, *table.constraints]
    kinds = (sa.Index, sa.UniqueConstraint, sa.PrimaryKeyConstraint)
    found = [[column.name for column in item.columns] for item in listed if isinstance(item, kinds)]
    return [names for names in found if names]


def indexed_moments(table: sa.Table) -> list[str]:
    """Return the columns of moments that an index has."""
    return moments_of(table, [name for names in _indexes(table) for name in names])


def moments_of(table: sa.Table, names: Iterable[str]) -> list[str]:
    """Return those of some columns that hold moments, each once."""
    return [name for name in dict.fromkeys(names) if kind_of(table.c[name]) is not None]


def other_forms_index(table: str, column: sa.Column[Any], dialect: Dialect) -> str:
    """Return the statement that makes the index over rows of other forms, for a table with such a column."""
    quote = dialect.identifier_preparer.quote
    name, kind = quote(column.name), kind_of(column)
    made = f"CREATE INDEX IF NOT EXISTS {quote(f'{OTHER_FORMS}{table}_{column.name}')} ON {quote(table)} ({name})"
    return f"{made} WHERE {name} NOT GLOB {literal(kind.pattern, SQLITE)}"


def other_forms_indexes(table: sa.Table, names: Iterable[str], dialect: Dialect) -> list[str]:
    """Return the statements that make such indexes beside one over some columns; none on PostgreSQL."""
    if has_types(dialect):
        return []
    return [other_forms_index(table.name, table.c[name], dialect) for name in moments_of(table, names)]


def common_kind(one: Kind, other: Any) -> Kind:
    """Return the kind in which moments of two columns are compared: a date is a datetime at midnight."""
    return DATETIME if {one, other} == {DATE, DATETIME} else one
