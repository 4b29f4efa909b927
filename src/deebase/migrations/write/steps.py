"""Changes as calls of the API, in an order in which they can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deebase._backends.schema_parts import TABLES, VIEWS
from deebase._backends.schema_script import SchemaObject
from deebase._sqltext.ordering import groups
from deebase.migrations.compare import creation_order as ordering
from deebase.migrations.compare.changes import Changes
from deebase.migrations.compare.schema import TableState
from deebase.migrations.write.alteration import Alteration
from deebase.migrations.write.body import Body, access, columns, view_access
from deebase.migrations.write.drafts import literal
from deebase.migrations.write.object_steps import ObjectSteps
from deebase.tools.codegen.creation import create_call
from deebase.tools.codegen.line_layout import Piece, call, listed
from deebase.tools.codegen.module import Module, WrittenClass
from deebase.tools.codegen.value_source import quoted


class Steps:
    """Writes the steps that turn one schema into another.

    Args:
        changes: the changes.
        module: the module of the migration, with the classes of the tables that are created.
    """

    def __init__(self, changes: Changes, module: Module) -> None:
        self._changes = changes
        self._body = Body(module, changes.after.catalog.dialect)
        self._objects = ObjectSteps(changes)
        self._classes = {written.outline.design.name: written for written in module.classes if written.outline.design}

    def body(self) -> Body:
        """Return the body of a function."""
        changes = self._changes
        for item in self._objects.left:
            self._body.leave(f"the {item.label} has another definition: change it by ALTER TABLE")
        for item in self._objects.dropped_first:
            self._drop_object(item)
        altered = [Alteration(self._body, change) for change in changes.alter]
        # References to a dropped table, or to a key that changes, are dropped first; new references are added last.
        changing = {change.name for change in changes.alter if change.pk is not None}
        changing |= {table.name for table in changes.drop}
        for alteration in altered:
            alteration.clear(changing)
        self._drop()
        for item in self._objects.created_first:
            self._create_object(item)
        for alteration in altered:
            alteration.change()
        between = self._create()
        for alteration in altered:
            alteration.refer()
        for item in self._objects.created_last(between):
            self._create_object(item)
        for item in self._objects.dropped_last:
            self._drop_object(item)
        return self._body

    # -- tables --------------------------------------------------------------------------------

    def _create(self) -> list[SchemaObject]:
        """Create the tables, and the objects that stand between them, which it returns."""
        as_sql = [table for table in self._changes.create if table.name not in self._classes]
        between = self._objects.created_between(as_sql)
        for group in groups(self._pieces(as_sql, between), lambda piece: piece.needs):
            together: list[WrittenClass] = []
            for piece in group:
                if piece.name in self._classes:
                    together.append(self._classes[piece.name])
                for statement in piece.statements:
                    self._body.sql(statement)
            if together:
                self._body.call(create_call(together, self._body.module.names))
        for table in as_sql:
            for statement in table.ddl.constrain:
                self._body.sql(statement)
            if table.facts.secure and self._body.capabilities.secures_rows:
                names = listed([Piece(quoted(name)) for name in table.facts.secure])
                self._body.call(call(f"{access(table.name)}.transform", secure=names))
        return between

    def _pieces(self, as_sql: Sequence[TableState], between: Sequence[SchemaObject]) -> list[_Piece]:
        """Return what is created, with what each needs: a class what it refers to, SQL what it mentions."""
        order = self._changes.after.parts.order
        names = {table.name for table in self._changes.create}
        pieces = [
            _Piece(table.name, ordering.referred(table) & names)
            for table in self._changes.create
            if table.name in self._classes
        ]
        written = [(item, item.label) for item in between]
        written += [
            (item, item.name)
            for table in as_sql
            if (item := next(iter(self._changes.after.parts.of_table(table.name)), None)) is not None
        ]
        by_name = {item.name: (order[item.kind, item.name], label) for item, label in written}
        statements = {table.name: table.ddl.create for table in as_sql}
        for item, label in written:
            place = order[item.kind, item.name]
            needs = {
                other for name in self._objects.needs(item, by_name) for at, other in [by_name[name]] if at < place
            }
            needs |= self._objects.needs(item, [name for name in names if name in self._classes])
            pieces.append(_Piece(label, needs - {label}, statements.get(label, item.create)))
        return pieces

    def _drop(self) -> None:
        for group in reversed(ordering.tables(self._changes.drop)):
            names = {table.name for table in group}
            for table in group if len(group) > 1 else []:
                keys = [
                    key.columns for key in table.facts.foreign_keys if key.table in names and key.table != table.name
                ]
                if keys:
                    dropped = listed([columns(names) for names in dict.fromkeys(keys)])
                    self._body.call(call(f"{access(table.name)}.transform", drop_foreign_keys=dropped))
            for table in group:
                self._body.note(f"drops the table {table.name} with its rows")
                self._body.call(call(f"{access(table.name)}.drop"))

    # -- other objects -------------------------------------------------------------------------

    def _drop_object(self, item: SchemaObject) -> None:
        if item.kind in VIEWS:
            self._body.call(call(f"{view_access(item.name)}.drop"))
            return
        if item.kind in TABLES:
            self._body.note(f"drops the table {item.name} with its rows")
        for statement in item.drop:
            self._body.sql(statement)

    def _create_object(self, item: SchemaObject) -> None:
        view = self._changes.after.views.get(item.name) if item.kind in VIEWS else None
        if view is not None and view.select is not None and "." not in view.name:
            more = {"materialized": Piece("True")} if view.materialized else {}
            self._body.call(call("db.create_view", Piece(quoted(view.name)), Piece(literal(view.select)), **more))
            return
        for statement in self._objects.edits.get((item.kind, item.name), item.create):
            self._body.sql(statement)


@dataclass(frozen=True)
class _Piece:
    """A table, or an object that tables need, that is created.

    Attributes:
        name: its name.
        needs: the names of those that are created before it.
        statements: create it; none if a class does.
    """

    name: str
    needs: set[str]
    statements: tuple[str, ...] = ()
