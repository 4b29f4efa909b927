"""The tables and views of a database as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from deebase._rows.model import ForeignKeyModel, SearchModel


@dataclass(frozen=True)
class ColumnInfo:
    """An existing column.

    Attributes:
        name: its name.
        type: its type in the form of the database; "" for none (SQLite).
        not_null: whether it is NOT NULL.
        default: its default as SQL, or None.
        key: its position in the primary key from 1, otherwise 0.
        generated: the database generates its values: identity, serial, INTEGER PRIMARY KEY.
        computed: the expression of a computed column, or None.
        labels: the values of an enum type.
        base: the base type of a domain, or the element type of an array, in the form of the database.
        array: its values are arrays of ``base``.
        enum: schema and name of the enum type of ``labels``.
    """

    name: str
    type: str
    not_null: bool
    default: str | None = None
    key: int = 0
    generated: bool = False
    computed: str | None = None
    labels: tuple[str, ...] = ()
    base: str | None = None
    array: bool = False
    enum: tuple[str, str] | None = None


@dataclass(frozen=True)
class IndexInfo:
    """An index.

    Attributes:
        name: its name.
        columns: its columns; None in the place of an expression.
        unique: whether it is unique.
        partial: whether it has a condition.
        sql: its definition; None for one that belongs to a constraint.
    """

    name: str
    columns: tuple[str | None, ...]
    unique: bool
    partial: bool
    sql: str | None

    @property
    def is_unique_key(self) -> bool:
        """Whether no two rows of the table have the same values in its columns."""
        return self.unique and not self.partial and None not in self.columns


@dataclass(frozen=True)
class TableInfo:
    """A table or view.

    Attributes:
        name: its name in its schema.
        schema: None for the default one.
        kind: "table", "view" or "materialized".
        columns: in their order.
        foreign_keys: in the order of their columns.
        indexes: by name.
        checks: the conditions of CHECK constraints on PostgreSQL; on SQLite they are in ``sql``.
        sql: its CREATE statement, on SQLite.
        other_forms: indexes of DeeBase over moments in other forms than ours, on SQLite.
        search: its full-text search, or None.
        secure: the columns that secure its rows.
    """

    name: str
    schema: str | None
    kind: str
    columns: tuple[ColumnInfo, ...]
    foreign_keys: tuple[ForeignKeyModel, ...] = ()
    indexes: tuple[IndexInfo, ...] = ()
    checks: tuple[str, ...] = ()
    sql: str | None = None
    other_forms: tuple[IndexInfo, ...] = ()
    search: SearchModel | None = None
    secure: tuple[str, ...] = ()

    @property
    def qualified_name(self) -> str:
        """Its name in the catalog."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    @property
    def pks(self) -> tuple[str, ...]:
        """The columns of the key, in key order."""
        keys = sorted([column for column in self.columns if column.key], key=lambda column: column.key)
        return tuple([column.name for column in keys])
