"""What a field says of its column: Unique, Indexed, PrimaryKey, Digits, Check, Default, Computed, UpdatedAt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from deebase.errors import ValidationError
from deebase.types import ForeignKeyMark, must_be_flags

__all__ = [
    "Check",
    "Computed",
    "DatabaseValue",
    "Default",
    "Digits",
    "Indexed",
    "PrimaryKey",
    "References",
    "Unique",
    "UpdatedAt",
    "now",
    "uuid4",
    "uuid7",
]

#: A foreign key, as metadata of a field: ``Annotated[int, References("user", on_delete="cascade")]``.
References: TypeAlias = ForeignKeyMark


@dataclass(frozen=True)
class Unique:
    """No two rows have the same value in the column: ``Annotated[str, Unique]``. It makes a unique index.

    Attributes:
        ignore_case: compare texts without regard to upper and lower case, by an index over ``lower(column)``. SQLite
            knows the case of ASCII letters alone.

    Raises:
        ValidationError: ignore_case is not a boolean.

    Example:
        ```python
        class User:
            id: int
            email: Annotated[str, Unique(ignore_case=True)]
        ```
    """

    ignore_case: bool = False

    def __post_init__(self) -> None:
        must_be_flags(ignore_case=self.ignore_case)


@dataclass(frozen=True)
class Indexed:
    """The column has an index: ``Annotated[str, Indexed]``.

    Example:
        ```python
        class Post:
            id: int
            created: Annotated[datetime, Indexed]
        ```
    """


@dataclass(frozen=True)
class PrimaryKey:
    """The column is the primary key, or a part of it: ``Annotated[str, PrimaryKey]``.

    The key has the columns of all fields with this mark, in the order of the class.

    Example:
        ```python
        class Membership:
            user_id: Annotated[int, PrimaryKey, References("user")]
            team_id: Annotated[int, PrimaryKey, References("team")]
        ```
    """


@dataclass(frozen=True)
class Digits:
    """The digits of a Decimal: ``Annotated[Decimal, Digits(10, 2)]`` is NUMERIC(10, 2).

    A number with more digits is refused before anything is sent, on both databases. A number with fewer digits after
    the point is stored with zeros.

    Attributes:
        total: the digits of the longest number, from 1 to 1,000.
        places: the digits after the point, from 0 to ``total``.

    Raises:
        ValidationError: the numbers are others.

    Example:
        ```python
        class Invoice:
            id: int
            amount: Annotated[Decimal, Digits(10, 2)]
        ```
    """

    total: int
    places: int = 0

    def __post_init__(self) -> None:
        given: tuple[object, object] = (self.total, self.places)
        fits = all(type(number) is int for number in given) and 1 <= self.total <= 1000
        if not (fits and 0 <= self.places <= self.total):
            raise ValidationError(
                "the digits of a Decimal are two whole numbers: 1 to 1,000 in all, and no more of them after the point",
                field="digits",
                value=given,
                hint="Annotated[Decimal, Digits(10, 2)]",
            )


@dataclass(frozen=True)
class Check:
    """A condition that each row must meet: ``Annotated[int, Check("views >= 0")]``.

    Attributes:
        condition: in SQL (trusted code); it may use other columns of the table.

    Raises:
        ValidationError: the condition is empty, or not text.

    Example:
        ```python
        class Event:
            id: int
            starts: date
            ends: Annotated[date, Check("ends >= starts")]
        ```
    """

    condition: str

    def __post_init__(self) -> None:
        _must_be_sql("condition", self.condition, 'Annotated[int, Check("views >= 0")]')


@dataclass(frozen=True)
class Computed:
    """A column whose value the database computes from other columns, and stores.

    Such a column is read, never written.

    Attributes:
        expression: in SQL (trusted code).

    Raises:
        ValidationError: the expression is empty, or not text.

    Example:
        ```python
        class Line:
            id: int
            price: int
            quantity: int
            total: Annotated[int, Computed("price * quantity")]
        ```
    """

    expression: str

    def __post_init__(self) -> None:
        _must_be_sql("expression", self.expression, 'Annotated[int, Computed("price * quantity")]')


@dataclass(frozen=True)
class DatabaseValue:
    """A value that the database makes for each new row; returned by ``now()``, ``uuid4()`` and ``uuid7()``.

    Attributes:
        name: the function that made it.
    """

    name: str

    def __repr__(self) -> str:
        return f"{self.name}()"


_NOW: Final = DatabaseValue("now")


def now() -> DatabaseValue:
    """Return the time of the statement in UTC, for ``Default``: of a datetime, date or time column.

    Example:
        ```python
        class Post:
            id: int
            created: Annotated[datetime, Default(now())]
        ```
    """
    return _NOW


def uuid4() -> DatabaseValue:
    """Return a random UUID, for ``Default``: of a UUID or text column.

    Example:
        ```python
        class Session:
            id: Annotated[UUID, PrimaryKey, Default(uuid4())]
        ```
    """
    return DatabaseValue("uuid4")


def uuid7() -> DatabaseValue:
    """Return a UUID that begins with the time in milliseconds, for ``Default``: of a UUID or text column.

    Later rows have higher values, so that they come last in the index of the key.

    Example:
        ```python
        class Event:
            id: Annotated[UUID, PrimaryKey, Default(uuid7())]
        ```
    """
    return DatabaseValue("uuid7")


@dataclass(frozen=True, eq=False)
class Default:
    """The DEFAULT of a column: what a row gets that gives no value.

    Attributes:
        value: a value of the column's type; ``now()``, ``uuid4()`` or ``uuid7()``; or an expression of SQLAlchemy
            without columns, such as ``sa.func.random()``.

    Example:
        ```python
        class Post:
            id: int
            status: Annotated[str, Default("draft")]
            created: Annotated[datetime, Default(now())]
        ```
    """

    value: Any


@dataclass(frozen=True)
class UpdatedAt:
    """The time of the last change of a row in UTC, of a datetime column: ``Annotated[datetime, UpdatedAt]``.

    A new row gets the time of its insert. Each update by DeeBase sets it, also that of a row that was read and is
    written back. A value other than the stored one is stored as it is given.

    Attributes:
        trigger: create a trigger, which sets it for changes by SQL and by other programs, too.

    Raises:
        ValidationError: trigger is not a boolean.

    Example:
        ```python
        class Post:
            id: int
            title: str
            changed: Annotated[datetime, UpdatedAt]
        ```
    """

    trigger: bool = False

    def __post_init__(self) -> None:
        must_be_flags(trigger=self.trigger)


def _must_be_sql(name: str, text: object, hint: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValidationError(f"the {name} is SQL, and not empty", field=name, value=text, hint=hint)
