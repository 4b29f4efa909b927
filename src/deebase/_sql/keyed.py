"""Reads by key: one statement for one key, and one for many keys that are asked for together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sql.compiled import Parameters, prepare
from deebase._sql.statement import Statement

#: Keys of one statement; far below SQLite's limit of 32,766 parameters (sqlite.org/limits.html).
MAX_KEYS = 500

#: Bound keys that compare in Python as they do in the database.
_COMPARABLE = frozenset({int, str, UUID})


class KeyedRead:
    """A SELECT of one row by key that can be asked for together with others of its kind.

    Attributes:
        statement: reads the row of one key.
    """

    __slots__ = ("_columns", "_dialect", "_many", "_model", "_places", "statement")

    def __init__(self, statement: Statement, model: TableModel, columns: Sequence[str], dialect: Dialect) -> None:
        self.statement = statement
        self._model = model
        self._columns = tuple(columns)
        self._dialect = dialect
        self._places = tuple(self._columns.index(name) for name in model.pks)
        self._many: dict[int, Statement] = {}

    def key_of(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Return the key of a driver's row, as it was stored."""
        return tuple([row[place] for place in self._places])

    @staticmethod
    def joins(args: Sequence[Any]) -> bool:
        """Whether a row can be told by its key alone: a float or a decimal may be found as another equal one."""
        return all(type(value) in _COMPARABLE for value in args)

    def many(self, keys: Sequence[tuple[Any, ...]]) -> tuple[Statement, list[Any]]:
        """Return the statement for up to ``MAX_KEYS`` keys, and its parameters."""
        if self._dialect.name == "postgresql" and len(self._places) == 1:
            return self._statement(1), [[key[0] for key in keys]]
        # A few sizes instead of one statement for each number of keys: the last key fills up.
        size = 1 << (len(keys) - 1).bit_length()
        padded = [*keys, *[keys[-1]] * (size - len(keys))]
        return self._statement(size), [value for key in padded for value in key]

    def _statement(self, size: int) -> Statement:
        statement = self._many.get(size)
        if statement is None:
            statement = self._many[size] = self._build(size)
        return statement

    def _build(self, size: int) -> Statement:
        table = self._model.sa_table
        keys = [table.c[name] for name in self._model.pks]
        parameters = Parameters()
        condition: Any
        if self._dialect.name == "postgresql" and len(keys) == 1:
            condition = keys[0] == sa.any_(parameters.add("keys", ARRAY(keys[0].type), None))
        elif len(keys) == 1:
            condition = keys[0].in_([parameters.add(f"k{n}", keys[0].type, None) for n in range(size)])
        else:
            rows = [
                sa.tuple_(*[parameters.add(f"k{n}_{place}", key.type, None) for place, key in enumerate(keys)])
                for n in range(size)
            ]
            condition = sa.tuple_(*keys).in_(rows)
        element = sa.select(*[table.c[name] for name in self._columns]).where(condition)
        return prepare(element, self._dialect, parameters, reads=True, quick=True).statement
