"""What users write in annotations: Text, MaxLength, Native, ColumnName, ForeignKey, Index, UNSET; their own types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, TypeAlias, cast

from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._types.base import ColumnType as ColumnType

__all__ = [
    "UNSET",
    "ColumnName",
    "ColumnType",
    "ForeignKey",
    "ForeignKeyMark",
    "Index",
    "JsonPath",
    "MaxLength",
    "Merge",
    "Native",
    "SchemaSQL",
    "Search",
    "SqlExpression",
    "SqlTemplate",
    "Text",
    "TypeMark",
    "UTCDateTime",
    "Unset",
]

#: What a database does with a row whose parent goes away or changes its key.
ACTIONS: Final = ("cascade", "set null", "set default", "restrict", "no action")


def must_be_flags(**given: object) -> None:
    """Refuse arguments that are neither True nor False.

    Raises:
        ValidationError: one is another value; ``.field`` names it.
    """
    for name, value in given.items():
        if type(value) is not bool:
            raise ValidationError(f"{name} is True or False", field=name, value=value, hint=f"{name}=True")


class Unset(Enum):
    """The type of UNSET; an enum of one member, so that checkers narrow on ``is UNSET``."""

    UNSET = "UNSET"

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "UNSET"

    __str__ = __repr__


#: "Not given": the column's default applies on insert, the column is left alone on update. Never NULL.
UNSET: Final = Unset.UNSET


class TypeMark(Enum):
    """Metadata of an annotation that chooses another column type than the plain Python type does."""

    TEXT = "text"
    UTC = "utc"


#: Text without a length; a ``str`` to type checkers and at run time.
Text: TypeAlias = Annotated[str, TypeMark.TEXT]

#: An aware ``datetime``, stored in UTC, that comes back with ``tzinfo=timezone.utc``.
UTCDateTime: TypeAlias = Annotated[datetime, TypeMark.UTC]


@dataclass(frozen=True)
class MaxLength:
    """The length of the longest text of a column, in characters: ``Annotated[str, MaxLength(50)]`` is VARCHAR(50).

    A longer text is refused before anything is sent, on every database. SQL of others is refused, too: PostgreSQL
    checks the length of a VARCHAR(50), and on SQLite the table gets a CHECK.

    Attributes:
        length: at least 1.
        check: False leaves the CHECK out, as in tables that others created.

    Raises:
        ValidationError: the length is not a whole number of at least 1.

    Example:
        ```python
        class Artist:
            id: int
            name: Annotated[str, MaxLength(120)]
        ```
    """

    length: int
    check: bool = True

    def __post_init__(self) -> None:
        must_be_flags(check=self.check)
        _require(
            type(self.length) is int and self.length >= 1,
            "length",
            "the length of a text is a whole number of at least 1",
            "Annotated[str, MaxLength(50)]",
        )


@dataclass(frozen=True, init=False, repr=False)
class Native:
    """The declared type of a column in one database, where its Python type alone makes another one.

    The first argument is a type of PostgreSQL; ``sqlite=`` is what SQLite declares. A database whose type is not given
    has the type of the Python class: ``Annotated[int, Native("smallint")]`` is SMALLINT on PostgreSQL, and INTEGER on
    SQLite.

    Args:
        postgres: a type of PostgreSQL: ``integer``, ``numeric(10,2)``, ``app.mood``.
        sqlite: the declared type of SQLite, as it is written in CREATE TABLE; empty for none.

    Raises:
        ValidationError: neither is given, or one is not the text of a type.

    Example:
        ```python
        class Measurement:
            id: Annotated[int, Native("integer")]
            value: Annotated[float, Native("real")]
            name: Annotated[str, MaxLength(20), Native(sqlite="NVARCHAR(20)")]
        ```
    """

    postgres: str | None
    sqlite: str | None

    def __init__(self, postgres: str | None = None, *, sqlite: str | None = None) -> None:
        hint = 'Native("integer"), or Native(sqlite="NVARCHAR(160)")'
        given = postgres is not None or sqlite is not None
        _require(given, "native", "Native needs the type of at least one database", hint)
        fits = postgres is None or _is_type(postgres, _POSTGRES_TYPE)
        _require(fits, "native", "the text is not a type of PostgreSQL", hint)
        # SQLite has columns without a type.
        fits = sqlite in (None, "") or _is_type(sqlite, _SQLITE_TYPE)
        _require(fits, "native", "the text is not a type of SQLite", hint)
        vars(self).update(postgres=postgres, sqlite=sqlite)

    def __repr__(self) -> str:
        given = [] if self.postgres is None else [repr(self.postgres)]
        given += [] if self.sqlite is None else [f"sqlite={self.sqlite!r}"]
        return f"Native({', '.join(given)})"


_QUOTED: Final = r"""(?:"(?:[^"\0]|"")+"|'(?:[^'\0]|'')+'|`[^`\0]+`|\[[^\[\]\0]+\])"""
_NUMBER: Final = r"\s*[+-]?\d+(?:\.\d*)?\s*"
#: Names, and up to two numbers in parentheses (sqlite.org/syntax/type-name.html).
_SQLITE_TYPE: Final = re.compile(
    rf"(?:[^\W\d][\w$]*|{_QUOTED})(?:\s+(?:[^\W\d][\w$]*|{_QUOTED}))*\s*(?:\({_NUMBER}(?:,{_NUMBER})?\))?"
)
#: Names with their schema, arguments in parentheses, and the brackets of arrays.
_POSTGRES_TYPE: Final = re.compile(r"""(?:[\w$.\s]|"(?:[^"\0]|"")+"|\[\d*\]|\([\w\s.,+-]*\))+""")


def _is_type(written: Any, pattern: re.Pattern[str]) -> bool:
    """Whether a text is that of one type: it cannot end the column that it is part of."""
    return _is_name(written) and "--" not in written and pattern.fullmatch(written.strip()) is not None


@dataclass(frozen=True, init=False, repr=False)
class ForeignKeyMark:
    """Where a column points; users know it as ``ForeignKey``.

    As an annotation, ``ForeignKey[int, User]``, ``ForeignKey[int, "user"]`` or ``ForeignKey[int, "user.email"]``;
    type checkers see the first argument. With actions, ``Annotated[int, References("user", on_delete="cascade")]``.
    Linters take a text in ``ForeignKey[...]`` for a type: with them, name the class, or use ``References``. As a
    value, ``foreign_keys={"author_id": ForeignKey("user.id", on_delete="cascade")}``.

    Attributes:
        target: ``"table"`` (its key), ``"table.column"``, or the class of the table.
        on_delete: ``"cascade"``, ``"set null"``, ``"set default"``, ``"restrict"`` or ``"no action"``;
            None leaves it to the database, which is no action.
        on_update: the same, when the key of the parent changes.
        columns: of the target, where the foreign key has several columns and these are not its key:
            ``foreign_keys={("company_id", "project_id"): ForeignKey("project", columns=("company_id", "id"))}``.

    Raises:
        ValidationError: the target has another form, or an action is unknown.

    Example:
        ```python
        class Post:
            id: int
            author_id: ForeignKey[int, "user"]
        ```
    """

    target: str
    on_delete: str | None
    on_update: str | None
    columns: tuple[str, ...] | None

    def __init__(
        self,
        target: str | type[Any],
        on_delete: str | None = None,
        on_update: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        named = table_name(target) if isinstance(target, type) else target
        _check_target(named)
        given: Any = columns
        _require(
            given is None or (isinstance(given, (list, tuple)) and bool(given) and all(map(_is_name, given))),  # pyright: ignore[reportUnknownArgumentType]
            "columns",
            "the columns of a foreign key are names",
            "ForeignKey('project', columns=('company_id', 'id'))",
        )
        actions = {"on_delete": _action("on_delete", on_delete), "on_update": _action("on_update", on_update)}
        vars(self).update(target=named, **actions, columns=None if columns is None else tuple(columns))

    def __class_getitem__(cls, arguments: Any) -> Any:
        if not isinstance(arguments, tuple) or len(arguments) not in (2, 3):  # pyright: ignore[reportUnknownArgumentType]
            raise ValidationError(
                "ForeignKey takes a type and a target", field="target", hint='write ForeignKey[int, "user"]'
            )
        kind, target, *rest = arguments  # pyright: ignore[reportUnknownVariableType]
        options: Any = rest[0] if rest else {}  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(options, dict) or not options.keys() <= {"on_delete", "on_update"}:
            raise ValidationError(
                "the third argument of ForeignKey[...] is a dict of actions",
                field="target",
                hint='ForeignKey[int, "user", {"on_delete": "cascade"}]',
            )
        return Annotated[kind, cls(target, **options)]  # pyright: ignore[reportUnknownArgumentType]

    def __repr__(self) -> str:
        options = ((name, getattr(self, name)) for name in ("on_delete", "on_update", "columns"))
        given = "".join(f", {name}={value!r}" for name, value in options if value is not None)
        return f"ForeignKey({self.target!r}{given})"


def _action(option: str, given: Any) -> str | None:
    normal = given.lower() if isinstance(given, str) else given
    if normal is not None and normal not in ACTIONS:
        raise ValidationError(
            f"{option} is not an action of a foreign key",
            field=option,
            value=given,
            hint=f"one of {', '.join(map(repr, ACTIONS))}",
        )
    return normal


def table_name(cls: type[Any]) -> str:
    """Return the name of the table of a class: its ``__tablename__``, or its name in snake_case.

    Example:
        ```python
        assert table_name(type("BlogPost", (), {})) == "blog_post"
        ```
    """
    given: Any = getattr(cls, "__tablename__", None)
    return given if isinstance(given, str) else snake_case(cls.__name__)


def snake_case(name: str) -> str:
    """Return the table name of a class: BlogPost is blog_post, HTTPServer is http_server."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _check_target(target: Any) -> None:
    parts = target.split(".") if isinstance(target, str) else []
    if len(parts) not in (1, 2) or not all(parts):
        raise ValidationError(
            'the target of a foreign key is "table" or "table.column"',
            field="target",
            value=target,
            hint='ForeignKey[int, "user"] or ForeignKey[int, "user.email"]',
        )


if TYPE_CHECKING:
    # To a checker ForeignKey[int, "user"] has to be an int, which only Annotated can say. It cannot be
    # called as well: code that is checked and needs the value form calls ForeignKeyMark, the same class.
    from typing import Annotated as ForeignKey
else:
    ForeignKey = ForeignKeyMark


@dataclass(frozen=True)
class ColumnName:
    """The name of a column that is not that of its field, as metadata of the field's annotation.

    Python has no attribute ``class`` or ``first name``, and fields do not begin with an underscore. Statements on rows
    and ``pk=``, ``indexes=`` and the like use the name of the column.

    Attributes:
        name: the column's name.

    Raises:
        ValidationError: the name is empty, or not text.

    Example:
        ```python
        @dataclass
        class Lesson:
            id: int
            class_: Annotated[str, ColumnName("class")]
        ```
    """

    name: str

    def __post_init__(self) -> None:
        _require(
            _is_whole_name(self.name),
            "name",
            "the name of a column is text that is not empty",
            'class_: Annotated[str, ColumnName("class")]',
        )


#: The types that values of a path into JSON may have.
_JSON_TYPES: Final = (str, int, float, Decimal, bool)
#: Keys and indexes of the longest path, and the largest index.
_JSON_STEPS, _JSON_INDEX = 50, 2**31 - 1


@dataclass(frozen=True, init=False, repr=False)
class JsonPath:
    """A path into the JSON documents of a column, for an index over it.

    Args:
        column: the name of the column.
        *steps: keys of objects, and indexes of arrays: -1 is the last element.
        as_: the type of the values, one of ``str``, ``int``, ``float``, ``Decimal`` and ``bool``. Values of other types
            count as missing. None stands for JSON of any kind, over which there is no index.

    Raises:
        ValidationError: a step that is neither text nor a whole number, or another type.

    Example:
        ```python
        views = JsonPath("meta", "stats", "views", as_=int)
        posts = await db.create(Post, indexes=[Index("ix_post_views", views)])
        popular = await posts(posts.json("meta", "stats", "views", as_=int) > 10)
        ```
    """

    column: str
    steps: tuple[str | int, ...]
    as_: type | None

    def __init__(self, column: str, *steps: str | int, as_: type | None = None) -> None:
        hint = 'JsonPath("meta", "tags", 0, as_=str)'
        _require(_is_name(column), "column", "the column of a path into JSON is a name", hint)
        for step in steps:
            _require(
                _is_step(step),
                "path",
                "a path into JSON consists of texts that a database can store, and indexes",
                hint,
            )
        _require(len(steps) <= _JSON_STEPS, "path", f"a path into JSON has {_JSON_STEPS} steps at most", hint)
        known: Any = as_
        _require(
            known is None or any(known is kind for kind in _JSON_TYPES),
            "as_",
            f"as_ is str, int, float, Decimal or bool, not {getattr(known, '__name__', type(known).__name__)}",
            "JSON has dates as text: as_=str, which sorts ISO 8601 as the moments do if all have one form",
        )
        for attribute, value in {"column": column, "steps": steps, "as_": as_}.items():
            object.__setattr__(self, attribute, value)

    def call(self, as_: str) -> str:
        """Return the call of a table that has the values of a type, for messages."""
        return f"t.json({', '.join([*map(repr, (self.column, *self.steps)), f'as_={as_}'])})"

    def __repr__(self) -> str:
        kind = [] if self.as_ is None else [f"as_={self.as_.__name__}"]
        return f"JsonPath({', '.join([*map(repr, (self.column, *self.steps)), *kind])})"


def _is_step(step: Any) -> bool:
    """Whether something is an index, or a key that a database can store."""
    if not isinstance(step, str):
        return type(step) is int and abs(step) <= _JSON_INDEX
    try:
        step.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in step


@dataclass(frozen=True, init=False, repr=False)
class Index:
    """An index with a name of its own.

    Args:
        name: the index's name, unique in its schema.
        *columns: names of columns, and paths into JSON with a type, at least one, in the order of the index.
        unique: refuse two rows with the same values.
        where: a condition in SQL, for an index over part of the rows.
        ignore_case: index ``lower(column)`` of columns of text. SQLite knows the case of ASCII letters alone.

    Raises:
        ValidationError: an empty name, no columns or the same column twice, or an empty condition.

    Example:
        ```python
        posts = await db.create(Post, indexes=[Index("ux_post_slug", "slug", unique=True)])
        ```
    """

    name: str
    columns: tuple[str | JsonPath, ...]
    unique: bool
    where: str | None
    ignore_case: bool

    def __init__(
        self,
        name: str,
        *columns: str | JsonPath,
        unique: bool = False,
        where: str | None = None,
        ignore_case: bool = False,
    ) -> None:
        _require(
            _is_name(name), "name", "the name of an index is text that is not empty", 'Index("ix_post_slug", "slug")'
        )
        _require(
            bool(columns) and all(map(_is_part, columns)) and len(set(columns)) == len(columns),
            "columns",
            "an index is over one or more different columns, given by name",
            f'Index({name!r}, "first", "second")',
        )
        paths = [part for part in columns if isinstance(part, JsonPath)]
        _require(
            all(path.as_ is not None for path in paths),
            "columns",
            "an index over a path into JSON needs the type of its values",
            f'Index({name!r}, JsonPath("meta", "views", as_=int))',
        )
        _require(not (paths and ignore_case), "ignore_case", "an index over a path into JSON has one case", "omit it")
        _require(where is None or _is_name(where), "where", "where is a condition in SQL", 'where="deleted IS NULL"')
        must_be_flags(unique=unique, ignore_case=ignore_case)
        flags = {"unique": unique, "ignore_case": ignore_case}
        for attribute, value in {"name": name, "columns": columns, "where": where, **flags}.items():
            object.__setattr__(self, attribute, value)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that it needs; of a path into JSON, that of the column of the documents."""
        return tuple([part if isinstance(part, str) else part.column for part in self.columns])

    @property
    def indexed(self) -> tuple[str | None, ...]:
        """The columns as the database lists them, with None in the place of an expression."""
        return tuple([part if isinstance(part, str) and not self.ignore_case else None for part in self.columns])

    def __repr__(self) -> str:
        parts = [repr(self.name), *map(repr, self.columns)]
        parts += [f"{flag}=True" for flag in ("unique", "ignore_case") if getattr(self, flag)]
        parts += [f"where={self.where!r}"] if self.where is not None else []
        return f"Index({', '.join(parts)})"


@dataclass(frozen=True, init=False)
class Search:
    """The full-text search of a table.

    Args:
        *columns: columns of text, at least one.
        weights: how much a hit in a column counts, 1 by default: ``{"title": 4}``. At most four different numbers.
        language: the language whose word forms are treated as one word, such as "english". Without one, words are
            found as they are written, in upper or lower case.
        prefix: make words that end in ``*`` faster (SQLite; on PostgreSQL they always are).
        tokenize: "words", or "trigram" to find any part of a text, as languages without spaces need.

    Raises:
        ValidationError: no columns or the same column twice, a weight that is no positive number or belongs to no
            column, an unknown ``tokenize``, or a language for trigrams.

    Example:
        ```python
        articles = await db.create(Article, search=Search("title", "body", weights={"title": 4}, language="english"))
        ```
    """

    columns: tuple[str, ...]
    #: The weight of each column, in the order of the columns.
    all_weights: tuple[float, ...]
    language: str | None
    prefix: bool
    tokenize: Literal["words", "trigram"]

    def __init__(
        self,
        *columns: str,
        weights: Mapping[str, float] | None = None,
        language: str | None = None,
        prefix: bool = False,
        tokenize: Literal["words", "trigram"] = "words",
    ) -> None:
        _require(
            bool(columns) and all(map(_is_name, columns)) and len(set(columns)) == len(columns),
            "search",
            "a search is over one or more different columns, given by name",
            'search=["title", "body"]',
        )
        _require(
            tokenize in ("words", "trigram"),
            "tokenize",
            f"tokenize is 'words' or 'trigram', not {tokenize!r}",
            "tokenize='trigram' finds parts of words",
        )
        named: Any = language
        _require(
            named is None or (isinstance(named, str) and _LANGUAGE.fullmatch(named) is not None),
            "language",
            "a language is the name of a text search configuration",
            "language='english'",
        )
        _require(
            language is None or tokenize == "words",
            "language",
            "trigrams are parts of texts, and have no language",
            "omit language=, or tokenize='trigram'",
        )
        must_be_flags(prefix=prefix)
        given = {
            "columns": columns,
            "all_weights": _weights(columns, weights),
            "language": language,
            "prefix": prefix,
            "tokenize": tokenize,
        }
        for attribute, value in given.items():
            object.__setattr__(self, attribute, value)

    @property
    def weights(self) -> dict[str, float]:
        """The weights that differ from 1, by column."""
        return {name: weight for name, weight in zip(self.columns, self.all_weights, strict=True) if weight != 1}

    def over(self, columns: Sequence[str]) -> Search:
        """Return the same search over columns with other names.

        Example:
            ```python
            assert Search("title", prefix=True).over(["heading"]) == Search("heading", prefix=True)
            ```
        """
        return Search(
            *columns,
            weights=dict(zip(columns, self.all_weights, strict=True)),
            language=self.language,
            prefix=self.prefix,
            tokenize=self.tokenize,
        )

    def __repr__(self) -> str:
        parts = [*map(repr, self.columns)]
        parts += [f"weights={self.weights!r}"] if self.weights else []
        parts += [f"language={self.language!r}"] if self.language is not None else []
        parts += ["prefix=True"] if self.prefix else []
        parts += [f"tokenize={self.tokenize!r}"] if self.tokenize != "words" else []
        return f"Search({', '.join(parts)})"


#: A configuration of PostgreSQL, perhaps with its schema.
_LANGUAGE = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
#: PostgreSQL tells four classes of words apart.
_MOST_WEIGHTS = 4


def _weights(columns: Sequence[str], given: Any) -> tuple[float, ...]:
    """Return the weight of each column."""
    hint = f"weights={{{columns[0]!r}: 4}}"
    mapping: Any = {} if given is None else given
    _require(isinstance(mapping, Mapping), "weights", "weights are a dict by column", hint)
    listed = cast("Mapping[Any, Any]", mapping)
    unknown = [str(name) for name in listed if name not in columns]
    _require(not unknown, "weights", f"{', '.join(unknown)} is not among the columns of the search", hint)
    for weight in listed.values():
        is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
        _require(is_number and 0 < weight <= 1e6, "weights", "a weight is a positive number up to 1,000,000", hint)
    weights = tuple([float(listed.get(name, 1)) for name in columns])
    _require(len(set(weights)) <= _MOST_WEIGHTS, "weights", "a search has at most four different weights", hint)
    return weights


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name.strip())


def _is_part(part: Any) -> bool:
    """Whether something is what an index is over."""
    return isinstance(part, JsonPath) or _is_name(part)


def _is_whole_name(name: Any) -> bool:
    """Whether something is the name of an existing object, which may be a space."""
    return isinstance(name, str) and bool(name)


def _require(condition: bool, field: str, message: str, hint: str) -> None:
    if not condition:
        raise ValidationError(message, field=field, hint=hint)


@dataclass(frozen=True, init=False)
class SchemaSQL:
    """An object of a schema that is created by its SQL: what a class cannot express, such as a function or a trigger.

    Args:
        kind: its kind in lower case, as in DROP: "table", "index", "trigger".
        name: its name, with its schema unless that is the default one.
        *statements: the statements that create it, in the SQL of one database.
        row_type: the dataclass of the rows of a table or view.

    Raises:
        ValidationError: the kind, the name or a statement is empty, or there are no statements.

    Example:
        ```python
        await db.create_from_sql(SchemaSQL("index", "ix_lower", "CREATE INDEX ix_lower ON post (lower(title))"))
        ```
    """

    kind: str
    name: str
    statements: tuple[str, ...]
    row_type: type[Any] | None

    def __init__(self, kind: str, name: str, *statements: str, row_type: type[Any] | None = None) -> None:
        hint = 'SchemaSQL("function", "now_utc", "CREATE FUNCTION ...")'
        _require(_is_name(kind), "kind", "the kind of an object of a schema is text that is not empty", hint)
        _require(_is_whole_name(name), "name", "the name of an object is text that is not empty", hint)
        _require(
            bool(statements) and all(map(_is_name, statements)),
            "statements",
            f"{kind} {name} is created by one or more statements in SQL",
            hint,
        )
        values = {"kind": kind, "name": name, "statements": statements, "row_type": row_type}
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)


class SqlTemplate(Protocol):
    """A t-string of Python 3.14 with SQL in it, or an object of the same shape: ``t"SELECT * FROM {posts}"``.

    Tables and columns in braces are quoted, other values are bound, and templates are part of the text.

    Attributes:
        strings: the text before, between and after the braces.
        interpolations: for each pair of braces its ``value``, ``expression``, ``conversion`` and ``format_spec``.
    """

    @property
    def strings(self) -> tuple[str, ...]: ...

    @property
    def interpolations(self) -> tuple[Any, ...]: ...


@dataclass(frozen=True, eq=False)
class SqlExpression:
    """A SQLAlchemy expression that stands for a value on purpose; made by ``db.sql(...)``.

    Attributes:
        element: the expression, a ``sqlalchemy.ColumnElement``.
    """

    element: Any


@dataclass(frozen=True, init=False)
class Merge(SqlExpression):
    """A change of a JSON document on purpose; made by ``merge`` of ``deebase.queries``.

    Attributes:
        changes: the new values by key.
    """

    changes: Mapping[str, Any]

    def __init__(self, changes: Mapping[str, Any]) -> None:
        object.__setattr__(self, "element", None)
        object.__setattr__(self, "changes", changes)


def __getattr__(name: str) -> Any:
    # It loads SQLAlchemy, which the annotations of a program that only describes its tables do not need.
    if name != "ColumnType":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # With all types of the library, whose annotations and names are taken.
    found = import_module("deebase._types.registry").ColumnType
    globals()[name] = found
    return found
