"""Changes of objects that are kept as SQL: which are dropped and created, before and after the tables change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cached_property

from deebase._backends.schema_parts import TABLES, VIEWS
from deebase._backends.schema_script import SchemaObject
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import folded, words
from deebase.migrations.compare import creation_order as ordering
from deebase.migrations.compare.changes import Changes
from deebase.migrations.compare.schema import TableState
from deebase.migrations.write.object_edits import edits, plain_name

Key = tuple[str, str]


class ObjectSteps:
    """Decides when objects and views are dropped and created.

    Args:
        changes: the changes of a schema.
    """

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._rules = capabilities_of(changes.after.catalog.dialect).tokens
        self._in_place = capabilities_of(changes.after.catalog.dialect).alters_in_place
        self._words: dict[str, frozenset[str]] = {}
        old = {_key(item): item for item in changes.drop_objects}
        #: The tables outside of the current schema, and the partitions, that differ: their rows would be lost.
        self.left: list[SchemaObject] = [
            item for item in changes.create_objects if _key(item) in old and item.kind in TABLES
        ]
        left = {_key(item) for item in self.left}
        self._created: list[SchemaObject] = [item for item in changes.create_objects if _key(item) not in left]
        self._gone: list[SchemaObject] = [item for item in changes.drop_objects if _key(item) not in left]
        #: The statements that change an object without dropping it.
        self.edits: dict[Key, tuple[str, ...]] = {
            _key(item): found
            for item in self._created
            if _key(item) in old and (found := edits(old[_key(item)], item, changes)) is not None
        }

    # -- what is dropped -----------------------------------------------------------------------

    @cached_property
    def dropped_first(self) -> list[SchemaObject]:
        """The objects and views that are dropped before tables change, in this order."""
        gone = {table.name for table in self._changes.drop}
        last = {_key(item) for item in self.dropped_last}
        found = {
            _key(item): item
            for item in [*self._dropped, *self._in_the_way]
            if _key(item) not in last and item.table not in gone
        }
        return self._backwards(found.values())

    @cached_property
    def dropped_last(self) -> list[SchemaObject]:
        """The objects that are dropped after the tables that use them were changed, in this order."""
        tables = [*self._changes.drop, *[change.before for change in self._changes.alter]]
        used = frozenset[str]().union(*[self._of_table(table) for table in tables])
        gone = {table.name for table in self._changes.drop}
        used = used.union(*[self._of(item) for item in self._gone if item.table in gone])
        found: dict[Key, SchemaObject] = {}
        recreated = {_key(item) for item in self._created}
        while True:
            more = {
                _key(item): item
                for item in self._dropped
                if item.table is None
                and item.kind not in VIEWS
                and _key(item) not in (found.keys() | recreated)
                and plain_name(item) in used
            }
            if not more:
                return self._backwards(found.values())
            found |= more
            used |= frozenset[str]().union(*[self._of(item) for item in more.values()])

    @cached_property
    def _dropped(self) -> list[SchemaObject]:
        views = {view.name for view in self._changes.drop_views}
        return [
            *[item for item in self._gone if _key(item) not in self.edits],
            *[item for item in self._changes.before.script.objects if item.kind in VIEWS and item.name in views],
        ]

    @cached_property
    def _in_the_way(self) -> list[SchemaObject]:
        """The unchanged objects and views that use what changes: they are dropped before, and created again after.

        Where ALTER TABLE changes a type in place, the database refuses it while a view or policy uses the column.
        """
        changed = {_key(item) for item in self._dropped} | self.edits.keys()
        known = self._changes.before.parts
        unchanged = [
            item
            for item in self._changes.before.script.objects
            if _key(item) not in changed and (item.kind in VIEWS or _key(item) in known.objects)
        ]
        uses = self._blocked_by_tables()
        names = {folded(_last(view.name)) for view in self._changes.drop_views} | self._replaced()
        owners = {view.name for view in self._changes.drop_views}
        found: dict[Key, SchemaObject] = {}
        while True:
            more = {
                _key(item): item
                for item in unchanged
                if _key(item) not in found
                and (uses(item) or item.table in owners or not names.isdisjoint(self._of(item)))
            }
            if not more:
                return list(found.values())
            found |= more
            views = {item.name for item in more.values() if item.kind in VIEWS}
            owners, names, uses = views, {folded(_last(name)) for name in views}, _no_use

    def _replaced(self) -> set[str]:
        """Return the names of the objects that are dropped and created in another form."""
        created = {_key(item) for item in self._created}
        return {plain_name(item) for item in self._dropped if _key(item) in created and item.table is None}

    def _blocked_by_tables(self) -> Callable[[SchemaObject], bool]:
        tables: set[str] = set()
        columns: dict[str, set[str]] = {}
        for change in self._changes.alter:
            names = [*change.drop, *(change.types if self._in_place else [])]
            if names:
                tables.add(folded(_last(change.name)))
                columns[change.name] = {folded(name) for name in names}

        def uses(item: SchemaObject) -> bool:
            if item.kind in VIEWS:
                return not tables.isdisjoint(self._of(item))
            return self._in_place and not columns.get(item.table or "", set()).isdisjoint(self._of(item))

        return uses

    # -- what is created -----------------------------------------------------------------------

    @cached_property
    def created_first(self) -> list[SchemaObject]:
        """The objects that are created or edited before tables change, in this order."""
        waiting = {_key(item) for item in self._waiting}
        return self._forwards([item for item in self._created if _key(item) not in waiting])

    def created_between(self, tables: Iterable[TableState]) -> list[SchemaObject]:
        """Return the objects that some of the tables that are created need, and that need tables themselves."""
        used = frozenset[str]().union(*[self._of_table(table) for table in tables])
        found = [item for item in self._waiting if item.table is None and item.kind not in VIEWS]
        return self._forwards([item for item in found if plain_name(item) in used and _key(item) not in self.edits])

    def created_last(self, created: Collection[SchemaObject]) -> list[SchemaObject]:
        """Return the objects and views that are created or edited after tables have changed, in this order.

        Args:
            created: those that were created between tables.
        """
        views = {view.name for view in self._changes.create_views}
        early = {_key(item) for item in created}
        after = self._changes.after.script.objects
        found = [
            *[item for item in self._waiting if _key(item) not in early],
            *[item for item in after if item.kind in VIEWS and item.name in views],
            *self._in_the_way,
        ]
        return ordering.after_views(self._forwards({_key(item): item for item in found}.values()), self._rules)

    @cached_property
    def _waiting(self) -> list[SchemaObject]:
        """The created objects that need a table or view that is created or changed."""
        names = {folded(_last(table.name)) for table in self._changes.create}
        names |= {folded(_last(change.name)) for change in self._changes.alter}
        names |= {folded(_last(view.name)) for view in self._changes.create_views}
        names |= {folded(_last(item.name)) for item in self._in_the_way if item.kind in VIEWS}
        found: list[SchemaObject] = []
        for item in self._forwards(self._created):
            if item.table is not None or not names.isdisjoint(self._of(item)):
                found.append(item)
                names |= {plain_name(item)} if item.table is None else set()
        return found

    # -- helpers -------------------------------------------------------------------------------

    def needs(self, item: SchemaObject, names: Collection[str]) -> set[str]:
        """Return which of these names an object uses."""
        return {name for name in names if folded(_last(name)) in self._of(item)}

    def _of(self, item: SchemaObject) -> frozenset[str]:
        """Return the names that an object uses, besides its own."""
        text = "\n".join(item.create)
        if text not in self._words:
            self._words[text] = words(text, self._rules)
        return self._words[text] - {plain_name(item)}

    def _of_table(self, table: TableState) -> frozenset[str]:
        text = "\n".join([*table.ddl.create, *table.ddl.constrain])
        if text not in self._words:
            self._words[text] = words(text, self._rules)
        return self._words[text]

    def _forwards(self, items: Iterable[SchemaObject]) -> list[SchemaObject]:
        after, before = self._changes.after.parts.order, self._changes.before.parts.order
        return sorted(items, key=lambda item: after.get(_key(item), before.get(_key(item), 0)))

    def _backwards(self, items: Iterable[SchemaObject]) -> list[SchemaObject]:
        order = self._changes.before.parts.order
        return ordering.after_views(sorted(items, key=lambda item: order[_key(item)]), self._rules)[::-1]


def _key(item: SchemaObject) -> Key:
    return item.kind, item.name


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _no_use(item: SchemaObject) -> bool:
    return False
