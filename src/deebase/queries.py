"""What the calls of a table take besides columns: counts, sums and the like of groups, and the periods of moments.

Example:
    ```python
    from deebase.queries import count, month, sum_

    rows = await orders.group("customer_id", month("created_at"), n=count(), total=sum_("amount"), order_by="-total")
    ```
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from sqlalchemy.sql import ColumnElement

from deebase._sql.json_paths.json_parts import JsonValue
from deebase._sql.queries.aggregates import Aggregate
from deebase._sql.queries.periods import Period, PeriodOf, Unit
from deebase.errors import ValidationError
from deebase.types import Merge

__all__ = ["JsonValue", "avg", "count", "day", "hour", "max_", "merge", "min_", "month", "sum_", "year"]

#: The name of a column, a path, or an expression.
Column = str | ColumnElement[Any]


def count(column: Column | None = None, *, distinct: Column | None = None) -> Aggregate:
    """Return the number of the rows of a group.

    Args:
        column: only the rows with a value in it.
        distinct: the number of different values of this column, NULL left out.

    Example:
        ```python
        from deebase.queries import count

        rows = await users.group("status", n=count(), names=count(distinct="name"))
        ```
    """
    return Aggregate("count", column) if distinct is None else Aggregate("count", distinct, distinct=True)


def sum_(column: Column) -> Aggregate:
    """Return the sum of a column in a group: exact for int and Decimal; None if the group has no value.

    Example:
        ```python
        from deebase.queries import sum_

        rows = await users.group("status", total=sum_("age"), having=sum_("age") > 100)
        ```
    """
    return Aggregate("sum", column)


def avg(column: Column) -> Aggregate:
    """Return the mean of a column in a group: of int a float, of Decimal a Decimal of 28 digits.

    Example:
        ```python
        from deebase.queries import avg

        rows = await users.group("status", mean=avg("age"))
        ```
    """
    return Aggregate("avg", column)


def min_(column: Column) -> Aggregate:
    """Return the least value of a column in a group.

    Example:
        ```python
        from deebase.queries import min_

        rows = await users.group("status", youngest=min_("age"))
        ```
    """
    return Aggregate("min", column)


def max_(column: Column) -> Aggregate:
    """Return the greatest value of a column in a group.

    Example:
        ```python
        from deebase.queries import max_

        rows = await users.group("status", oldest=max_("age"))
        ```
    """
    return Aggregate("max", column)


def _period(unit: Unit, column: Any) -> Any:
    return PeriodOf(unit, column) if isinstance(column, str) else Period(unit, column)


@overload
def year(column: str) -> PeriodOf: ...


@overload
def year(column: ColumnElement[Any]) -> ColumnElement[Any]: ...


def year(column: Column) -> Any:
    """Return the year of a date or datetime, as a number.

    Args:
        column: a name or a path, for a group; or an expression, whose year can be compared, sorted and selected, too.

    Example:
        ```python
        from deebase.queries import count, year

        rows = await posts.group(year("created_at"), n=count())
        recent = await posts(year(posts.c.created_at) >= 2024)
        ```
    """
    return _period("year", column)


@overload
def month(column: str) -> PeriodOf: ...


@overload
def month(column: ColumnElement[Any]) -> ColumnElement[Any]: ...


def month(column: Column) -> Any:
    """Return the month of a date or datetime, as the date of its first day; in UTC for a moment with a zone.

    Args:
        column: as for ``year``.

    Example:
        ```python
        from deebase.queries import count, month

        rows = await posts.group(month("created_at"), n=count(), order_by="month")
        ```
    """
    return _period("month", column)


@overload
def day(column: str) -> PeriodOf: ...


@overload
def day(column: ColumnElement[Any]) -> ColumnElement[Any]: ...


def day(column: Column) -> Any:
    """Return the day of a date or datetime, as a date; in UTC for a moment with a zone.

    Args:
        column: as for ``year``.

    Example:
        ```python
        from deebase.queries import count, day

        rows = await posts.group(day("created_at"), n=count(), order_by="-day", limit=7)
        ```
    """
    return _period("day", column)


@overload
def hour(column: str) -> PeriodOf: ...


@overload
def hour(column: ColumnElement[Any]) -> ColumnElement[Any]: ...


def hour(column: Column) -> Any:
    """Return the hour of a datetime, as the datetime at which it begins.

    Args:
        column: as for ``year``.

    Example:
        ```python
        from deebase.queries import count, hour

        rows = await posts.group(hour("created_at"), n=count(), order_by="hour")
        ```
    """
    return _period("hour", column)


def merge(changes: Mapping[str, Any]) -> Merge:
    """Return a change of a JSON document, for a value of ``update`` and ``update_where``.

    The database itself changes the document, so that no change of others is lost. Keys get new values, and objects in
    objects are merged in the same way. None removes a key, and any other value, such as a list, replaces the old one
    (JSON merge patch, RFC 7396). Anything but an object, also NULL, becomes an object.

    Args:
        changes: the new values by key.

    Raises:
        ValidationError: it is not a dict.

    Example:
        ```python
        from deebase.queries import merge

        await posts.update({"id": 1, "meta": merge({"seen": True, "stats": {"views": 11}, "draft": None})})
        ```
    """
    given: Any = changes
    if not isinstance(given, Mapping):
        raise ValidationError(
            f"merge takes a dict of the keys to change, not {type(given).__name__}", hint="merge({'seen': True})"
        )
    return Merge(changes)
