"""What a copy between databases of two kinds exchanges: tables, forms of values, rows, and SQL in a common form.

A source reads its rows as values in *forms*, each of which any database can store: text that ISO 8601 or PostgreSQL
defines, numbers, bytes. A target declares a column for a form, and stores and reads its values. A source and a target
know nothing of each other.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from deebase._model.facts import TableInfo
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.tokens import folded

Kind = Literal[
    "integer", "real", "decimal", "boolean", "text", "bytes", "date", "time", "timestamp", "timestamptz", "interval",
    "json", "uuid", "array", "native",
]  # fmt: skip
#: Converts one value; raises ValueError for one that it cannot convert.
Convert = Callable[[Any], Any]
#: Rows, column by column.
Batch = Sequence[Sequence[Any]]
#: The class of values that are in a form as they are.
PLAIN: Final[dict[str, type]] = {"integer": int, "real": float, "text": str, "bytes": bytes}
#: Rows that are read and sent at once.
BATCH: Final = 2_000


@dataclass(frozen=True)
class Form:
    """The form of a column's values.

    Attributes:
        kind: an integer is an int of 64 bits, a real a float, a boolean a bool, bytes are bytes. All others are text: a
            decimal in digits; a date, time, timestamp and timestamptz (in UTC, without its zone) as PostgreSQL writes
            them in ISO style; an interval in ISO 8601; an array as JSON.
        native: the type of PostgreSQL that has no form of its own, or a closer one: "inet", "smallint", "integer[]".
        sizes: the length of text, or precision and scale of a decimal.
    """

    kind: Kind
    native: str = ""
    sizes: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return its name for messages."""
        name = self.native or self.kind
        return f"{name}({', '.join(map(str, self.sizes))})" if self.sizes else name


@dataclass(frozen=True)
class CopiedColumn:
    """One column of a copy.

    Attributes:
        name: its name in the source.
        form: the form of its values.
        not_null: whether it is NOT NULL in the target.
        labels: the values of an enum.
        declared: its declared type on SQLite, if that cannot be inferred from the form; a target keeps it.
        style: how a column of SQLite writes dates and times, if not as DeeBase does; a copy back writes them the same.
        default: its default in common SQL, or None.
        is_generated: whether the database generates its values.
        is_computed: whether the source computes its values.
    """

    name: str
    form: Form
    not_null: bool = False
    labels: tuple[str, ...] = ()
    declared: str = ""
    style: str = ""
    default: str | None = None
    is_generated: bool = False
    is_computed: bool = False


@dataclass(frozen=True)
class CopiedIndex:
    """An index: its name and everything from its columns on, in common SQL; ``columns`` if it has only columns."""

    name: str
    unique: bool
    sql: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TablePlan:
    """One table of a copy.

    Attributes:
        facts: the table in the source.
        columns: its columns.
        key: the columns of its primary key in the target.
        checks: the conditions of its CHECKs in common SQL, by their name or "".
        indexes: its indexes.
        notes: what the copy does differently, and why.
        undecodable: whether text of the source is read as bytes, since some of it is not UTF-8.
        as_text: whether text takes any bytes, in hexadecimal if they are not UTF-8.
        misfits: how many values have no form that the column of the target stores.
        keys: the foreign keys whose tables and columns the target will have.
        last_key: the last generated key, which may be of a deleted row.
    """

    facts: TableInfo
    columns: tuple[CopiedColumn, ...]
    key: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    indexes: tuple[CopiedIndex, ...] = ()
    notes: tuple[str, ...] = ()
    undecodable: bool = False
    as_text: bool = False
    misfits: int = 0
    keys: tuple[ForeignKeyModel, ...] = ()
    last_key: int | None = None

    @property
    def name(self) -> str:
        """The name of the table in the source, with its schema unless that is the default one."""
        return self.facts.qualified_name

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class Skeleton:
    """Everything of a schema besides its tables.

    Attributes:
        views: the name of each view, and its CREATE statement from there on, in common SQL.
        left_out: kind and name of what has no counterpart in another kind of database.
    """

    views: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """How source and target reach their database.

    Attributes:
        read: runs a SELECT and returns its rows.
        stream: runs a SELECT and yields its rows in pieces.
        run: runs a statement.
        many: runs a statement for each row of parameters.
        copy: stores rows in the text format of COPY: table, columns, pieces of it.
        copy_out: calls a function with pieces of the rows of a query, in the binary format of COPY.
        copy_in: stores such pieces: schema, table, columns, pieces.
        savepoint: a block after whose error the transaction goes on.
    """

    read: Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]
    stream: Callable[[str], AsyncGenerator[Sequence[Sequence[Any]], None]]
    run: Callable[[str], Awaitable[None]]
    many: Callable[[str, Sequence[Sequence[Any]]], Awaitable[None]]
    copy: Callable[[str, Sequence[str], AsyncGenerator[bytes, None]], Awaitable[None]]
    copy_out: Callable[[str, Callable[[bytes], Awaitable[None]]], Awaitable[None]]
    copy_in: Callable[[str, str, Sequence[str], AsyncGenerator[bytes, None]], Awaitable[None]]
    savepoint: Callable[[], AbstractAsyncContextManager[object]]


@dataclass(frozen=True)
class StoredTable:
    """A table of a copy within one kind of database.

    Attributes:
        name: its name for messages: with its schema unless that is the current one.
        schema: its schema.
        table: its name there.
        columns: the columns that are stored, not computed.
        whole: the names of the partitioned tables that it is a partition of.
    """

    name: str
    schema: str
    table: str
    columns: tuple[str, ...]
    whole: frozenset[str] = frozenset()


class RowTransfer(Protocol):
    """The rows of a database for a copy into another one of its kind."""

    def prepare(self) -> list[str]:
        """Return the statements at the beginning of each transaction."""
        ...

    def tables(self) -> Awaitable[list[StoredTable]]:
        """Return all tables that hold rows."""
        ...

    def query(self, table: StoredTable) -> str:
        """Return the SELECT of the rows of a table."""
        ...

    def digest(self, table: StoredTable) -> Awaitable[tuple[int, str]]:
        """Return the number of rows, and a digest of them."""
        ...

    def sequences(self, tables: frozenset[tuple[str, str]] | None) -> Awaitable[list[str]]:
        """Return the statements that set the sequences of tables, or all sequences, to their values."""
        ...


class CopySource(Protocol):
    """Reads the tables of a database for a copy into another kind of database."""

    def schemas(self) -> Awaitable[list[str | None]]:
        """Return all schemas; None is the default one."""
        ...

    def prepare(self) -> list[str]:
        """Return the statements at the beginning of the transaction that reads."""
        ...

    def plan(self, facts: TableInfo, target: CopyTarget, *, as_text: bool) -> Awaitable[TablePlan]:
        """Return how a table is copied; without columns if it cannot be. The form of a column may depend on its values.

        Args:
            facts: the table.
            target: refuses values.
            as_text: a column with values that do not fit its type becomes one of text, or of bytes.
        """
        ...

    def skeleton(self, tables: Collection[str]) -> Awaitable[Skeleton]:
        """Return the views, and what has no counterpart in another kind of database."""
        ...

    def rows(self, plan: TablePlan, names: Sequence[str]) -> AsyncGenerator[Batch, None]:
        """Yield the stored values of columns."""
        ...

    def violations(self, facts: TableInfo, key: ForeignKeyModel) -> Awaitable[int]:
        """Return how many rows violate a foreign key; 0 if the target finds them itself."""
        ...

    def converters(self, plan: TablePlan, names: Sequence[str]) -> list[Convert | None]:
        """Return what converts stored values of columns to their forms; None where they are in it."""
        ...

    def total(self, plan: TablePlan) -> Awaitable[int]:
        """Return the number of rows."""
        ...


class CopyTarget(Protocol):
    """Creates and fills tables of a copy from another kind of database."""

    def accepts(self, form: Form, values: Sequence[str]) -> Awaitable[bool]:
        """Return whether the database has the native type of a form, and takes all values."""
        ...

    def settle(self, plans: Sequence[TablePlan]) -> Placed:
        """Return the names of tables and columns, and what about them is not as in the source."""
        ...

    def refusals(self, form: Form) -> Convert | None:
        """Return what raises ValueError for a value that a column of a form does not store; None if it stores all."""
        ...

    def declared(self, column: CopiedColumn, declaration: str) -> CopiedColumn:
        """Return a column that is declared in a given way, where its values allow that."""
        ...

    def create(self, plan: TablePlan, placed: Placed) -> list[str]:
        """Return the statements that create a table, without what ``finish`` creates."""
        ...

    def store(self, plan: TablePlan, placed: Placed, batches: AsyncGenerator[Batch, None]) -> Awaitable[None]:
        """Store the rows of a table."""
        ...

    def finish(self, plan: TablePlan, placed: Placed) -> list[Later]:
        """Return what is created after the rows."""
        ...

    def settle_keys(self, plan: TablePlan, placed: Placed) -> Awaitable[None]:
        """Set generated keys to continue after the highest one."""
        ...

    def rows(self, plan: TablePlan, placed: Placed) -> AsyncGenerator[Batch, None]:
        """Yield the stored rows in their forms."""
        ...

    def view(self, name: str, definition: str, placed: Placed) -> str:
        """Return the statement that creates a view."""
        ...

    def drop(self, names: Sequence[str]) -> list[str]:
        """Return the statements that drop tables, which may refer to each other."""
        ...

    def before_rows(self) -> list[str]:
        """Return the statements at the beginning of each transaction that stores rows."""
        ...


@dataclass(frozen=True)
class Later:
    """What is created after the rows.

    Attributes:
        label: what it is, for messages.
        sql: the statement that creates it.
        otherwise: the statement that creates what comes closest, if ``sql`` fails; "" for nothing.
        offenders: a SELECT of the rows that it refuses: their keys.
        remark: what is said if only ``otherwise`` succeeds.
    """

    label: str
    sql: str
    otherwise: str = ""
    offenders: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Placed:
    """The names of a copy in the target.

    Attributes:
        tables: by the name in the source.
        columns: by table and column of the source.
        notes: the names that differ, and why.
        capabilities: the limits of the target.
        taken: the names of tables and indexes, in the form in which the target compares them.
    """

    tables: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]
    notes: list[str]
    capabilities: Capabilities
    taken: set[str]

    def column(self, table: str, name: str) -> str:
        """Return the name of a column."""
        return self.columns[table, name]

    def unused(self, name: str) -> str:
        """Return a name for an index: the same, or a similar one that is shorter or not in use."""
        return _unused(name, self.taken, self.capabilities)


def place_names(plans: Sequence[TablePlan], capabilities: Capabilities) -> Placed:
    """Return names that the target accepts, the same ones where it does."""
    taken: set[str] = set()
    tables: dict[str, str] = {}
    columns: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    for plan in plans:
        tables[plan.name] = _unused(plan.name, taken, capabilities)
        if tables[plan.name] != plan.name:
            notes.append(f"table {plan.name} is named {tables[plan.name]}")
        used = set(capabilities.system_columns)
        for name in plan.names:
            columns[plan.name, name] = made = _unused(name, used, capabilities)
            if made != name:
                notes.append(f"column {plan.name}.{name} is named {made}")
    return Placed(tables, columns, notes, capabilities, taken)


def _unused(name: str, taken: set[str], capabilities: Capabilities) -> str:
    """Return a name that is not taken, and take it."""
    made, number = _shortened(name, capabilities), 1
    while (key := folded(made) if capabilities.ignores_case_of_names else made) in taken:
        number += 1
        ending = f"_{number}"
        made = _shortened(name, capabilities, len(ending)) + ending
    taken.add(key)
    return made


def _shortened(name: str, capabilities: Capabilities, room: int = 0) -> str:
    most = capabilities.max_name_bytes
    return name if most is None else name.encode()[: most - room].decode(errors="ignore")
