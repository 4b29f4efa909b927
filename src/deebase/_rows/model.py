"""The model of a table for reading and writing: its columns, keys and conversions."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from deebase._rows.advice import hint_for_column
from deebase._rows.recently_used import RecentlyUsed
from deebase.errors import ColumnNotFoundError, InvalidOperationError, ValidationError
from deebase.types import Search

if TYPE_CHECKING:
    from deebase._rows.parents import Join, Parent

Convert = Callable[[Any], Any]
#: Converts many values of a column at once, of which it gets the classes, too; None if it cannot.
ConvertAll = Callable[[Sequence[Any], AbstractSet[type]], Sequence[Any] | None]

#: Statements that are cached for one table; expressions can make any number of them.
CACHED_STATEMENTS = 1000

#: Never a key, even if a column accepts it: rows, ranges, conditions. A list may be a composite key.
_NO_SEQUENCES = (Mapping, slice, set, frozenset, sa.ClauseElement)
_NO_KEYS = (tuple, list, dict, *_NO_SEQUENCES[1:])

#: The key in ``info`` of SQLAlchemy's metadata of the function that builds all registered tables of the database.
BUILD_ALL = "deebase_build_all"


class ColumnModel:
    """One column: how its values are checked, sent and read."""

    __slots__ = (
        "_accept_all",
        "_send",
        "bind",
        "bind_operand",
        "bind_place",
        "computed",
        "default_factory",
        "is_text",
        "listable",
        "name",
        "normal",
        "nullable",
        "order_column",
        "read",
        "read_returned",
        "sa_column",
        "sa_type",
        "takes_collections",
        "touched",
    )

    def __init__(
        self,
        sa_column: sa.Column[Any],
        *,
        bind: Convert | None,
        accept_all: ConvertAll,
        send: Convert | None,
        bind_operand: Convert | None = None,
        read: Convert | None,
        read_returned: Convert | None = None,
        takes_collections: bool = False,
        default_factory: Callable[[], Any] | None = None,
        order_column: Any = None,
        normal: Convert | None = None,
        bind_place: Convert | None = None,
        touched: Any = None,
    ) -> None:
        self.name: str = sa_column.name
        self.sa_column: sa.Column[Any] = sa_column
        self.sa_type: sa.types.TypeEngine[Any] = sa_column.type
        self.nullable: bool = bool(sa_column.nullable)
        #: The database computes it from other columns (GENERATED ALWAYS AS): never written.
        self.computed: bool = sa_column.computed is not None
        self.is_text: bool = isinstance(sa_column.type, sa.String)
        #: Whether many values of the column can be sent as one array (PostgreSQL).
        self.listable: bool = getattr(sa_column.type, "listable", True)
        #: Checks a value and converts it to the driver's.
        self.bind: Convert | None = bind
        #: The same for a value of a condition, which may be longer than those that the column holds.
        self.bind_operand: Convert | None = bind if bind_operand is None else bind_operand
        #: The same for the value of a stored row, by which rows are sorted.
        self.bind_place: Convert | None = bind if bind_place is None else bind_place
        self._accept_all = accept_all
        self._send = send
        #: Converts the driver's value (never None) to the column's; None if they are the same.
        self.read: Convert | None = read
        #: The same for a value from RETURNING, which SQLite may return in another form.
        self.read_returned: Convert | None = read if read_returned is None else read_returned
        #: A list is a value of this column (JSON, arrays), not a set of values to compare with.
        self.takes_collections: bool = takes_collections
        self.default_factory: Callable[[], Any] | None = default_factory
        #: The expression for ORDER BY, if the stored form sorts differently from the value.
        self.order_column: Any = sa_column if order_column is None else order_column
        #: Converts a stored value to the form that equal values share; None if there is only one form.
        self.normal: Convert | None = normal
        #: The expression that each update sets the column to, unless it gives a value; None for other columns.
        self.touched: Any = touched

    def bind_all(self, values: Sequence[Any], kinds: AbstractSet[type]) -> Sequence[Any]:
        """Return what ``bind`` makes of each of many values: all at once where their type accepts them so.

        Args:
            values: the values.
            kinds: their classes.

        Raises:
            ValidationError: one of them does not fit.
        """
        accepted = self._accept_all(values, kinds)
        if accepted is None:
            return values if self.bind is None else list(map(self.bind, values))
        return accepted if self._send is None else list(map(self._send, accepted))


@dataclass(frozen=True)
class ForeignKeyModel:
    """A foreign key: its columns and, in the same order, the referenced columns.

    Attributes:
        name: the name of the constraint, or None.
        columns: the columns of this table.
        schema: the schema of the referenced table; None for the default schema.
        table: the referenced table.
        targets: the referenced columns.
        on_delete: CASCADE and so on; None for NO ACTION.
        on_update: the same for updates.
    """

    name: str | None
    columns: tuple[str, ...]
    schema: str | None
    table: str
    targets: tuple[str, ...]
    on_delete: str | None = None
    on_update: str | None = None

    @property
    def target(self) -> str:
        """The name of the referenced table in the catalog."""
        return self.table if self.schema is None else f"{self.schema}.{self.table}"


class UniqueModel(NamedTuple):
    """Columns that are unique together: in all rows, or in the rows that meet the condition of the index."""

    columns: tuple[str, ...]
    partial: bool = False


@dataclass(frozen=True)
class SearchModel:
    """The full-text search of a table.

    Attributes:
        search: what it covers, and how.
        index: the full-text table on SQLite, the index on PostgreSQL.
        keys: on SQLite the table with the keys of the rows of ``index``; None if the key is the rowid.
        function: on PostgreSQL the function of the trigger that keeps the words; None if the database computes them.
    """

    search: Search
    index: str
    keys: str | None = None
    function: str | None = None


class TableModel:
    """The model of one table, with its compiled statements; a change of the table creates a new model."""

    __slots__ = (
        "all_defaulted",
        "columns",
        "factories",
        "foreign_keys",
        "generated",
        "has_computed_columns",
        "joins",
        "name",
        "names",
        "needs_scope",
        "parents",
        "pks",
        "required_documents",
        "required_keys",
        "row_type",
        "sa_table",
        "secure",
        "statements",
        "touched",
        "uniques",
    )

    def __init__(
        self,
        sa_table: sa.Table,
        columns: Iterable[ColumnModel],
        *,
        generated: str | None,
        uniques: Mapping[str, UniqueModel],
        foreign_keys: Iterable[ForeignKeyModel] = (),
    ) -> None:
        self.sa_table: sa.Table = sa_table
        self.name: str = sa_table.name if sa_table.schema is None else f"{sa_table.schema}.{sa_table.name}"
        self.columns: dict[str, ColumnModel] = {column.name: column for column in columns}
        self.names: tuple[str, ...] = tuple(self.columns)
        #: The columns that each update sets.
        self.touched: tuple[ColumnModel, ...] = tuple([c for c in self.columns.values() if c.touched is not None])
        #: Whether the database computes any column.
        self.has_computed_columns: bool = any(column.computed for column in self.columns.values())
        self.pks: tuple[str, ...] = tuple(column.name for column in sa_table.primary_key.columns)
        #: The key column whose values the database generates, if any.
        self.generated: str | None = generated
        #: Unique constraints and indexes by name.
        self.uniques: dict[str, UniqueModel] = dict(uniques)
        self.foreign_keys: tuple[ForeignKeyModel, ...] = tuple(foreign_keys)
        self.factories: dict[str, Callable[[], Any]] = {
            name: column.default_factory for name, column in self.columns.items() if column.default_factory is not None
        }
        #: The key columns without a default: a new row must have values for them.
        self.required_keys: tuple[str, ...] = tuple(
            name
            for name in self.pks
            if name != generated and name not in self.factories and self.columns[name].sa_column.server_default is None
        )
        #: Whether a row may be inserted without any value.
        self.all_defaulted: bool = all(
            column.nullable
            or column.computed
            or column.default_factory is not None
            or column.sa_column.server_default is not None
            for column in self.columns.values()
            if column.name != generated
        )
        #: NOT NULL columns of documents; a document ``null`` is read as None, too.
        self.required_documents: tuple[str, ...] = tuple(
            name for name, column in self.columns.items() if column.takes_collections and not column.nullable
        )
        #: The columns that secure its rows.
        self.secure: tuple[str, ...] = ()
        #: Whether only the conditions of statements secure them, not the database itself.
        self.needs_scope: bool = False
        #: The row type of handles without a row type of their own.
        self.row_type: type[Any] = dict
        #: Compiled statements and makers of rows, by cache key.
        self.statements: RecentlyUsed[tuple[Any, ...], Any] = RecentlyUsed(CACHED_STATEMENTS)
        #: The tables that its foreign keys lead to, as parts of statements.
        self.parents: dict[ForeignKeyModel, Parent] = {}
        #: The tables that a statement joins for its columns.
        self.joins: tuple[Join, ...] = ()

    def joining(self, columns: Mapping[str, ColumnModel], joins: tuple[Join, ...]) -> TableModel:
        """Return the model for one statement: with columns of related rows and expressions, by their names in it."""
        made = copy(self)
        made.columns = {**self.columns, **columns}
        made.joins = joins
        return made

    def column(self, name: Any) -> ColumnModel:
        """Return a column by name.

        Raises:
            ColumnNotFoundError: the column does not exist; the hint suggests the nearest name.
        """
        try:
            return self.columns[name]
        except (KeyError, TypeError):  # a list has no hash
            raise self.unknown_column(name) from None

    def lacks_documents(self, values: Mapping[str, Any]) -> list[str]:
        """Return the NOT NULL document columns that have None in the values of a new row."""
        return [name for name in self.required_documents if name in values and values[name] is None]

    def unknown_column(self, name: Any) -> ColumnNotFoundError:
        """Return the error for a column that does not exist."""
        return ColumnNotFoundError(
            f"table {self.name} has no column {str(name)!r}",
            table_name=self.name,
            column_name=str(name),
            hint=hint_for_column(str(name), self.names),
        )

    def listed(self, argument: str, given: Any) -> tuple[str, ...]:
        """Return the columns that an argument names: one name, or a list of names.

        Raises:
            ValidationError: the argument is neither.
            ColumnNotFoundError: a name is not a column.
        """
        names: Any = [given] if isinstance(given, str) else given
        if not isinstance(names, (list, tuple, set, frozenset)) or (argument == "on" and not names):
            raise ValidationError(
                f"{self.name}: {argument} is the name of a column or a list of names",
                field=argument,
                hint=f"{argument}='email', or {argument}=['tenant', 'email']",
            )
        return tuple([self.column(name).name for name in names])

    def key_columns(self, operation: str) -> tuple[str, ...]:
        """Return the columns of the primary key; reject ``operation`` on a table without one."""
        if not self.pks:
            raise InvalidOperationError(
                f"{operation} needs a primary key, and table {self.name} has none",
                operation=operation,
                target=self.name,
                hint="use a condition: t(...), update_where, delete_where",
            )
        return self.pks

    def _no_key(self, key: Any) -> ValidationError:
        alone = next(iter(self.pks)) if len(self.pks) == 1 else None
        if isinstance(key, slice):
            hint = "a range of rows: t(order_by='id', limit=20, offset=40)"
        elif isinstance(key, Mapping):
            hint = f"pass its value: row[{alone!r}]" if alone else "a tuple of its parts: (row['a'], row['b'])"
        elif isinstance(key, (set, frozenset)):
            hint = f"several rows: t({alone or 'id'}=[...])"
        else:
            hint = "conditions go into t(...), update_where and delete_where"
        return ValidationError(
            f"{self.name}: a key is the value of {', '.join(self.pks)}, not {type(key).__name__}",
            field=alone,
            hint=hint,
        )

    def key_values(self, key: Any) -> tuple[Any, ...]:
        """Return a key as a tuple of one value per key column.

        Raises:
            ValidationError: the key has a wrong number of parts, or holds None.
        """
        if len(self.pks) == 1 and key is not None and not isinstance(key, _NO_KEYS):
            return (key,)
        self.key_columns("a key")
        if isinstance(key, _NO_SEQUENCES):
            if len(self.pks) == 1 and self.columns[self.pks[0]].takes_collections:
                return (key,)
            raise self._no_key(key)
        parts: Any = key if isinstance(key, (tuple, list)) else (key,)
        values: tuple[Any, ...] = tuple(parts)
        if len(values) != len(self.pks):
            raise ValidationError(
                f"the key of {self.name} is ({', '.join(self.pks)}): {len(self.pks)} value(s), not {len(values)}",
                field=self.pks[0] if self.pks else None,
                hint=f"t[{', '.join(self.pks)}]"
                if len(self.pks) > 1
                else f"several rows: t({''.join(self.pks)}=[...])",
            )
        for name, value in zip(self.pks, values, strict=True):
            if value is None:
                raise ValidationError(f"{self.name}.{name}: a key is never None", field=name, hint="give the whole key")
        return values
