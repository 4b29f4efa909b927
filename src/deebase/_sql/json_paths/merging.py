"""Changes of JSON documents by the database."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely, and values may be of any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from typing import Any, get_origin

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement

from deebase._rows.model import ColumnModel
from deebase._sql.json_paths.json_parts import document_text
from deebase._sql.sql_rules import rules_of
from deebase._types.documents import JSON, PlainJson, plain_document
from deebase.errors import ValidationError
from deebase.types import Merge

#: How deep the changes of a document may be nested.
MAX_DEPTH = 20


class Merged(ColumnElement[Any]):
    """The document of a column after a merge."""

    __visit_name__ = "deebase_merged"
    inherit_cache = False

    def __init__(self, column: Any, shape: Any, operands: list[sa.BindParameter[Any]]) -> None:
        self.column = column
        self.shape = shape
        self.operands = operands
        self.type = column.type


@compiles(Merged)
def _compile_merged(element: Merged, compiler: Any, **options: Any) -> str:
    operands = [compiler.process(each, **options) for each in element.operands]
    document = document_text(element.column, compiler, **options)
    text = rules_of(compiler.dialect).json.patched(document, element.shape, operands)
    return f"CAST({text} AS JSON)" if isinstance(element.type, PlainJson) else text


def merged(table: str, column: ColumnModel, given: Merge, dialect: Dialect) -> ColumnElement[Any]:
    """Return the document of a column after a merge.

    Raises:
        ValidationError: the column does not hold objects that any key may be added to, or the changes do not fit it.
    """
    kind: Any = column.sa_type
    if not isinstance(kind, JSON):
        raise _refused(table, column, "merge changes objects of JSON, and this column holds none", "give a value")
    if kind.makes_objects or (get_origin(kind.annotation) or kind.annotation) is list:
        hint = "read the row with for_update=True in a transaction, change the value, and update the row"
        raise _refused(table, column, "merge cannot tell which changes fit the class of this column", hint)
    try:
        # Of None, which removes a key, the annotation says nothing.
        kind.accept(_without_none(given.changes))
        changes = plain_document(given.changes)
    except ValidationError as error:
        raise _refused(table, column, error.message, error.hint) from None
    if _depth(changes) > MAX_DEPTH:
        raise _refused(table, column, f"merge changes objects up to {MAX_DEPTH} levels deep", "set the inner object")
    shape, operands = rules_of(dialect).json.patch(changes)
    return Merged(column.sa_column, shape, operands)


def _refused(table: str, column: ColumnModel, reason: str, hint: str | None) -> ValidationError:
    return ValidationError(f"{table}.{column.name}: {reason}", field=column.name, hint=hint)


def _without_none(changes: Any) -> Any:
    if not isinstance(changes, dict):
        return changes
    return {name: _without_none(value) for name, value in changes.items() if value is not None}


def _depth(value: Any) -> int:
    return 1 + max(map(_depth, value.values()), default=0) if isinstance(value, dict) else 0
