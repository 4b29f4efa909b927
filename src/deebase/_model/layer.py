"""The registered tables of a database: a shared layer, and one for each transaction that changes a schema."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model import reflected
from deebase._model.facts import TableInfo
from deebase._rows.field_columns import row_columns
from deebase._rows.model import BUILD_ALL, TableModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.type_names import same_type


@dataclass(frozen=True)
class CatalogEntry:
    """One table or view: its reflected form, and further information from its class.

    Attributes:
        facts: the reflected table or view.
        cls: the class that the table was created from.
        types: the types of columns from the class, or from a change of the table.
        factories: functions that make the values of columns that a new row omits.
        touched: the columns that each update sets to the time.
        row_type: the type of its rows.
        key: for a view, the column by which its rows are read; None for the first one.
    """

    facts: TableInfo
    cls: type | None = None
    types: Mapping[str, sa.types.TypeEngine[Any]] = field(default_factory=dict[str, sa.types.TypeEngine[Any]])
    factories: Mapping[str, Callable[[], Any]] = field(default_factory=dict[str, Callable[[], Any]])
    touched: frozenset[str] = frozenset()
    row_type: type = dict
    key: str | None = None

    def revised(
        self, found: TableInfo, renamed: Mapping[str, str], types: Mapping[str, sa.types.TypeEngine[Any]]
    ) -> CatalogEntry:
        """Return the entry of the same table after a change.

        Args:
            found: the changed table.
            renamed: new names of columns, by their old ones.
            types: the types of columns that the change names.
        """
        before = {renamed.get(column.name, column.name): column for column in self.facts.columns}
        now = {column.name: column for column in found.columns}
        same = [name for name in before if name in now and same_type(before[name].type) == same_type(now[name].type)]
        old_types = {renamed.get(name, name): kind for name, kind in self.types.items()}
        factories = {renamed.get(name, name): make for name, make in self.factories.items()}
        return replace(
            self,
            facts=found,
            types={**{name: old_types[name] for name in same if name in old_types}, **types},
            factories={name: make for name, make in factories.items() if name in now},
            touched=frozenset([renamed.get(name, name) for name in self.touched]) & now.keys(),
            row_type=self.row_type if _fits(self.row_type, now) else dict,
            key=self.key if self.key in now else None,
        )


def _fits(row_type: type, columns: Iterable[str]) -> bool:
    """Whether a row type fits these columns."""
    if not dataclasses.is_dataclass(row_type):
        return True
    return row_columns(row_type) <= set(columns)


class _Index:
    """Names of one layer by what their entries say, so that a change need not look at every entry.

    Attributes:
        referring: the tables with a foreign key to a table, by its name.
        of_schema: the tables and views of a schema.
        of_class: the tables that were created from a class.
        views: the views.
    """

    def __init__(self) -> None:
        self.referring: dict[str, set[str]] = {}
        self.of_schema: dict[str | None, set[str]] = {}
        self.of_class: dict[type, set[str]] = {}
        self.views: set[str] = set()

    def _sets(self, entry: CatalogEntry) -> Iterator[set[str]]:
        for key in entry.facts.foreign_keys:
            yield self.referring.setdefault(key.target, set())
        yield self.of_schema.setdefault(entry.facts.schema, set())
        if entry.cls is not None:
            yield self.of_class.setdefault(entry.cls, set())
        if entry.facts.kind != "table":
            yield self.views

    def replace(self, name: str, before: CatalogEntry | None, after: CatalogEntry | None) -> None:
        """Replace what was noted of an entry."""
        if before is not None:
            for names in self._sets(before):
                names.discard(name)
        if after is not None:
            for names in self._sets(after):
                names.add(name)


class Layer:
    """Tables by name, on top of those of another layer.

    A layer holds the differences from the layer below. ``publish`` merges it into that layer; a discarded layer has no
    effect. A table is built from its entry at its first use. A table that does not differ, and does not refer to
    one that does, is the same object in both layers.
    """

    def __init__(self, dialect: Dialect, below: Layer | None = None) -> None:
        self.dialect = dialect
        self.metadata: sa.MetaData = sa.MetaData(info={BUILD_ALL: self.build_all})
        self._below = below
        #: None hides an entry of the layer below.
        self._entries: dict[str, CatalogEntry | None] = {}
        self._models: dict[str, TableModel] = {}
        self._index = _Index()
        #: The tables with foreign keys to a table, by its name, in this layer and those below.
        self._referring: list[dict[str, set[str]]] = [self._index.referring]
        if below is not None:
            self._referring += below._referring
        #: The names that differ from the layer below, or whose foreign keys lead to one that does, as of its version.
        self._differing: set[str] = set()
        self._version_below = 0
        #: The number of changes.
        self._version = 0

    # -- entries -------------------------------------------------------------------------------

    def entry(self, name: str) -> CatalogEntry | None:
        """Return the entry of a name."""
        if name in self._entries or self._below is None:
            return self._entries.get(name)
        return self._below.entry(name)

    def facts(self, name: str) -> TableInfo | None:
        """Return the reflected table or view of a name."""
        entry = self.entry(name)
        return None if entry is None else entry.facts

    def names(self) -> set[str]:
        """Return all names."""
        below = set[str]() if self._below is None else self._below.names()
        own = {name for name, entry in self._entries.items() if entry is not None}
        return below - self._entries.keys() | own

    def _visible(self, names: Callable[[_Index], Iterable[str]]) -> set[str]:
        """Return names of an index of this layer and those below, without the hidden ones."""
        found = set(names(self._index))
        if self._below is not None:
            found |= self._below._visible(names) - self._entries.keys()
        return found

    def referring(self, name: str) -> set[str]:
        """Return the names of the tables with a foreign key to a table."""
        return self._visible(lambda index: index.referring.get(name, ()))

    def in_schema(self, schema: str | None) -> set[str]:
        """Return the names of a schema."""
        return self._visible(lambda index: index.of_schema.get(schema, ()))

    def of_class(self, cls: type) -> set[str]:
        """Return the names of the tables that were created from a class."""
        return self._visible(lambda index: index.of_class.get(cls, ()))

    def views(self) -> set[str]:
        """Return the names of the views."""
        return self._visible(lambda index: index.views)

    def schemas(self) -> set[str | None]:
        """Return the schemas that have names."""
        below: set[str | None] = set() if self._below is None else self._below.schemas()
        known = {*self._index.of_schema, *below}
        return {schema for schema in known if self.in_schema(schema)}

    def put(self, name: str, entry: CatalogEntry | None) -> None:
        """Set or remove the entry of a name; tables that refer to it are built again."""
        before = self.entry(name)
        if before == entry:
            return
        self._index.replace(name, self._entries.get(name), entry)
        self._entries[name] = entry
        self._version += 1
        if self._below is not None:
            self._mark([name])
        elif entry is None:
            del self._entries[name]
        model = self._models.get(name)
        if model is not None and entry is not None and before is not None and _same_but_indexes(before, entry):
            # Existing handles stay valid for the table.
            model.uniques = reflected.uniques_of(entry.facts)
            reflected.note_other_forms(model.sa_table, entry.facts)
            # Conditions on moments depend on the indexes.
            model.statements.clear()
        else:
            self._unbuild(name)

    def keep_beside(self, name: str, **changes: Any) -> None:
        """Change properties of an entry other than its schema; a rollback does not undo this."""
        if name in self._entries or self._below is None:
            entry = self._entries.get(name)
            if entry is not None:
                self._entries[name] = replace(entry, **changes)
        else:
            self._below.keep_beside(name, **changes)

    def publish(self) -> None:
        """Merge this layer into the one below."""
        below = self._below
        if below is None:
            return
        for name, entry in self._entries.items():
            below.put(name, entry)
        for name, model in self._models.items():
            if name not in below._models:
                below._adopt(name, model)

    # -- models --------------------------------------------------------------------------------

    def model(self, name: str) -> TableModel | None:
        """Return the model of a name."""
        model = self._models.get(name)
        if model is not None:
            return model
        if self._below is not None and not self._differs(name):
            return self._below.model(name)
        return None if self.entry(name) is None else self._build(name)

    def build_all(self) -> None:
        """Build all tables, so that the metadata lists them."""
        for name in sorted([facts.qualified_name for facts in facts_of(self) if facts.kind == "table"]):
            model = self.model(name)
            if model is not None and self.metadata.tables.get(name) is not model.sa_table:
                self._list(model.sa_table)

    def _differs(self, name: str) -> bool:
        """Whether a table, or one that its foreign keys lead to, differs from the layer below."""
        version = 0 if self._below is None else self._below._total_version()
        if version != self._version_below:
            # Another transaction changed the schema meanwhile.
            self._version_below = version
            self._differing.clear()
            self._mark(self._entries)
        return name in self._differing

    def _total_version(self) -> int:
        return self._version + (0 if self._below is None else self._below._total_version())

    def _mark(self, names: Iterable[str]) -> None:
        """Note that entries differ from the layer below, and with them the tables whose foreign keys lead to them."""
        differing, waiting = self._differing, list(names)
        while waiting:
            name = waiting.pop()
            if name not in differing:
                differing.add(name)
                for referring in self._referring:
                    waiting += referring.get(name, ())

    def _unbuilt(self, name: str) -> dict[str, CatalogEntry]:
        """Return the entries of a table and those that its foreign keys lead to, as far as they are to be built."""
        found: dict[str, CatalogEntry] = {}
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each in found or each in self._models or (self._below is not None and not self._differs(each)):
                continue
            entry = self.entry(each)
            if entry is not None:
                found[each] = entry
                waiting += [key.target for key in entry.facts.foreign_keys]
        return found

    def _build(self, name: str) -> TableModel:
        """Build a table from its entry, with those its foreign keys lead to."""
        built = self._unbuilt(name)
        for qualified_name, entry in built.items():
            facts = entry.facts
            self._unlist(qualified_name)
            key = entry.key or next((column.name for column in facts.columns), None)
            reflected.sa_table(facts, self.metadata, self.dialect, entry.types, None if facts.kind == "table" else key)
        for qualified_name, entry in built.items():
            reflected.add_foreign_keys(self.metadata.tables[qualified_name], entry.facts, self._table)
        for qualified_name, entry in built.items():
            self._models[qualified_name] = model = reflected.model_of(
                self.metadata.tables[qualified_name],
                entry.facts,
                self.dialect,
                factories=entry.factories,
                touched=entry.touched,
                # A column may hold any value; a class restricts the values.
                lenient=entry.cls is None and not capabilities_of(self.dialect).checks_types,
            )
            model.row_type = entry.row_type
            model.secure = entry.facts.secure
            model.needs_scope = bool(model.secure) and not capabilities_of(self.dialect).secures_rows
        return self._models[name]

    def _table(self, name: str) -> sa.Table | None:
        """Return a table that was built in this layer or below."""
        if name in self._models or self._below is None or self._differs(name):
            return self.metadata.tables.get(name)
        model = self._below.model(name)
        return None if model is None else model.sa_table

    def _unbuild(self, name: str) -> None:
        """Drop the model of a table, and those of all tables whose foreign keys lead to it."""
        stale, models = [name], self._models
        # The list grows while it is read.
        for target in stale:
            if models.pop(target, None) is not None or target in self.metadata.tables:
                self._unlist(target)
            for referring in self._referring:
                stale += [user for user in referring.get(target, ()) if user in models and user != target]

    def _unlist(self, name: str) -> None:
        table = self.metadata.tables.get(name)
        if table is not None:
            self.metadata.remove(table)

    def _list(self, table: sa.Table) -> None:
        self._unlist(table.key)
        # What sa.Table() and Table.to_metadata() do: no public method adds an existing table.
        self.metadata._add_table(table.name, table.schema, table)  # pyright: ignore[reportPrivateUsage]

    def _adopt(self, name: str, model: TableModel) -> None:
        """Take over a table that another layer built, so that its handles stay those of the table."""
        self._list(model.sa_table)
        model.sa_table.metadata = self.metadata
        self._models[name] = model


def _same_but_indexes(one: CatalogEntry, other: CatalogEntry) -> bool:
    return _without_indexes(one) == _without_indexes(other)


def _without_indexes(entry: CatalogEntry) -> CatalogEntry:
    return replace(entry, facts=replace(entry.facts, indexes=(), other_forms=(), search=None))


def facts_of(layer: Layer) -> Iterator[TableInfo]:
    """Yield the reflected tables and views of a layer."""
    for name in layer.names():
        facts = layer.facts(name)
        if facts is not None:
            yield facts
