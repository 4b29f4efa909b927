"""A table with its columns and constraints, and the statements that create it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Sequence as Rows
from dataclasses import dataclass

from deebase._backends.postgres.script.entries import Address, Entry, Target, make_entry, storage_text
from deebase._backends.postgres.script.sequences import Sequence

IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
COMPRESSION = {"p": "pglz", "l": "lz4"}
_SERIAL = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}


@dataclass(frozen=True)
class Column:
    """A column as the catalogs hold it; ``default`` is also the expression of a generated one."""

    number: int
    name: str
    quoted: str
    type: str
    collation: str | None
    not_null: bool
    identity: str
    generated: str
    default_oid: int | None
    default: str | None
    local: bool
    storage: str | None
    compression: str | None
    statistics: int | None
    options: Rows[str]
    foreign_options: Rows[str]


@dataclass(frozen=True)
class Constraint:
    """A constraint: its name, its kind as in ``contype``, its definition.

    Attributes:
        properties: what distinguishes a foreign key from a plain one, besides its actions.
    """

    oid: int
    name: str
    quoted: str
    kind: str
    definition: str
    local: bool
    no_inherit: bool
    valid: bool
    columns: Rows[int]
    index_name: str | None
    index_options: Rows[str]
    properties: Rows[str]

    @property
    def address(self) -> Address:
        """Its row."""
        return Address("pg_constraint", self.oid)

    @property
    def sql(self) -> str:
        """Name and definition."""
        return f"CONSTRAINT {self.quoted} {self.definition}"


@dataclass(frozen=True)
class TableText:
    """A table with its columns and constraints.

    Attributes:
        columns: its columns.
        constraints: its constraints.
        sequences: the sequences that its columns own, by the number of the column.
        parents: the tables of which it is a partition or that it inherits from.
        name: its name as SQL.
        label: its name for people.
        relname: its name without a schema.
    """

    columns: Rows[Column]
    constraints: Rows[Constraint]
    sequences: Mapping[int, Rows[Sequence]]
    parents: Rows[TableText]
    oid: int
    name: str
    label: str
    relname: str
    kind: str
    persistence: str
    partition: bool
    options: Rows[str]
    method: str | None
    partition_key: str | None
    bound: str | None
    of_type: str | None
    replica: str
    replica_index: str | None
    cluster_index: str | None
    server: str | None
    server_options: Rows[str]

    @property
    def address(self) -> Address:
        """Its row."""
        return Address("pg_class", self.oid)

    @property
    def word(self) -> str:
        """Its kind in SQL."""
        return "FOREIGN TABLE" if self.kind == "f" else "TABLE"

    @property
    def alter(self) -> str:
        """The start of a statement that changes this table alone."""
        return f"ALTER {self.word} ONLY {self.name}"

    @property
    def joins_later(self) -> bool:
        """Whether it becomes a child after its creation: a partition, or a child whose columns have another order."""
        if self.partition or self.of_type is not None:
            return self.partition
        inherited = list(dict.fromkeys([column.name for parent in self.parents for column in parent.columns]))
        names = [column.name for column in self.columns]
        return all(column.local for column in self.columns) and names[: len(inherited)] != inherited

    # -- statements ----------------------------------------------------------------------------

    def entry(self, without: Collection[Address] = ()) -> Entry:
        """Return the entry of the table.

        Args:
            without: defaults and checks to leave out.
        """
        target = Target(f"{self.word} {self.name}", f"{self.word.lower()} {self.label}")
        made = make_entry(self.address, target, list(self._statements(without)), parts=self._parts())
        return Entry(made.address, made.item, made.target, made.parts, self._loose(), self.entry)

    def later_constraints(self) -> list[Entry]:
        """Return the foreign keys, and the constraints that new rows alone keep."""
        return [self._alone(one) for one in self.constraints if one.kind == "f" or (not one.valid and one.local)]

    def column_sql(self, column: Column, without: Collection[Address] = ()) -> str:
        """Return a column as CREATE TABLE and ADD COLUMN take it."""
        serial = self._serial(column, without)
        parts = [column.quoted, serial or column.type]
        if column.foreign_options:
            parts.append(f"OPTIONS ({', '.join(column.foreign_options)})")
        if column.compression is not None:
            parts.append(f"COMPRESSION {COMPRESSION[column.compression]}")
        if column.collation is not None:
            parts.append(f"COLLATE {column.collation}")
        if column.identity and not self.partition:
            parts.append(self._identity(column))
        elif column.generated:
            parts.append(f"GENERATED ALWAYS AS ({column.default}) {'STORED' if column.generated == 's' else 'VIRTUAL'}")
        elif serial is None and self._has_default(column, without):
            parts.append(f"DEFAULT {column.default}")
        return " ".join([*parts, *self._not_null(column)])

    def _statements(self, without: Collection[Address]) -> Iterator[str]:
        owned = [
            (self.columns_by_number()[number], sequence)
            for number, sequences in self.sequences.items()
            for sequence in sequences
            if not sequence.identity
            and not (self._serial(self.columns_by_number()[number], without) and sequence is self.sequences[number][0])
        ]
        yield from [sequence.create() for _, sequence in owned]
        yield self._create(without)
        for column, sequence in owned:
            yield f"ALTER SEQUENCE {sequence.name} OWNED BY {self.name}.{column.quoted}"
        if self.joins_later:
            for parent in self.parents:
                if self.partition:
                    yield f"ALTER TABLE ONLY {parent.name} ATTACH PARTITION {self.name} {self.bound}"
                else:
                    yield f"{self.alter} INHERIT {parent.name}"
        for column in self.columns:
            yield from self._settings(column, without)
        yield from [f"{self.alter} ADD {one.sql}" for one in self._later_keys()]
        for one in self.constraints:
            if one.index_options:
                yield f"ALTER INDEX {one.index_name} SET ({storage_text(one.index_options)})"
        if self.replica == "f":
            yield f"{self.alter} REPLICA IDENTITY FULL"
        elif self.replica == "n" and self.kind != "f":
            yield f"{self.alter} REPLICA IDENTITY NOTHING"
        elif self._has_constraint(self.replica_index):
            yield f"{self.alter} REPLICA IDENTITY USING INDEX {self.replica_index}"
        if self._has_constraint(self.cluster_index):
            yield f"ALTER TABLE {self.name} CLUSTER ON {self.cluster_index}"

    def _create(self, without: Collection[Address]) -> str:
        lines = list(self._lines(without))
        unlogged = "UNLOGGED " if self.persistence == "u" else ""
        text = f"CREATE {unlogged}{self.word} {self.name}"
        if self.of_type is not None:
            text += f" OF {self.of_type}"
        if lines or self.of_type is None:
            text += " (\n    " + ",\n    ".join(lines) + "\n)" if lines else " ()"
        if self.parents and not self.joins_later:
            text += f" INHERITS ({', '.join([parent.name for parent in self.parents])})"
        if self.partition_key is not None:
            text += f" PARTITION BY {self.partition_key}"
        if self.method is not None:
            text += f" USING {self.method}"
        if self.options:
            text += f" WITH ({storage_text(self.options)})"
        if self.server is not None:
            text += f" SERVER {self.server}"
            text += f" OPTIONS ({', '.join(self.server_options)})" if self.server_options else ""
        return text

    def _lines(self, without: Collection[Address]) -> Iterator[str]:
        for column in self.columns:
            if self.of_type is not None:
                settings = [f"DEFAULT {column.default}"] if self._has_default(column, without) else []
                if settings := [*settings, *self._not_null(column)]:
                    yield f"{column.quoted} WITH OPTIONS {' '.join(settings)}"
            elif self._printed(column):
                yield self.column_sql(column, without)
        for one in self.constraints:
            if one.kind == "n":
                column = self.columns_by_number()[one.columns[0]]
                if one.local and one.valid and self.of_type is None and not self._printed(column):
                    yield one.sql
            elif self._is_inline(one) and one.address not in without:
                yield one.sql

    def _is_inline(self, one: Constraint) -> bool:
        return one.kind != "f" and one.valid and (one.local or self.joins_later) and one not in self._later_keys()

    def _later_keys(self) -> list[Constraint]:
        """Return a key that would make the NOT NULL of inherited columns the table's own."""
        inherits = self.parents and not self.joins_later
        return [one for one in self.constraints if one.kind == "p"] if inherits else []

    def _not_null(self, column: Column) -> list[str]:
        if not column.not_null:
            return []
        found = next((one for one in self.constraints if one.kind == "n" and one.columns[0] == column.number), None)
        if found is None:
            # Servers before 18 have no constraint for it.
            return ["NOT NULL"]
        if not found.valid or not (found.local or self.joins_later):
            return []
        named = [] if found.name == f"{self.relname}_{column.name}_not_null" else [f"CONSTRAINT {found.quoted}"]
        return [*named, "NOT NULL", *(["NO INHERIT"] if found.no_inherit else [])]

    def _identity(self, column: Column) -> str:
        (sequence,) = self.sequences[column.number]
        options = sequence.options()
        if sequence.relname != f"{self.relname}_{column.name}_seq":
            options.insert(0, f"SEQUENCE NAME {sequence.name}")
        listed = f" ({' '.join(options)})" if options else ""
        return f"GENERATED {IDENTITY[column.identity]} AS IDENTITY{listed}"

    def _serial(self, column: Column, without: Collection[Address]) -> str | None:
        """Return the serial type of a column that is exactly what the type makes."""
        if column.identity or not column.not_null or not self._has_default(column, without):
            return None
        if not self._printed(column) or self._not_null(column)[:1] != ["NOT NULL"]:
            return None
        sequence = next(iter(self.sequences.get(column.number, ())), None)
        usual = (
            sequence is not None
            and sequence.relname == f"{self.relname}_{column.name}_seq"
            and sequence.next_value == column.default
            and sequence.type == column.type
            and sequence.persistence == self.persistence
            and not sequence.options()
        )
        return _SERIAL.get(column.type) if usual else None

    def _printed(self, column: Column) -> bool:
        if self.of_type is not None:
            return False
        # Defaults of several parents must be the same, unless the child has a definition of its own.
        return column.local or self.joins_later or len(self._inherited_defaults(column)) > 1

    def _inherited_defaults(self, column: Column) -> set[str | None]:
        return {one.default for parent in self.parents for one in parent.columns if one.name == column.name}

    def _has_default(self, column: Column, without: Collection[Address]) -> bool:
        if column.default_oid is None or column.generated:
            return False
        return Address("pg_attrdef", column.default_oid) not in without

    def _settings(self, column: Column, without: Collection[Address]) -> Iterator[str]:
        """Yield the statements for what the definition of a column cannot say."""
        alter = f"{self.alter} ALTER COLUMN {column.quoted}"
        if self.of_type is None and not self._printed(column) and not column.generated:
            inherited = self._inherited_defaults(column)
            if column.default is None and inherited != {None}:
                yield f"{alter} DROP DEFAULT"
            elif self._has_default(column, without) and inherited != {column.default}:
                yield f"{alter} SET DEFAULT {column.default}"
        if column.storage is not None:
            yield f"{alter} SET STORAGE {STORAGE[column.storage]}"
        if column.statistics is not None:
            yield f"{alter} SET STATISTICS {column.statistics}"
        if column.options:
            yield f"{alter} SET ({storage_text(column.options)})"

    def _has_constraint(self, index: str | None) -> bool:
        """Whether an index comes with a constraint; others are objects with statements of their own."""
        return index is not None and any(one.quoted == index for one in self.constraints if one.kind in "pux")

    def columns_by_number(self) -> dict[int, Column]:
        """Return its columns by number."""
        return {column.number: column for column in self.columns}

    # -- parts ---------------------------------------------------------------------------------

    def _constraint_target(self, one: Constraint) -> Target:
        return Target(f"CONSTRAINT {one.quoted} ON {self.name}", f"constraint {one.name} on {self.label}")

    def _parts(self) -> dict[tuple[Address, int], Target]:
        found: dict[tuple[Address, int], Target] = {}
        for column in self.columns:
            target = Target(f"COLUMN {self.name}.{column.quoted}", f"column {self.label}.{column.name}")
            found[self.address, column.number] = target
        for one in self.constraints:
            if one.kind != "f" and one.valid:
                found[one.address, 0] = self._constraint_target(one)
        for sequences in self.sequences.values():
            for sequence in sequences:
                found[Address("pg_class", sequence.oid), 0] = sequence.target
        return found

    def _alone(self, one: Constraint) -> Entry:
        return make_entry(
            one.address,
            self._constraint_target(one),
            [f"{self.alter_all} ADD {one.sql}"],
            drop=f"{self.alter_all} DROP CONSTRAINT {one.quoted}",
            table=self.label,
            after_rows=one.kind == "f" or not one.valid,
        )

    @property
    def alter_all(self) -> str:
        """The start of a statement that changes this table and its children."""
        return f"ALTER {self.word} {self.name}"

    def _loose(self) -> dict[Address, Entry]:
        checks = [one for one in self.constraints if one.kind == "c" and one.valid and one.local]
        found = {one.address: self._alone(one) for one in checks}
        for column in self.columns:
            if column.default_oid is not None and not column.generated:
                address = Address("pg_attrdef", column.default_oid)
                alter = f"{self.alter} ALTER COLUMN {column.quoted}"
                found[address] = make_entry(
                    address,
                    Target(f"COLUMN {self.name}.{column.quoted}", f"default {self.label}.{column.name}"),
                    [f"{alter} SET DEFAULT {column.default}"],
                    drop=f"{alter} DROP DEFAULT",
                    table=self.label,
                )
        return found
