"""Reads by key: one statement for a single key, and one for many keys at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sql.compiled import Parameters, prepare
from deebase._sql.operands import compared
from deebase._sql.scope import Scope
from deebase._sql.statement import Statement
from deebase._sql.where import Where, beside_key
from deebase._sqltext.capabilities import capabilities_of

#: Keys of one statement; far below SQLite's limit of 32,766 parameters (sqlite.org/limits.html).
MAX_KEYS = 500

#: Bound values that compare in Python as they do in the database.
_COMPARABLE = frozenset({int, str, UUID})


class KeyedRead:
    """A SELECT by unique columns, which can be combined with others of its kind.

    The parameters are those of the key, then those of the scope.

    Attributes:
        statement: reads the row of one key.
        key_of: returns the key of a driver's row, as it was stored; a tuple when it has several columns.
        exact: whether keys that differ in Python are different keys in the database, too.
        width: the number of parameters of the key.
    """

    __slots__ = (
        "_as_array",
        "_binds",
        "_columns",
        "_dialect",
        "_key",
        "_many",
        "_model",
        "_scope",
        "_shared",
        "exact",
        "key_of",
        "statement",
        "width",
    )

    def __init__(
        self, model: TableModel, key: Sequence[str], columns: Sequence[str], dialect: Dialect, scope: Scope
    ) -> None:
        self._model = model
        self._key = tuple(key)
        self._columns = tuple(columns)
        self._dialect = dialect
        # The statements depend on the cache key of the scope; its values are parameters.
        self._scope = scope
        held = [model.columns[name] for kind, name in scope.shape if kind == "equal"]
        self._binds = [column.bind_operand for column in [*[model.column(name) for name in key], *held]]
        self.key_of: Callable[[Sequence[Any]], Any] = self._getter()
        self.exact: bool = all(_compares_exactly(model.columns[name].sa_type, dialect) for name in key)
        # A document is sent as text and returned as an object. SQLite uses an index for a single moment, but
        # not for one in a row value.
        self._shared = not any(
            model.columns[name].takes_collections or (len(key) > 1 and model.columns[name].normal) for name in key
        )
        self._many: dict[int, Statement] = {}
        self.width: int = len(self._key)
        self._as_array: bool = self.width == 1 and capabilities_of(dialect).has_arrays
        self.statement: Statement = self._build(None)

    def args(self, key: Sequence[Any], scope: Scope) -> list[Any]:
        """Return the parameters of the statement, checked and converted."""
        if scope:
            key = [*key, *[value for value in scope.values.values() if value is not None]]
        elif self.width == 1:
            bind = self._binds[0]
            return [key[0] if bind is None else bind(key[0])]
        return [value if bind is None else bind(value) for bind, value in zip(self._binds, key, strict=True)]

    def _getter(self) -> Callable[[Sequence[Any]], Any]:
        places = [self._columns.index(name) for name in self._key]
        getter = itemgetter(*places)
        normal = self._model.columns[self._key[0]].normal
        # The stored form of a moment may differ from the form of the key.
        return getter if normal is None else lambda row: normal(getter(row))

    def joins(self, args: Sequence[Any]) -> bool:
        """Whether a read with these values can share a statement: they compare in Python as in the database."""
        if len(args) == 1:
            return self._shared and type(args[0]) in _COMPARABLE
        return self._shared and all(type(value) in _COMPARABLE for value in args)

    def many(self, keys: Sequence[Any], held: Sequence[Any]) -> tuple[Statement, list[Any]]:
        """Return the statement for up to ``MAX_KEYS`` keys (as of ``key_of``) of one scope, and its parameters."""
        if self._as_array:
            return self._statement(1), [keys, *held]
        # A few sizes instead of one statement for each number of keys: the last key is repeated to fill one.
        size = 1 << (len(keys) - 1).bit_length()
        padded = [*keys, *[keys[-1]] * (size - len(keys))]
        if self.width > 1:
            padded = [value for key in padded for value in key]
        return self._statement(size), [*padded, *held]

    def _statement(self, size: int) -> Statement:
        statement = self._many.get(size)
        if statement is None:
            statement = self._many[size] = self._build(size)
        return statement

    def _build(self, size: int | None) -> Statement:
        """Compile the statement of one key (None), or of ``size`` keys at once."""
        table = self._model.sa_table
        keys = [table.c[name] for name in self._key]
        parameters = Parameters()
        condition: Any
        if size is None:
            bound = [parameters.add(f"k{n}", key.type, None) for n, key in enumerate(keys)]
            condition = sa.and_(*[key == value for key, value in zip(keys, bound, strict=True)])
        elif self._as_array:
            condition = keys[0] == sa.any_(parameters.add("keys", ARRAY(keys[0].type), None))
        elif len(keys) == 1:
            condition = keys[0].in_([parameters.add(f"k{n}", keys[0].type, None) for n in range(size)])
        else:
            rows = [
                sa.tuple_(*[parameters.add(f"k{n}_{place}", key.type, None) for place, key in enumerate(keys)])
                for n in range(size)
            ]
            condition = sa.tuple_(*map(compared, keys)).in_(rows)
        held = beside_key(Where(self._model, self._scope).clauses(parameters))
        element = sa.select(*[table.c[name] for name in self._columns]).where(condition, *held)
        return prepare(element, self._dialect, parameters, reads=True, is_cheap=True).statement


def _compares_exactly(kind: Any, dialect: Dialect) -> bool:
    """Whether values of a type are equal in the database only where they are equal in Python.

    Text may have any collation, which is not part of its type.
    """
    return isinstance(kind, sa.Integer) or (isinstance(kind, sa.Uuid) and capabilities_of(dialect).has_uuids)
