"""The year, month, day or hour of a moment, computed by the database in UTC, with the same values on both databases."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal

from deebase._types.base import has_types
from deebase._types.forms.moment_sql import Normal, Plain
from deebase._types.moments import AwareDateTime, Date, DateTime, Moment
from deebase._types.number import Integer
from deebase._types.registry import column_type
from deebase.errors import ValidationError

Unit = Literal["year", "month", "day", "hour"]

#: Characters of a moment in our form that name the unit, and what completes them.
_TEXTS: Final[dict[str, tuple[int, str]]] = {"month": (7, "-01"), "day": (10, ""), "hour": (13, ":00:00.000000")}


class PeriodOf(NamedTuple):
    """The period of a column that is named, which the table of the statement has."""

    unit: Unit
    column: str


class Period(ColumnElement[Any]):
    """The period that a moment lies in: the year as a number, else the moment at which it begins."""

    __visit_name__ = "deebase_period"
    inherit_cache = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("unit", InternalTraversal.dp_string),
        ("element", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, unit: Unit, element: ColumnElement[Any]) -> None:
        kind = column_type(element.type)
        if not isinstance(kind, (AwareDateTime, DateTime, Date)) or (unit == "hour" and isinstance(kind, Date)):
            wanted = "a datetime" if unit == "hour" else "a date or datetime"
            named = getattr(element, "name", None)
            raise ValidationError(
                f"{unit} of {named or 'an expression'}: takes {wanted}, not {kind.name or 'a value of another type'}",
                field=named,
                hint=f"{unit}('created_at')",
            )
        self.unit = unit
        self.element: Any = element
        self.kind: Moment[Any] = kind
        kinds: dict[str, Any] = {"year": Integer(), "hour": kind}
        self.type = kinds.get(unit) or Date()

    @property
    def _from_objects(self) -> Any:
        return self.element._from_objects

    def self_group(self, against: Any = None) -> Any:
        """Return itself: the compiled text is in parentheses, or a call."""
        return self


@compiles(Period)
def _compile_period(element: Period, compiler: Any, **options: Any) -> str:
    if has_types(compiler.dialect):
        return _on_postgres(element, compiler.process(element.element, **options))
    normal: Any = element.element if isinstance(element.element, Normal) else Normal(element.element, element.kind.kind)
    text = compiler.process(Plain(normal), **options)
    if element.unit == "year":
        return f"CAST(substr({text}, 1, 4) AS INTEGER)"
    length, end = _TEXTS[element.unit]
    return f"(substr({text}, 1, {length}) || '{end}')"


def _on_postgres(element: Period, text: str) -> str:
    aware = isinstance(element.kind, AwareDateTime)
    local = f"(({text}) AT TIME ZONE 'UTC')" if aware else f"CAST({text} AS timestamp)"
    if element.unit == "year":
        # Infinity has no year.
        return f"CASE WHEN isfinite({local}) THEN CAST(extract(year FROM {local}) AS bigint) END"
    begins = f"date_trunc('{element.unit}', {local})"
    if element.unit != "hour":
        return f"CAST({begins} AS date)"
    return f"({begins} AT TIME ZONE 'UTC')" if aware else begins
