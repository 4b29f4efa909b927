"""Changes as calls of the API, in an order in which they can run."""

from __future__ import annotations

from collections.abc import Sequence

from deebase._backends.schema_parts import TriggerState, ViewState
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import mentions
from deebase.migrations.compare import creation_order as ordering
from deebase.migrations.compare.changes import Changes
from deebase.migrations.write.alteration import Alteration
from deebase.migrations.write.body import Body, access, columns
from deebase.migrations.write.drafts import literal
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
        self._rules = capabilities_of(changes.after.catalog.dialect).tokens
        self._classes = {written.outline.design.name: written for written in module.classes if written.outline.design}

    def body(self) -> Body:
        """Return the body of a function."""
        changes = self._changes
        changed_types = {made.name for made in changes.create_types} & {gone.name for gone in changes.drop_types}
        for name in sorted(changed_types):
            self._body.leave(f"the type {name} differs: ALTER TYPE ... ADD VALUE adds a label to an enum")
        for made in changes.create_types:
            if made.name not in changed_types:
                self._body.sql(made.sql)
        again = self._views_in_the_way()
        triggers = [*self._triggers_in_the_way(again), *changes.drop_triggers]
        gone = {table.name for table in changes.drop}
        for trigger in triggers:
            if trigger.table not in gone:
                self._body.sql(trigger.drop)
        for view in reversed(ordering.views([*changes.drop_views, *again], self._rules)):
            self._body.call(call(f"db.v[{quoted(view.name)}].drop"))
        altered = [Alteration(self._body, change) for change in changes.alter]
        # References to a dropped table, or to a key that changes, are dropped first; new references are added last.
        changing = {change.name for change in changes.alter if change.pk is not None} | gone
        for alteration in altered:
            alteration.clear(changing)
        self._drop()
        for alteration in altered:
            alteration.change()
        self._create()
        for alteration in altered:
            alteration.refer()
        for view in ordering.views([*again, *changes.create_views], self._rules):
            self._create_view(view)
        for trigger in [*self._triggers_in_the_way(again), *changes.create_triggers]:
            self._body.sql(trigger.sql)
        for gone_type in reversed(changes.drop_types):
            if gone_type.name not in changed_types:
                self._body.sql(gone_type.drop)
        return self._body

    # -- tables --------------------------------------------------------------------------------

    def _create(self) -> None:
        ordered = ordering.tables(self._changes.create)
        as_sql = [table for group in ordered for table in group if table.name not in self._classes]
        for table in as_sql:
            for statement in table.ddl.create:
                self._body.sql(statement)
        for group in ordered:
            together: list[WrittenClass] = [self._classes[table.name] for table in group if table.name in self._classes]
            if together:
                self._body.call(create_call(together, self._body.module.names))
        for table in as_sql:
            for statement in table.ddl.constrain:
                self._body.sql(statement)

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

    # -- views and triggers --------------------------------------------------------------------

    def _views_in_the_way(self) -> list[ViewState]:
        """Return the unchanged views that use what changes: they are dropped before, and created again after.

        Where ALTER TABLE changes a type in place, the database refuses it while a view uses the column.
        """
        changes = self._changes
        names = [
            change.name
            for change in changes.alter
            if change.drop or (self._body.capabilities.alters_in_place and change.types)
        ]
        names += [view.name for view in changes.drop_views]
        known = {view.name for view in changes.drop_views}
        found: list[ViewState] = []
        while True:
            more = [
                view
                for name, view in changes.before.views.items()
                if name not in known and any(mentions(view.sql, self._rules, used) for used in names)
            ]
            if not more:
                return found
            found += more
            known |= {view.name for view in more}
            names = [view.name for view in more]

    def _triggers_in_the_way(self, views: Sequence[ViewState]) -> list[TriggerState]:
        names = {view.name for view in views}
        changed = {(trigger.table, trigger.name) for trigger in self._changes.drop_triggers}
        found = self._changes.before.triggers.items()
        return [trigger for key, trigger in found if trigger.table in names and key not in changed]

    def _create_view(self, view: ViewState) -> None:
        if view.select is None:
            for statement in view.statements:
                self._body.sql(statement)
            return
        more = {"materialized": Piece("True")} if view.materialized else {}
        self._body.call(call("db.create_view", Piece(quoted(view.name)), Piece(literal(view.select)), **more))
