"""What a column type is: one object that knows everything about one type."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, TypeVar, cast, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import StrCompileDialect
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from deebase._sqltext import quoting
from deebase._sqltext.capabilities import Named as HasName
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import POSTGRES, SQLITE
from deebase._sqltext.type_names import type_name
from deebase._types.forms.foreign_values import OWN, python_value
from deebase.errors import DataError, UnsupportedTypeError, ValidationError
from deebase.types import UNSET, Native

T = TypeVar("T")
Processor = Callable[[Any], Any]
#: A class, and the arguments of its call.
Call = tuple[type[Any], tuple[Any, ...], dict[str, Any]]
NoneType: type[None] = type(None)

#: SQLite's function of a declared type, an encoding, what is stored, and what an UPDATE gives. It returns whether the
#: column keeps its value.
KEPT = "deebase_kept"

#: Every subclass of ColumnType, in the order of definition. The registry derives its lookups from them.
KINDS: list[type[ColumnType[Any]]] = []


def is_a(value: Any, kind: Any) -> bool:
    """Return what isinstance returns, and leave the type that checkers see as it is: Any."""
    return isinstance(value, kind)


def present(values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any]:
    """Return the values that are not None."""
    return [value for value in values if value is not None] if NoneType in kinds else values


def misfit(value: Any, wanted: str, hint: str | None = None) -> ValidationError:
    """Return the error for a value of the wrong type."""
    return ValidationError(f"takes {wanted}, not {type(value).__name__}", value=value, hint=hint)


def refused(value: Any, reason: str, hint: str | None = None) -> ValidationError:
    """Return the error for a value of the right type that cannot be stored as it is."""
    return ValidationError(reason, value=value, hint=hint)


class Named(UserDefinedType[Any]):
    """A type by its name in the database.

    On SQLite the name decides how values are stored: TEXT, CHAR and REAL in it mean what they say
    (sqlite.org/datatype3.html#determination_of_column_affinity).
    """

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Return the name."""
        return self.name


class NamedWithCast(Named):
    """A type by its name, to which parameters are cast."""

    cache_ok = True
    render_bind_cast = True


def has_types(dialect: HasName) -> bool:
    """Whether ``postgres`` applies in a database, rather than ``sqlite``: a column holds values of its type alone.

    It does in SQLAlchemy's dialect for printing, which is not a database.
    """
    return isinstance(dialect, StrCompileDialect) or capabilities_of(dialect).checks_types


class ColumnType(TypeDecorator[T]):
    """Everything about one type of columns. Subclass it for a type of your own.

    A subclass names the Python class of its values with ``python=``. Columns with that annotation then have this
    type. Without ``python=``, the annotation names the type: ``Annotated[str, EmailType()]``. By default a value is
    stored as its text on both databases, in a column that SQLite declares as the type's name with ``TEXT``. The name
    also tells the type of a table that DeeBase did not create. On PostgreSQL a column has the type of ``postgres``,
    and a reflected table reads as that; ``create`` with the class makes it known.

    Override ``parse`` and ``format`` where ``python(text)`` and ``str(value)`` do not undo each other.

    Attributes:
        python: the annotation of its columns.
        name: on the command line, in cursors and in messages; the lower-case name of the class by default.
        sqlite: how SQLite declares a column. Text should sort as the values do.
        postgres: how PostgreSQL declares a column. Where it is set, ``to_postgres`` and ``from_postgres`` are the
            driver's own conversion unless overridden.
        sqlite_names: other declared types of SQLite that are read as this type, in upper case.
        postgres_names: other types of PostgreSQL that are read as this type, as ``format_type`` writes them.
        wanted: what a text has to be, in messages.
        example: such a text.
        zero: what existing rows get in a new column that is NOT NULL; UNSET for nothing.
        json_kinds: types of JSON values besides strings that ``of_json`` reads.

    Example:
        ```python
        class MoneyType(ColumnType[Money], python=Money):
            example = "12.50 EUR"
        ```
    """

    __module__ = "deebase.types"

    impl: Any = sa.types.NullType
    cache_ok: bool | None = True
    python: ClassVar[Any] = None
    name: ClassVar[str] = ""
    sqlite: ClassVar[TypeEngine[Any] | str | None] = None
    postgres: ClassVar[TypeEngine[Any] | str | None] = None
    sqlite_names: ClassVar[tuple[str, ...]] = ()
    postgres_names: ClassVar[tuple[str, ...]] = ()
    wanted: str = "a value of its type"
    example: str = ""
    zero: Any = UNSET
    json_kinds: ClassVar[tuple[type, ...]] = ()
    #: SQL of SQLite and of PostgreSQL, by the name of a DatabaseValue.
    made_by_database: ClassVar[Mapping[str, tuple[str, str]]] = {}

    #: Python classes of the values.
    classes: ClassVar[tuple[type, ...]] = ()
    #: Types of SQLAlchemy whose columns have values of this type.
    adopts: ClassVar[tuple[type[TypeEngine[Any]], ...]] = ()
    #: Classes of which every exact instance is stored as it is.
    passes: ClassVar[frozenset[type]] = frozenset()
    #: A list is a value, not a set of values to compare with.
    takes_collections = False
    #: Whether the annotation may be of classes that a generated module defines.
    defines_classes = False
    #: Whether values of other libraries become Python's own before they are checked.
    converts = True
    #: The declared types that an annotation names; None for those of the class.
    native: Native | None = None

    def __init_subclass__(cls, *, python: Any = None, name: str | None = None) -> None:
        super().__init_subclass__()
        if "cache_ok" not in vars(cls):
            # SQLAlchemy asks each class for its own.
            type.__setattr__(cls, "cache_ok", True)
        if python is not None:
            if not cls.is_builtin() and any(kind.python == python and kind.is_builtin() for kind in KINDS):
                raise UnsupportedTypeError(
                    f"{python} already has a column type",
                    hint=f"annotate columns with Annotated[{getattr(python, '__name__', python)}, {cls.__name__}()]",
                )
            cls.python = python
            bare = get_args(python)[0] if get_origin(python) is Annotated else python
            if "classes" not in vars(cls):
                cls.classes = (bare,) if isinstance(bare, type) else get_args(bare)
        if python is not None or name is not None:
            cls.name = name or cls.classes[0].__name__.lower()
        OWN.update(cls.classes)
        KINDS.append(cls)

    @classmethod
    def is_builtin(cls) -> bool:
        """Return whether the type comes with DeeBase."""
        return cls.__module__.startswith("deebase._types.")

    # -- which type a column has ---------------------------------------------------------------

    @classmethod
    def of_annotation(cls, hint: Any, names: Callable[[], Any]) -> TypeEngine[Any] | None:
        """Return the type of columns with an annotation that is not one class; None for another annotation.

        Args:
            hint: the annotation, without ``| None`` and metadata.
            names: returns the names that annotations inside of it may use.
        """
        return None

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        """Return the type of an existing column.

        Args:
            declared: its type in the database, without what is in parentheses.
            arguments: the numbers in parentheses.
        """
        return cls()

    @classmethod
    def adopting(cls, sa_type: TypeEngine[Any]) -> ColumnType[Any]:
        """Return what knows the values of a column of one of ``adopts``."""
        return cls()

    @classmethod
    def holds(cls, value: Any) -> bool:
        """Return whether an instance of ``classes`` is a value of this type, rather than of another one."""
        return True

    @property
    def sa_type(self) -> TypeEngine[Any]:
        """The type of SQLAlchemy that columns are made with."""
        return self

    @property
    def annotation(self) -> Any:
        """The annotation that makes a column of this type."""
        if not self.is_marked:
            return self.python
        bare = self.python if self.python is not None else self.classes[0]
        return Annotated[bare, self]

    @property
    def is_marked(self) -> bool:
        """Whether an annotation has to name the type: the class of the values alone does not make it known."""
        cls = type(self)
        return not cls.is_builtin() and (cls.python is None or cls.__module__ != cls.classes[0].__module__)

    # -- values --------------------------------------------------------------------------------

    def accept(self, value: Any) -> Any:
        """Return a value in the form that is stored.

        Raises:
            ValidationError: it is not a value of this type; ``misfit`` and ``refused`` make the error.
        """
        if isinstance(value, self.classes):
            return value
        wanted = " or ".join([kind.__name__ for kind in self.classes])
        raise misfit(value, wanted, f"{wanted}(value)" if isinstance(value, str) and len(self.classes) == 1 else None)

    def limiter(self) -> Callable[[T], str | None] | None:
        """Return what says why a column cannot hold a value that was accepted, or None; None if it holds all of them.

        It is asked when a row is written. A condition may compare with any value.
        """
        return None

    def parse(self, text: str) -> T:
        """Return the value that a text stands for: of a file, a command line, a cursor.

        Raises:
            ValueError: it does not stand for one.
        """
        value: T = self.classes[0](text.strip())
        return value

    def format(self, value: T) -> str:
        """Return the text that ``parse`` reads as the value."""
        return str(value)

    def of_json(self, value: Any) -> T:
        """Return the value that a JSON value stands for, which may be a number with its digits as a Decimal.

        Raises:
            ValueError: it does not stand for one.
        """
        if type(value) in (str, *self.json_kinds):
            return self.parse(value if isinstance(value, str) else str(value))
        raise ValueError

    def to_json(self, value: T) -> Any:
        """Return the JSON value that ``of_json`` reads as the value."""
        return self.format(value)

    def comparable(self, value: T) -> str:
        """Return a text that is the same for equal values, for checksums."""
        return self.format(value)

    def quick(self, check: Processor) -> Processor:
        """Return a check of a column's values that decides the usual ones itself, and leaves the others to ``check``.

        It is built once per column, and called for every value.
        """
        return check

    def accept_all(self, values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any] | None:
        """Return many values in the form that is stored, as ``accept`` does; None if it has to look at each of them.

        Args:
            values: the values of a column. None is NULL.
            kinds: their classes.
        """
        return values if kinds - {NoneType} <= self.passes else None

    # -- the databases -------------------------------------------------------------------------

    def to_sqlite(self) -> Processor | None:
        """Return what turns a value into what SQLite stores; None to send it as it is."""
        return self.format

    def from_sqlite(self) -> Processor | None:
        """Return what turns a stored value of SQLite into the value; None to take it as it is."""
        return self.parse

    def to_postgres(self) -> Processor | None:
        """Return what turns a value into what the PostgreSQL driver takes; None to send it as it is."""
        return self.format if self.postgres is None else None

    def from_postgres(self) -> Processor | None:
        """Return what turns a value of the PostgreSQL driver into the value; None to take it as it is."""
        return self.parse if self.postgres is None else None

    def to_database(self, on_postgres: bool) -> Processor | None:
        """Return what turns a value into what a driver takes; None to send it as it is."""
        return self.to_postgres() if on_postgres else self.to_sqlite()

    def literal(self, value: Any, dialect: Dialect) -> str:
        """Return a value that was accepted as a SQL literal, for DEFAULT."""
        process = self.bind_processor(dialect)
        bound: Any = value if process is None else process(value)
        plain = is_a(bound, (bool, int, str, bytes)) or not has_types(dialect)
        return literal(bound if plain else self.format(bound), dialect)

    def of_literal(self, value: str | int | Decimal | bytes | bool | float) -> T:
        """Return the value that a SQL literal of either database stands for.

        Raises:
            ValueError: it does not stand for one.
        """
        if isinstance(value, (bool, bytes)):
            raise ValueError
        if self.is_builtin():
            return cast("T", (self.from_sqlite() or str)(str(value)))
        stored = float(value) if isinstance(value, Decimal) else value
        for to, back in ((self.to_sqlite, self.from_sqlite), (self.to_postgres, self.from_postgres)):
            with suppress(ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
                made: Any = (back() or _same)(stored)
                # Either database may have the literal: it is of the one that writes it again.
                if (to() or _same)(self.accept(made)) == stored:
                    return cast("T", made)
        raise ValueError

    # -- code and tests ------------------------------------------------------------------------

    def source(self, value: T) -> Call:
        """Return how generated code makes a value: a class, and its arguments by position and by name.

        By default that is the class with the text of the value. Where ``parse`` reads another text than the class
        does, it is a dataclass with its fields.

        Raises:
            ValidationError: the class of the value is neither.
        """
        base: Any = ColumnType
        if self.is_builtin() or type(self).parse is base.parse:
            return type(value), (self.format(value),), {}
        if not is_dataclass(value):
            raise refused(value, "cannot be written as source code", f"define {type(self).__name__}.source")
        return type(value), (), {field.name: getattr(value, field.name) for field in fields(value) if field.init}

    def sample(self, number: int, name: str) -> T:
        """Return a value for tests, if possible another one for each number.

        Args:
            number: of the row.
            name: of the column.
        """
        return self.parse(self.example)

    # -- SQLAlchemy ----------------------------------------------------------------------------

    def type_engine(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the type is called in CREATE TABLE and in a CAST."""
        declared = declaration_of(self, dialect)
        return super().type_engine(dialect) if declared is None else Named(declared)

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the type that columns are declared with."""
        return dialect.type_descriptor(self._declared(has_types(dialect)))

    @classmethod
    def declared(cls, on_postgres: bool) -> TypeEngine[Any] | None:
        """Return the type that columns are declared with; None for the default."""
        given = cls.postgres if on_postgres else cls.sqlite
        if given is None and cls.impl is sa.types.NullType and cls.name:
            given = "TEXT" if on_postgres else f"{cls.name.upper()} TEXT"
        return Named(given) if isinstance(given, str) else given

    def _declared(self, on_postgres: bool) -> TypeEngine[Any]:
        if on_postgres and self.native is not None and self.native.postgres is not None:
            # A parameter is cast without the length and precision of the column, which would cut it.
            return NamedWithCast(type_name(self.native.postgres).bare)
        made = self.declared(on_postgres)
        return self.impl_instance if made is None else made

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what turns a value into the driver's; None to send it as it is."""
        convert = self.to_database(has_types(dialect))
        if convert is None:
            return None
        return sending(convert if self.is_builtin() else self._checked(convert))

    def _checked(self, convert: Processor) -> Processor:
        """Return the same for a program's own type, of which a condition may compare with a value of another class."""

        def process(value: Any) -> Any:
            try:
                return convert(value)
            except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError):
                # Not chained: the message of the original may hold the value.
                raise misfit(value, self.wanted) from None

        return process

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what turns the driver's value into the value; None to take it as it is.

        It does not need the driver's type code: the engine calls drivers directly.
        """
        convert = self.from_postgres() if has_types(dialect) else self.from_sqlite()
        return None if convert is None else reading(convert)


def declared_as(kind: ColumnType[Any], native: Native) -> ColumnType[Any]:
    """Return the same type for columns that a database declares in another way."""
    made: ColumnType[Any] = kind.copy()
    made.native = native
    return made


def declaration_of(kind: ColumnType[Any], dialect: HasName) -> str | None:
    """Return the declared type that an annotation names for a database; None if it names none."""
    if kind.native is None:
        return None
    if not has_types(dialect):
        return kind.native.sqlite
    return None if kind.native.postgres is None else str(type_name(kind.native.postgres))


def database_value(kind: ColumnType[Any], name: str, dialect: HasName) -> str:
    """Return the SQL of a value that the database makes: a key of ``made_by_database``."""
    on_sqlite, on_postgres = kind.made_by_database[name]
    return on_postgres if has_types(dialect) else on_sqlite


def _same(value: T) -> T:
    return value


#: The attribute in which a result processor holds the name of its column.
_PLACE = "deebase_place"


def sending(convert: Processor) -> Processor:
    """Return a bind processor; None is NULL."""

    def process(value: Any) -> Any:
        return None if value is None else convert(value if type(value) in OWN else python_value(value))

    return process


def reading(convert: Processor) -> Processor:
    """Return a result processor whose failures say that the database holds something else."""
    place = ["a column"]

    def process(value: Any) -> Any:
        if value is None:
            return None
        try:
            return convert(value)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
            # Not chained: the message of the original holds the value.
            raise DataError(
                f"{place[-1]}: a stored value is not of the type of its column",
                hint="find it with SQL and correct it; a table that is reflected gives such values as they are stored",
            ) from None

    setattr(process, _PLACE, place)
    return process


def locate(read: Any, place: str) -> None:
    """Have the failures of a result processor name the table and the column it is for."""
    known: list[str] | None = getattr(read, _PLACE, None)
    if known is not None:
        known.append(place)


def kept_on_sqlite(declared: str, stored: Any, new: Any) -> Any:
    """Return what an UPDATE stores where values have several forms: a function decides whether the form stays.

    Python cannot take text that is not valid UTF-8 as an argument. So the function gets the bytes of text, and those of
    the letter "a", which tell the encoding of the database.
    """
    is_text = sa.func.typeof(stored, type_=sa.String()) == sa.literal_column("'text'")
    letter = sa.case((is_text, sa.cast(sa.literal_column("'a'"), sa.LargeBinary())))
    value = sa.case((is_text, sa.cast(stored, sa.LargeBinary())), else_=sa.type_coerce(stored, sa.types.NullType()))
    keeps = getattr(sa.func, KEPT)(sa.literal_column(f"'{declared}'"), letter, value, new, type_=sa.Boolean())
    return sa.case((keeps, stored), else_=new)


# -- literals ----------------------------------------------------------------------------------


def literal(value: str | int | float | bytes | None, dialect: Dialect) -> str:
    """Return a bound value as a SQL literal, which cannot end before its quote.

    PostgreSQL takes the type of a quoted literal from the column, whatever it is.
    """
    if value is None:
        return "NULL"
    if not has_types(dialect):
        return _sqlite_literal(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return quoting.bytes_literal(value, POSTGRES) if isinstance(value, bytes) else quoting.literal(str(value), POSTGRES)


def _sqlite_literal(value: str | int | float | bytes) -> str:
    if isinstance(value, bytes):
        return quoting.bytes_literal(value, SQLITE)
    if isinstance(value, float):
        return _sqlite_real(value)
    if isinstance(value, int):
        return str(int(value))
    return quoting.literal(value, SQLITE)


def _sqlite_real(value: float) -> str:
    """Return a float as SQLite reads it to the last bit.

    SQLite sometimes rounds decimal fractions of many digits, or with large exponents, to a neighbour.
    Those are written as an integer and powers of two, which are exact.
    """
    if math.isinf(value):
        # There is no literal for infinity; a number beyond the range is read as one.
        return "9e999" if value > 0 else "-9e999"
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if len(digits) <= 15 and abs(int(exponent)) <= 22:
        return repr(value)
    fraction, power = math.frexp(value)
    whole, power = int(math.ldexp(fraction, 53)), power - 53
    step = " * " if power > 0 else " / "
    steps = [4294967296.0] * (abs(power) // 32) + [float(2 ** (abs(power) % 32))]
    return f"({whole} * 1.0{step}{step.join(map(repr, steps))})"
