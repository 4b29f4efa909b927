"""The order in which a module creates its tables, and the objects that it creates by their SQL."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deebase._backends.schema_script import SchemaObject
from deebase._model.design import TableSpec
from deebase._sqltext.ordering import groups
from deebase.tools.codegen.module import Outline

#: Kinds and names of objects that a class creates.
Covered = Mapping[str, Collection[tuple[str, str]]]


@dataclass(frozen=True)
class Step:
    """Tables that are created together from their classes, or objects that are created by their SQL.

    Attributes:
        tables: the names of the tables.
        objects: the objects.
    """

    tables: tuple[str, ...] = ()
    objects: tuple[SchemaObject, ...] = ()


def steps_of_classes(designs: Sequence[TableSpec]) -> list[Step]:
    """Return the steps of tables that are all created from classes."""
    return [Step(tables=tuple([made.name for made in group])) for group in groups(designs, _needs)]


def _needs(design: TableSpec) -> set[str]:
    """Return the other tables that a table refers to."""
    return {reference.table for reference in design.references} - {design.name}


def planned(
    outlines: Sequence[Outline], objects: Sequence[SchemaObject], covered: Covered
) -> tuple[list[Outline], list[Step]]:
    """Return the classes, those that are created by SQL marked so, and the steps of ``create_tables``.

    Args:
        outlines: the classes; those with a design are created from it if their place in the order allows it.
        objects: all objects of the module in the order of their creation, those that classes create included.
        covered: the objects that the class of a table creates, by table.
    """
    there = {item.name for item in objects if item.table is None}
    by_class = {made.table: made.design for made in outlines if made.design is not None and made.table in covered}
    while True:
        plan = _Plan(objects, by_class, covered)
        steps = list(plan.steps())
        if not plan.too_late:
            break
        for name in plan.too_late:
            del by_class[name]
    marked = [
        made if made.table in by_class else replace(made, design=None, by_sql=made.table in there) for made in outlines
    ]
    return marked, steps


class _Plan:
    """One attempt to create some tables from their classes, each after those that it refers to."""

    def __init__(self, objects: Sequence[SchemaObject], by_class: Mapping[str, TableSpec], covered: Covered) -> None:
        self._objects = objects
        self._by_class = by_class
        made = {name: set(covered[name]) for name in by_class}
        self._covered = set[tuple[str, str]]().union(*made.values())
        self._module = {item.name for item in objects if item.table is None}
        self._created: set[str] = set()
        self._waiting: dict[str, TableSpec] = {}
        #: The tables that another object needs before they can be created from their classes.
        self.too_late: list[str] = []

    def steps(self) -> Iterator[Step]:
        """Yield the steps; they are of no use if a table is too late."""
        by_sql: list[SchemaObject] = []
        for item in self._objects:
            if (item.kind, item.name) in self._covered:
                if item.name in self._by_class and item.table is None:
                    self._waiting[item.name] = self._by_class[item.name]
                continue
            if any(self._is_about(item, name) for name in self._waiting):
                yield from self._flushed(by_sql)
                by_sql = []
                self.too_late += [name for name in self._waiting if self._is_about(item, name)]
            by_sql.append(item)
            if item.table is None:
                self._created.add(item.name)
        yield from self._flushed(by_sql)
        self.too_late += self._waiting

    def _flushed(self, by_sql: Sequence[SchemaObject]) -> Iterator[Step]:
        """Yield the objects by SQL so far, and the tables from classes whose targets exist then."""
        if by_sql:
            yield Step(objects=tuple(by_sql))
        for group in groups(list(self._waiting.values()), _needs):
            names = [made.name for made in group]
            if all(self._missing(made) <= set(names) for made in group):
                yield Step(tables=tuple(names))
                self._created.update(names)
                for name in names:
                    del self._waiting[name]

    def _missing(self, made: TableSpec) -> set[str]:
        """Return the tables of this module that a table refers to and that do not exist yet."""
        return (_needs(made) & self._module) - self._created

    def _is_about(self, item: SchemaObject, name: str) -> bool:
        """Whether an object may need a table; it does if it is one of the table's own."""
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        return item.table == name or any(word.search(statement) for statement in item.create)


def chosen_objects(
    objects: Sequence[SchemaObject], tables: Collection[str], names_in: Callable[[str], Collection[str]]
) -> list[SchemaObject]:
    """Return the objects of some tables, and those without a table that their SQL names.

    Args:
        objects: all objects.
        tables: the names of the tables and views.
        names_in: returns the names in a SQL text.
    """
    kept = {index for index, item in enumerate(objects) if item.name in tables or item.table in tables}
    # The name of an operator class or a function does not tell its extension.
    kept |= {index for index, item in enumerate(objects) if item.kind == "extension"}
    named: set[str] = set()
    waiting = list(kept)
    while waiting:
        for statement in objects[waiting.pop()].create:
            named.update(names_in(statement))
        for index, item in enumerate(objects):
            own = item.name if item.kind == "schema" else item.name.rpartition(".")[2].partition("(")[0]
            if index not in kept and item.table is None and item.kind not in _WITH_ROWS and own.lower() in named:
                kept.add(index)
                waiting.append(index)
    return [objects[index] for index in sorted(kept)]


#: Kinds of objects that a selection of tables names itself.
_WITH_ROWS = ("table", "virtual table", "foreign table", "view", "materialized view", "pragma")
