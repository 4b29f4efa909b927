"""The order in which tables and other objects are created and dropped, so that each finds what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deebase._backends.schema_parts import TABLES, VIEWS
from deebase._backends.schema_script import SchemaObject
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.ordering import groups
from deebase._sqltext.tokens import folded, words
from deebase.migrations.compare.schema import Schema, TableState

#: What belongs to a table, but uses other tables or functions, which could not be dropped before.
_USING_OTHERS = frozenset({"constraint", "default", "trigger", "rule", "policy"})


def tables(items: Iterable[TableState]) -> list[list[TableState]]:
    """Return tables in the order in which they can be created, those of a cycle together."""
    return list(groups(items, referred))


def referred(table: TableState) -> set[str]:
    """Return the other tables that a table refers to."""
    return {key.target for key in table.facts.foreign_keys} - {table.name}


@dataclass(frozen=True)
class _Placed:
    """An object among others: its label, and the labels of the views that it uses."""

    name: str
    item: SchemaObject
    needs: frozenset[str]


def after_views(items: Sequence[SchemaObject], rules: TokenRules) -> list[SchemaObject]:
    """Return objects in their order, but each after the views that it uses."""
    views = {folded(item.name.rpartition(".")[2]): item.label for item in items if item.kind in VIEWS}

    def placed(item: SchemaObject) -> _Placed:
        used = words("\n".join(item.create), rules)
        return _Placed(item.label, item, frozenset([views[name] for name in views if name in used]) - {item.label})

    return [found.item for group in groups(map(placed, items), lambda found: found.needs) for found in group]


def removal(schema: Schema) -> Iterator[SchemaObject]:
    """Yield the objects of a schema in an order in which they can be dropped; others are dropped with them."""
    names = {item.name for item in schema.script.objects if item.table is None}
    replaced: dict[str, SchemaObject] = {}
    needed: frozenset[str] = _USING_OTHERS
    if not capabilities_of(schema.catalog.dialect).alters_in_place:
        # Foreign keys are a part of the tables, and those of a table that refers to a dropped one would be checked.
        last = [table.name for group in reversed(tables(schema.tables.values())) for table in reversed(group)]
        known = {item.name: item for item in schema.script.objects if item.kind in TABLES}
        places = [item.name for item in reversed(schema.script.objects) if item.kind in TABLES and item.name in last]
        needed = frozenset()
        replaced = {place: known[name] for place, name in zip(places, last, strict=True)}
    for item in reversed(schema.script.objects):
        if item.table not in names or item.kind in needed:
            yield replaced.get(item.name, item) if item.kind in TABLES else item
