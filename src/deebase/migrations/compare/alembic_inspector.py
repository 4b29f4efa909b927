"""What Alembic asks a database for, answered from a schema that has been read already."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NoReturn, TypeAlias

import sqlalchemy as sa

from deebase.migrations.compare.schema import Schema

#: A method that Alembic looks up and then does without.
Unanswered: TypeAlias = Callable[..., NoReturn]


class SchemaInspector:
    """Takes the place of SQLAlchemy's inspector, which would read every table a second time.

    Alembic finds tables and columns by name; comparators of our own compare what they are. So ``reflect_table`` is the
    only answer that matters. Alembic also asks for the parts of all tables in advance (``get_multi_...``) and looks up
    the method for one table (``get_...``) without calling it. ``NotImplementedError`` is what a dialect without such a
    method raises, and Alembic goes on without an answer.

    Args:
        connection: the connection that Alembic has.
        schema: the schema that was read over it.
    """

    def __init__(self, connection: sa.Connection, schema: Schema) -> None:
        self.bind = connection
        self.dialect: sa.Dialect = connection.dialect
        self.info_cache: dict[str, object] = {}
        self._tables = schema.bare_metadata().tables

    def get_table_names(self, schema: str | None = None) -> list[str]:
        """Return the names of the tables."""
        return list(self._tables)

    def reflect_table(
        self,
        table: sa.Table,
        include_columns: Collection[str] | None,
        resolve_fks: bool = True,
        _reflect_info: object = None,
    ) -> None:
        """Add the columns to a table."""
        for column in self._tables[table.name].columns:
            table.append_column(sa.Column(column.name, column.type))

    def get_columns(self, table_name: str, schema: str | None = None) -> NoReturn:
        """Not answered."""
        raise NotImplementedError

    get_pk_constraint: Unanswered = get_columns
    get_foreign_keys: Unanswered = get_columns
    get_indexes: Unanswered = get_columns
    get_unique_constraints: Unanswered = get_columns
    get_table_comment: Unanswered = get_columns
    get_check_constraints: Unanswered = get_columns
    get_table_options: Unanswered = get_columns

    # Of more than 100 tables, Alembic asks the dialect whether it has a method of the same name as these.

    def get_multi_columns(self, schema: str | None = None, filter_names: Collection[str] | None = None) -> NoReturn:
        raise NotImplementedError

    def get_multi_pk_constraint(
        self, schema: str | None = None, filter_names: Collection[str] | None = None
    ) -> NoReturn:
        raise NotImplementedError

    def get_multi_foreign_keys(
        self, schema: str | None = None, filter_names: Collection[str] | None = None
    ) -> NoReturn:
        raise NotImplementedError

    def get_multi_indexes(self, schema: str | None = None, filter_names: Collection[str] | None = None) -> NoReturn:
        raise NotImplementedError

    def get_multi_unique_constraints(
        self, schema: str | None = None, filter_names: Collection[str] | None = None
    ) -> NoReturn:
        raise NotImplementedError

    def get_multi_table_comment(
        self, schema: str | None = None, filter_names: Collection[str] | None = None
    ) -> NoReturn:
        raise NotImplementedError

    def get_multi_check_constraints(
        self, schema: str | None = None, filter_names: Collection[str] | None = None
    ) -> NoReturn:
        raise NotImplementedError

    def get_multi_table_options(
        self, schema: str | None = None, filter_names: Collection[str] | None = None
    ) -> NoReturn:
        raise NotImplementedError
