"""What Alembic asks a database for, answered from a schema that was read already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from deebase.migrations.compare.schema import Schema


class KnownTables:
    """Stands for SQLAlchemy's inspector, which would read all tables once more, and more of them than is compared.

    Alembic's comparators find tables and columns by name; what these are is looked at by comparators of our own.

    Args:
        connection: that Alembic has.
        schema: what was read over it.
    """

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self.bind = connection
        self.dialect: sa.Dialect = connection.dialect
        self.info_cache: dict[Any, Any] = {}
        self._tables = {name: schema.sa_metadata().tables[name] for name in schema.tables}

    def get_table_names(self, schema: str | None = None) -> list[str]:
        """Return the names of the tables."""
        return list(self._tables)

    def reflect_table(self, table: sa.Table, *args: Any, **options: Any) -> None:
        """Give a table its columns."""
        for column in self._tables[table.name].columns:
            table.append_column(sa.Column(column.name, column.type, nullable=column.nullable))

    def __getattr__(self, name: str) -> Callable[..., Mapping[Any, Any]]:
        """Answer what Alembic asks for in advance, of all tables, with nothing: ``reflect_table`` says it."""
        if not name.startswith("get_"):
            raise AttributeError(name)

        def nothing(*args: Any, schema: str | None = None, **options: Any) -> Mapping[Any, Any]:
            return {(schema, table): [] for table in self._tables} if name.startswith("get_multi_") else {}

        # Of more than 100 tables Alembic asks the dialect whether it has a method of this name.
        nothing.__name__ = name
        return nothing
