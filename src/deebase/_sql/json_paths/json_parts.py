"""Parts of JSON documents as expressions: they are compared, sorted, selected and grouped as columns are."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely, and values may be of any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import json
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.visitors import InternalTraversal

from deebase._rows.model import TableModel
from deebase._sql.json_paths.json_rules import JsonRules
from deebase._sql.queries.paths import Tables, is_path, path_column
from deebase._sql.sql_rules import rules_of
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.decimals import ByValue, ExactNumber
from deebase._types.documents import JSON, PlainJson, plain_document
from deebase._types.number import Boolean, Float, Integer
from deebase._types.text import String, text_fault
from deebase.errors import ValidationError
from deebase.types import JsonPath

_TYPES: Final[dict[str, Callable[[], Any]]] = {
    "": JSON,
    "str": String,
    "int": Integer,
    "float": Float,
    "Decimal": ExactNumber,
    "bool": Boolean,
}
#: Values in one condition: SQLite nests a condition for each of them.
MAX_VALUES = 200
#: How deep a value of a condition may be nested.
MAX_DEPTH = 20


class JsonPart(ColumnElement[Any]):
    """A part of a JSON document with a type: NULL where it is missing, or a value of another type."""

    __visit_name__ = "deebase_json_part"
    inherit_cache: bool | None = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("element", InternalTraversal.dp_clauseelement),
        ("steps", InternalTraversal.dp_string),
        ("kind", InternalTraversal.dp_string),
    ]

    def __init__(self, element: ColumnElement[Any], path: JsonPath) -> None:
        self.element: Any = element
        self.path: JsonPath = path
        #: As text, in which a key differs from an index.
        self.steps: str = json.dumps(path.steps)
        self.kind: str = "" if path.as_ is None else path.as_.__name__
        self.type: Any = _TYPES[self.kind]()

    @property
    def title(self) -> str:
        """What a column of it is called in rows, unless it is given a name."""
        return ".".join(map(str, (self.path.column, *self.path.steps)))

    @property
    def _from_objects(self) -> Any:
        return self.element._from_objects

    def self_group(self, against: Any = None) -> Any:
        """Return itself: the compiled text is in parentheses."""
        return self


class JsonValue(JsonPart):
    """A part of a JSON document, as JSON of any kind.

    It is compared with JSON values. A number equals another one of the same value, and objects are equal in any order
    of their keys. A path that leads nowhere has no value: ``==``, ``!=``, ``contains`` and ``has_key`` do not find it.

    Example:
        ```python
        tags = posts.json("meta", "tags")
        rows = await posts(tags.contains("bug"), select={"id": "id", "tags": tags})
        ```
    """

    inherit_cache: bool | None = True

    def __init__(self, element: ColumnElement[Any], path: JsonPath, rules: JsonRules) -> None:
        super().__init__(element, path)
        self._rules = rules

    def contains(self, other: Any, **_: Any) -> ColumnElement[bool]:
        """Return the condition that a value is contained, as ``@>`` of PostgreSQL has it.

        An object contains another one that has some of its keys, with values that it contains. An array contains
        another one each of whose elements one of its elements contains, in any order. An array also contains a single
        text, number, boolean or None that is one of its elements. Any other value contains itself.

        Args:
            other: None, a bool, number, text, list or dict.

        Raises:
            ValidationError: it is not JSON, or too large.

        Example:
            ```python
            bugs = await posts(posts.json("meta", "tags").contains("bug"))
            drafts = await posts(posts.json("meta").contains({"state": {"draft": True}}))
            ```
        """
        return self._compared("contains", self._operand(other))

    def has_key(self, key: str) -> ColumnElement[bool]:
        """Return the condition that it is an object with a key.

        Args:
            key: the key; its value may be null.

        Raises:
            ValidationError: it is not text.

        Example:
            ```python
            rated = await posts(posts.json("meta").has_key("stars"))
            ```
        """
        given: Any = key
        if not isinstance(given, str) or text_fault(given) is not None:
            raise ValidationError(
                f"{self.path.column}: has_key takes a text that a database can store",
                field=self.path.column,
                value=given,
                hint="has_key('stars')",
            )
        return self._compared("has_key", key)

    def exists(self) -> ColumnElement[bool]:
        """Return the condition that the path leads to a value, which may be null.

        Example:
            ```python
            n = await posts.count(~posts.json("meta", "stars").exists())
            ```
        """
        return JsonCondition(self, "exists")

    def is_null(self) -> ColumnElement[bool]:
        """Return the condition that the value is null: there is one, unlike for a path that leads nowhere.

        Example:
            ```python
            unknown = await posts(posts.json("meta", "stars").is_null())
            ```
        """
        return JsonCondition(self, "is_null")

    def operate(self, op: Any, *other: Any, **options: Any) -> Any:
        """Return a comparison.

        Raises:
            ValidationError: the operator needs values of one type.
        """
        if op is operators.getitem:
            path = self.path
            return JsonValue(self.element, JsonPath(path.column, *path.steps, *other), self._rules)
        if op in (operators.eq, operators.is_):
            return self._equal(other[0])
        if op is operators.in_op:
            return self._among(other[0])
        if op in _OPPOSITES:
            return sa.not_(self.operate(_OPPOSITES[op], *other))
        raise ValidationError(
            f"{self.path.column}: JSON values of any kind have no order, and no operators besides == and !=",
            field=self.path.column,
            hint=f"choose a type, such as {self.path.call('int')}",
        )

    def _equal(self, other: Any) -> ColumnElement[bool]:
        if isinstance(other, sa.ClauseElement):
            if not isinstance(other, sa.Null):
                raise ValidationError(
                    f"{self.path.column}: JSON is compared with a value, not with an expression",
                    field=self.path.column,
                    hint=f"compare values of one type: {self.path.call('str')}",
                )
            other = None
        return JsonCondition(self, "is_none") if other is None else self._compared("equal", self._operand(other))

    def _among(self, others: Any) -> ColumnElement[bool]:
        if not isinstance(others, (list, tuple, set, frozenset)):
            raise ValidationError(
                f"{self.path.column}: in_ takes a list of values, not {type(others).__name__}",
                field=self.path.column,
                hint="in_(['open', 'new'])",
            )
        self._bounded(list(others))
        return sa.or_(sa.false(), *[self._equal(each) for each in others])

    def _operand(self, value: Any) -> Any:
        try:
            self._bounded(value)
            return plain_document(value)
        except ValidationError as error:
            raise ValidationError(
                f"{self.path.column}: {error.message}", field=self.path.column, hint=error.hint
            ) from None

    def _bounded(self, value: Any) -> None:
        waiting, seen = [(value, 1)], 0
        while waiting:
            each, depth = waiting.pop()
            members = list(each.values()) if isinstance(each, dict) else each if isinstance(each, (list, tuple)) else ()
            seen += 1
            if seen > MAX_VALUES or depth > MAX_DEPTH:
                raise ValidationError(
                    f"a condition on JSON has {MAX_VALUES} values at most, {MAX_DEPTH} levels deep",
                    field=self.path.column,
                    hint=f"many values of one type: {self.path.call('str')}.in_([...])",
                )
            waiting.extend([(member, depth + 1) for member in members])

    def _compared(self, test: str, given: Any) -> JsonCondition:
        return JsonCondition(self, test, *self._rules.operands(test, given))


_OPPOSITES: Final[dict[Any, Any]] = {
    operators.ne: operators.eq,
    operators.is_not: operators.is_,
    operators.not_in_op: operators.in_op,
}


class JsonCondition(ColumnElement[bool]):
    """A condition on a part of a JSON document."""

    __visit_name__ = "deebase_json_condition"
    inherit_cache: bool | None = True
    _traverse_internals = [  # noqa: RUF012 - declared by SQLAlchemy
        ("part", InternalTraversal.dp_clauseelement),
        ("test", InternalTraversal.dp_string),
        ("shape", InternalTraversal.dp_string),
        ("operands", InternalTraversal.dp_clauseelement_list),
    ]
    type = Boolean()

    def __init__(self, part: JsonValue, test: str, shape: Any = None, operands: Any = ()) -> None:
        self.part = part
        self.test = test
        self.shape = json.dumps(shape)
        self.operands = list(operands)

    @property
    def _from_objects(self) -> Any:
        return self.part.element._from_objects

    def self_group(self, against: Any = None) -> Any:
        """Return itself: the compiled text is in parentheses."""
        return self


def document_text(element: Any, compiler: Any, **options: Any) -> str:
    """Return the SQL of a document; JSON that PostgreSQL stores as text becomes JSONB."""
    is_text = isinstance(element.type, PlainJson)
    return str(compiler.process(sa.cast(element, JSON()) if is_text else element, **options))


@compiles(JsonPart)
def _compile_part(element: Any, compiler: Any, **options: Any) -> str:
    document = document_text(element.element, compiler, **options)
    return rules_of(compiler.dialect).json.part(document, json.loads(element.steps), element.kind)


@compiles(JsonCondition)
def _compile_condition(element: Any, compiler: Any, **options: Any) -> str:
    operands = [compiler.process(each, **options) for each in element.operands]
    part, shape = element.part, json.loads(element.shape)
    document = document_text(part.element, compiler, **options)
    return rules_of(compiler.dialect).json.condition(document, json.loads(part.steps), element.test, shape, operands)


def part_of(column: Any, path: JsonPath, table: str, dialect: Dialect) -> JsonPart:
    """Return a part of the documents of a column.

    Raises:
        ValidationError: the column does not hold JSON.
    """
    if not isinstance(column.type, JSON):
        raise ValidationError(
            f"{table}.{column.name} does not hold JSON, and has no path into it",
            field=column.name,
            hint=f"transform(types={{{column.name!r}: dict}}) makes it a column of JSON",
        )
    return JsonValue(column, path, rules_of(dialect).json) if path.as_ is None else JsonPart(column, path)


def indexed_part(column: Any, path: JsonPath, table: str, dialect: Dialect) -> JsonPart:
    """Return a part of the documents of a column, for an index over it.

    Raises:
        ValidationError: there is no index over such a part.
    """
    part = part_of(column, path, table, dialect)
    must_have_index(part, table, dialect)
    return part


def must_have_index(part: JsonPart, table: str, dialect: Dialect) -> None:
    """Refuse a part of a document over which there is no index."""
    path = part.path
    if path.as_ is None:
        raise ValidationError(
            f"{table}.{path.column}: an index over a path into JSON needs the type of its values",
            field=path.column,
            hint=path.call("int"),
        )
    if not rules_of(dialect).json.has_index(path.steps, part.kind):
        raise ValidationError(
            f"{table}.{path.column}: {capabilities_of(dialect).title} has no index over {path!r}",
            field=path.column,
            hint="its indexes are over str, int, float and bool, and keys of ASCII characters without double quotes, "
            "slashes and backslashes",
        )


def related_part(tables: Tables, model: TableModel, dialect: Dialect, path: JsonPath) -> JsonPart:
    """Return a part of the documents of a column of a table, or of a related row by its path over foreign keys.

    Raises:
        ColumnNotFoundError: there is no such column.
        ValidationError: it does not hold JSON.
    """
    if is_path(model, path.column):
        parent, found = path_column(tables, model, path.column)
        return part_of(found.sa_column, path, parent.model.name, dialect)
    return part_of(model.column(path.column).sa_column, path, model.name, dialect)


def json_order(item: Any) -> tuple[JsonPart, bool] | None:
    """Return the part of a document that an order names, and whether it is descending; None for another order.

    Raises:
        ValidationError: its values may be of any type, and have no order.
    """
    modifier = getattr(item, "modifier", None)
    element = item.element if modifier in (operators.desc_op, operators.asc_op) else item
    if isinstance(element, ByValue):
        element = element.element
    if not isinstance(element, JsonPart):
        return None
    if isinstance(element, JsonValue):
        element.operate(operators.asc_op)
    return element, modifier is operators.desc_op
