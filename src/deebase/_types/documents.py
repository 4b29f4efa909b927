"""JSON columns: Python values into JSON text and back.

JSON knows null, booleans, numbers, text, lists and objects with text keys. Whatever else a value holds
is refused, because it would come back as something else.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, NamedTuple, get_origin
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import operators
from sqlalchemy.types import TypeDecorator, TypeEngine

from deebase._types.base import ColumnType, has_types, kept_on_sqlite, misfit, refused
from deebase._types.choices import EQUALITIES
from deebase._types.forms.foreign_values import python_value
from deebase._types.forms.json_texts import JsonNumber, loads, stable_digits, with_text, written_text
from deebase._types.text import plain_json, text_fault
from deebase.errors import DataError, DeeBaseError, ValidationError

Convert = Callable[[Any], Any]


class Codec(NamedTuple):
    """How values of one annotation become JSON values, and back; decode is None where they are the same."""

    encode: Convert
    decode: Convert | None


#: Stands before the digits of a ``JsonNumber`` in the text of a string; no text of a user's begins with it.
_MARK = f"number {uuid4().hex} "
_MARKED = re.compile(f'"{_MARK}([^"]*)"')


def _digits(value: JsonNumber) -> str:
    if not math.isfinite(value) or (not value and Decimal(value.text)):
        raise refused(value, "a number in this JSON value is beyond the range of a float", "store it as text")
    return _MARK + value.text


def plain(value: Any) -> Any:
    """Return a value that consists of JSON's own types, or refuse it."""
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType]
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise refused(value, "NaN and infinities cannot be stored as JSON", "use None for a missing number")
    if kind is JsonNumber:
        return _digits(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise refused(key, "the keys of a JSON object are text, and one is not", "str(key)")
        return {key: plain(item) for key, item in value.items()}
    if kind is list:
        return [plain(item) for item in value]
    return _plain_subclass(value)


def _plain_subclass(value: Any) -> Any:
    if not isinstance(value, Enum):
        if isinstance(value, str):
            return str.__str__(value)
        bases: tuple[Any, ...] = (int, float, dict, list)
        for base in bases:
            if isinstance(value, base):
                return plain(base(value))
    other = python_value(value)
    if other is not value:
        return plain(other)
    hint = (
        "list(value)"
        if isinstance(value, (tuple, set, frozenset))
        else "annotate the field with its class, or convert it"
    )
    raise misfit(value, "None, True, False, numbers, text, lists and dicts inside JSON", hint)


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?e\+\d+|-0\.0(?![\de])')


def dumps(value: Any) -> str:
    """Return the JSON text of a value of JSON's own types.

    Raises:
        ValidationError: text that the databases refuse, or a number with too many digits.
    """
    try:
        text = _ENCODE(value)
    except ValueError as error:  # an int of more digits than Python writes
        raise refused(value, "a number in this JSON value has too many digits", "store it as text") from error
    if "e+" in text or "-0.0" in text:
        text = _TOKEN.sub(_stable_number, text)
    if _MARK in text:
        text = _MARKED.sub(r"\1", text)
    fault = text_fault(text)
    if fault is None and "\\u0000" in text and _ESCAPED_NUL.search(text):
        fault = "the text holds a NUL character"
    if fault:
        raise refused(value, f"inside JSON {fault}", "remove it")
    return text


def _stable_number(token: re.Match[str]) -> str:
    # JSONB keeps numbers as NUMERIC: 1e+16 would come back as an int, and zero has no sign.
    text = token.group()
    if text[0] == '"':
        return text
    return "0.0" if text == "-0.0" else stable_digits(text)


def encode(made: Codec, value: Any) -> str:
    """Return the JSON text that stores a value.

    Raises:
        ValidationError: it does not fit, or is nested too deeply or in itself.
    """
    try:
        return dumps(made.encode(value))
    except RecursionError:
        raise ValidationError("this JSON value is nested too deeply, or contains itself", value=value) from None
    except DeeBaseError:
        raise
    except Exception as error:  # the conversion of the class may raise any exception
        raise ValidationError(f"this {type(value).__name__} cannot be turned into JSON", value=value) from error


def plain_document(value: Any) -> Any:
    """Return a value as JSON has it, of Python's own types.

    Raises:
        ValidationError: it is not JSON, or JSON that the databases refuse.
    """
    return json.loads(encode(Codec(plain, None), value))


def json_text(value: Any) -> JsonText:
    """Return the JSON text of such a value, as a parameter; None is ``null``."""
    return JsonText(dumps(value))


def decode(made: Codec, stored: Any, *, parsed: bool = False) -> Any:
    """Return the value that JSON text stores.

    Args:
        made: how values of the annotation are made.
        stored: JSON text, or what it says.
        parsed: the driver has read the text; a str is a JSON string then.

    Raises:
        DataError: it is not JSON, or no longer fits the annotation.
    """
    try:
        value = loads(stored) if isinstance(stored, str) and not parsed else stored
        return value if made.decode is None or value is None else made.decode(value)
    except Exception:  # the constructor of the class may raise any exception
        # Not chained: errors of other libraries show the stored value.
        raise DataError(
            "a stored JSON value does not fit the annotation of its column", hint="read it with SQL, and correct it"
        ) from None


# -- columns -----------------------------------------------------------------------------------


class RepeatedKey(ValueError):
    """An object of JSON has two values under one key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object with these keys; of two values under one key the first would be lost without an error."""
    made = dict(pairs)
    if len(made) < len(pairs):
        known: set[str] = set()
        for key, _ in pairs:
            if key in known:
                raise RepeatedKey(key)
            known.add(key)
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(name)


#: Returns the value of JSON text that a user wrote.
written_json = json.JSONDecoder(object_pairs_hook=distinct, parse_constant=_no_constant).decode


#: The annotation of documents of an unknown structure.
ANY_DOCUMENT: Any = dict[str, Any] | list[Any]


class JsonText:
    """JSON text of a value that was checked with its column's name; ``JSON`` sends it as it is."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


#: Operators that would compare a document with its text.
_OF_TEXT = frozenset(
    {
        *(operators.lt, operators.le, operators.gt, operators.ge, operators.between_op, operators.not_between_op),
        *(operators.contains_op, operators.not_contains_op, operators.icontains_op, operators.not_icontains_op),
        *(operators.startswith_op, operators.not_startswith_op, operators.endswith_op, operators.not_endswith_op),
        *(operators.istartswith_op, operators.iendswith_op),
        *(operators.like_op, operators.not_like_op, operators.ilike_op, operators.not_ilike_op),
    }
)


class JSON(ColumnType[Any], name="json"):
    """JSON, JSONB; None is NULL.

    Args:
        hint: the annotation, from which values are made again when they are read; part of the cache key.
        codec: how; None takes what JSON itself knows.
    """

    impl = sa.JSON
    sqlite = sa.JSON(none_as_null=True)
    sqlite_names = ("JSONB",)
    postgres: ClassVar[Any] = postgresql.JSONB(none_as_null=True)
    wanted = "JSON"
    example = '{"views": 1} or "text" in quotes'
    classes = (dict, list)
    takes_collections = True
    defines_classes = True
    # The annotation alone says what documents are made of.
    converts = False
    #: Whether an unchanged document is stored again as others wrote it.
    keeps_text = False

    class Comparator(TypeDecorator.Comparator[Any], sa.JSON.Comparator[Any]):
        """Elements of a document are JSON of any kind, also if the document has a class."""

        __slots__ = ()

        def operate(self, op: Any, *other: Any, **options: Any) -> Any:
            if op in _OF_TEXT:
                # SQLite would compare the text of the documents, and PostgreSQL has no such operators.
                name = getattr(self.expr, "name", None)
                raise ValidationError(
                    f"{name or 'an expression'} holds JSON documents, which have no order and no patterns",
                    field=name,
                    hint=f"t.json({name!r}, 'key', as_=str) is a part of one type, and "
                    f"t.json({name!r}).contains('value') looks into a document",
                )
            return super().operate(op, *other, **options)

        def __getitem__(self, index: Any) -> Any:
            element: Any = super().__getitem__(index)  # type: ignore[no-untyped-call]
            element.type = JSON()
            return element

    comparator_factory: Any = Comparator

    def __init__(self, hint: Any = None, codec: Codec | None = None) -> None:
        super().__init__(none_as_null=True)
        # Metadata of an annotation may have no hash; then this column's type is only equal to itself.
        self.hint = hint if _has_hash(hint) else object()
        self._codec = codec if codec is not None else Codec(plain, None)
        origin = get_origin(hint) or hint
        if origin in (list, dict):
            self.zero = origin()

    @property
    def annotation(self) -> Any:
        """The annotation it was made from, or that of objects."""
        return self.hint if self.hint is not None and type(self.hint) is not object else dict[str, Any]

    def made_of(self, other: JSON) -> JSON:
        """Return this type with the values of another one."""
        return type(self)(other.hint, other._codec)

    @property
    def makes_objects(self) -> bool:
        """Whether values are made from JSON, such as instances of a dataclass."""
        return self._codec.decode is not None

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        made = cls()
        # JSONB of PostgreSQL has one form.
        made.keeps_text = declared.isupper()
        return made

    def accept(self, value: Any) -> JsonText:
        text = written_text(value) if self.keeps_text else None
        return JsonText(encode(self._codec, value) if text is None or _ESCAPED_NUL.search(text) else text)

    def parse(self, text: str) -> Any:
        return self._read(written_json(text))

    def format(self, value: Any) -> str:
        return json.dumps(self.to_json(value), ensure_ascii=False)

    def of_json(self, value: Any) -> Any:
        """Return the value itself; a string that the column does not take is JSON text."""
        if isinstance(value, str):
            try:
                self.accept(value)
            except ValidationError:
                return self.parse(value)
            return value
        return self._read(plain_json(value))

    def _read(self, value: Any) -> Any:
        """Return the value of the annotation that a JSON value stands for."""
        if self._codec.decode is None or value is None:
            return value
        try:
            return self._codec.decode(value)
        except Exception:  # the constructor of the class may raise any exception
            raise ValueError from None

    def to_json(self, value: Any) -> Any:
        return value if self._codec.decode is None else loads(encode(self._codec, value))

    def to_sqlite(self) -> Convert:
        def process(value: Any) -> Any:
            return value.text if type(value) is JsonText else encode(self._codec, value)

        return process

    to_postgres = to_sqlite

    def bind_processor(self, dialect: Dialect) -> Any:
        """Return what makes JSON text of values that are not Python's own as well."""
        convert = self.to_sqlite()

        def process(value: Any) -> Any:
            return None if value is None else convert(value)

        return process

    def result_processor(self, dialect: Dialect, coltype: Any) -> Any:
        """Return what makes the value of a document."""
        parsed = self._is_parsed(dialect)
        keeps_text = self.keeps_text and not parsed and self._codec.decode is None

        def process(value: Any) -> Any:
            if value is None:
                return None
            made = decode(self._codec, value, parsed=parsed)
            return with_text(made, value, dumps) if keeps_text else made

        return process

    def _is_parsed(self, dialect: Dialect) -> bool:
        """Whether the driver parses documents, rather than to return their text."""
        return has_types(dialect)

    def of_literal(self, value: Any) -> Any:
        if isinstance(value, (bool, bytes)):
            raise ValueError
        return decode(self._codec, str(value))

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        """Return what an UPDATE stores; ``null`` of a JSONB, which is read as None, stays."""
        if not has_types(dialect):
            return kept_on_sqlite("JSON", stored, new)
        null = sa.case((sa.func.jsonb_typeof(stored) == sa.literal_column("'null'"), stored))
        return sa.func.coalesce(new, null)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """What a document is compared with is a document; a path or key is not."""
        return self if op in EQUALITIES else self.impl_instance.coerce_compared_value(op, value)

    def sample(self, number: int, name: str) -> Any:
        """Return an empty document: of the annotation if it can be made of nothing, else any that fits.

        Raises:
            ValueError: no empty document fits.
        """
        makers: list[Callable[[], Any]] = [*([self.hint] if callable(self.hint) else []), dict, list]
        for make in makers:
            try:
                made = make()
                self.accept(made)
            except (DeeBaseError, TypeError, ValueError):
                continue
            return made
        raise ValueError


class PlainJson(JSON):
    """JSON as it was written; PostgreSQL has no equality for it."""

    postgres: ClassVar[Any] = postgresql.JSON(none_as_null=True)
    keeps_text = True

    @classmethod
    def reflected(cls, declared: str, *arguments: int) -> TypeEngine[Any]:
        return cls()

    def column_expression(self, column: Any) -> Any:
        """Return the column as text, which the driver does not parse."""
        return sa.cast(column, sa.Text()) if self.keeps_text else column

    def _is_parsed(self, dialect: Dialect) -> bool:
        return not self.keeps_text

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        return kept_documents(stored, new)


def element_of(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type of the elements of an array: the driver parses documents in one."""
    if not isinstance(kind, PlainJson):
        return kind
    made: PlainJson = kind.copy()
    made.keeps_text = False
    return made


def kept_documents(stored: Any, new: Any) -> Any:
    """Return the expression that keeps JSON, or an array of it, that holds the same values in the same order."""
    same = _document_text(stored) == sa.func.coalesce(_document_text(new), sa.literal_column("'null'"))
    return sa.case((same, stored), else_=new)


def _document_text(element: Any) -> Any:
    return sa.cast(sa.func.to_jsonb(element, type_=postgresql.JSONB()), sa.Text())


def _has_hash(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True
