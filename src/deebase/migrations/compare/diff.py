"""Comparing two schemas: Alembic walks through tables and columns, and calls the comparators here for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult

from deebase._backends.schema_parts import Feature
from deebase._model.facts import ColumnInfo, IndexInfo, TableInfo
from deebase._model.generated_names import comes_with_key
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.tokens import code_tokens, joined
from deebase._sqltext.type_names import same_type
from deebase.migrations.compare.alembic_inspector import SchemaInspector
from deebase.migrations.compare.changes import Changes, TableChange
from deebase.migrations.compare.schema import Schema, TableState, read
from deebase.migrations.compare.table_clauses import unexplained
from deebase.migrations.target import Target
from deebase.types import Search

#: The key of Alembic's options under which comparators find the two schemas.
_BOTH = "deebase"
_PLUGIN = "deebase.schema"
#: Alembic's own comparators that find tables and columns; their contents are compared here.
_PLUGINS = ["alembic.autogenerate.schemas", "alembic.autogenerate.tables", _PLUGIN]

_REVERSE = {"add": "drop", "drop": "add", "create": "drop"}


class PartOp(ops.MigrateOperation):
    """Adds or drops a part of a table, or a view or other object.

    Args:
        table: the table; "" for a view or other object.
        field: the list of ``TableChange`` or ``Changes`` that the part belongs to.
        part: the part.
    """

    def __init__(self, table: str, field: str, part: Any) -> None:
        self.table = table
        self.field = field
        self.part = part

    def reverse(self) -> PartOp:
        """Return the operation that undoes it, which Alembic requires."""
        verb, _, kind = self.field.partition("_")
        return PartOp(self.table, f"{_REVERSE.get(verb, verb)}_{kind}" if kind else verb, self.part)


async def compare(source: Target, wanted: Target | Schema, *, known: Schema | None = None) -> Changes:
    """Return the changes that turn the schema of one database into that of another of the same kind.

    Args:
        source: the database to change.
        wanted: the schema it should have, or a database with that schema.
        known: the schema of the database to change, if it has been read.
    """
    both = known or await read(source), wanted if isinstance(wanted, Schema) else await read(wanted)
    async with source.db.transaction(read_only=True) as transaction:
        found: list[ops.MigrateOperation] = await transaction.connection.run_sync(_operations, *both)
    return _changes(both, found)


def _operations(connection: sa.Connection, before: Schema, after: Schema) -> list[ops.MigrateOperation]:
    """Have Alembic compare two schemas; it needs a connection, but sends nothing over it."""

    def include_name(name: str | None, kind: str, _: Mapping[str, Any]) -> bool:
        return kind != "table" or name in before.tables

    wanted = after.bare_metadata()
    context = MigrationContext.configure(
        connection=connection,
        opts={
            "target_metadata": wanted,
            "autogenerate_plugins": _PLUGINS,
            "include_name": include_name,
            _BOTH: (before, after),
        },
    )
    upgrade = produce_migrations(context, wanted).upgrade_ops
    assert upgrade is not None
    return list(upgrade.ops)


# -- comparators -------------------------------------------------------------------------------------


def _schemas(context: AutogenContext) -> tuple[Schema, Schema]:
    both: tuple[Schema, Schema] = context.opts[_BOTH]
    return both


def _answer_from_schema(
    context: AutogenContext, upgrade: ops.UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    """Have the comparators that follow ask the schema instead of the database."""
    assert context.connection is not None
    context.inspector = cast("sa.Inspector", SchemaInspector(context.connection, _schemas(context)[0]))
    return PriorityDispatchResult.CONTINUE


def _compare_column(
    context: AutogenContext,
    operation: ops.AlterColumnOp,
    schema: str | None,
    table: str,
    column: str,
    before: sa.Column[Any],
    after: sa.Column[Any],
) -> PriorityDispatchResult:
    old, new = _schemas(context)
    was, wanted = _column(old.tables[table], column), _column(new.tables[table], column)
    choices = old.choices(table).get(column), new.choices(table).get(column)
    if _type(was) != _type(wanted) or choices[0] != choices[1]:
        operation.modify_type = after.type
    # A column of the key is never NULL, whatever it declares.
    if was.not_null != wanted.not_null and not wanted.key:
        operation.modify_nullable = not wanted.not_null
    if was.default != wanted.default and (was.computed is None) == (wanted.computed is None):
        operation.modify_server_default = after.server_default
    return PriorityDispatchResult.CONTINUE


def _column(table: TableState, name: str) -> ColumnInfo:
    return next(column for column in table.facts.columns if column.name == name)


def _type(column: ColumnInfo) -> tuple[object, ...]:
    # The labels of an enum belong to the type, which is an object of its own.
    return same_type(column.type), column.base, column.array


def _compare_table(
    context: AutogenContext,
    operation: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    before: sa.Table | None,
    after: sa.Table | None,
) -> PriorityDispatchResult:
    if before is None or after is None:
        return PriorityDispatchResult.CONTINUE
    schemas = _schemas(context)
    old, new = (both.tables[name] for both in schemas)
    rules = capabilities_of(schemas[0].catalog.dialect).tokens
    parts: list[tuple[str, Mapping[object, object], Mapping[object, object]]] = [
        ("keys", _by_key(old.facts.foreign_keys), _by_key(new.facts.foreign_keys)),
        ("indexes", _by_definition(old.facts, rules), _by_definition(new.facts, rules)),
        ("features", _by_text(old.features), _by_text(new.features)),
    ]
    if old.facts.pks != new.facts.pks:
        operation.ops.append(PartOp(name, "pk", new.facts.pks))
    if _search(old.facts) != _search(new.facts):
        operation.ops.append(PartOp(name, "search", _search(new.facts)))
    if set(old.facts.secure) != set(new.facts.secure):
        operation.ops.append(PartOp(name, "secure", new.facts.secure))
    for field, was, wanted in parts:
        operation.ops.extend([PartOp(name, f"drop_{field}", was[key]) for key in was if key not in wanted])
        operation.ops.extend([PartOp(name, f"add_{field}", wanted[key]) for key in wanted if key not in was])
    return PriorityDispatchResult.CONTINUE


def _search(table: TableInfo) -> Search | None:
    return None if table.search is None else table.search.search


def _by_key(keys: Sequence[ForeignKeyModel]) -> dict[object, ForeignKeyModel]:
    # Not by name: SQLite's have none, and PostgreSQL generates it from names that may have changed since.
    return {(key.columns, key.schema, key.table, key.targets, key.on_delete, key.on_update): key for key in keys}


def _by_definition(table: TableInfo, rules: TokenRules) -> dict[object, IndexInfo]:
    # Indexes without SQL belong to constraints of SQLite, which are features. Those that come with foreign keys are
    # left out, so that a table of a version which did not create them stays as it is.
    return {
        (index.name, index.columns, index.unique, _index_key(index, rules)): index
        for index in table.indexes
        if index.sql is not None and not comes_with_key(index.name, index.columns, table.foreign_keys)
    }


def _index_key(index: IndexInfo, rules: TokenRules) -> str:
    """Return the definition of an index without its name, in one form for equal definitions."""
    found = code_tokens(index.sql or "", rules)
    start = next(place for place, token in enumerate(found) if token.text == "(")
    return joined(found[start - 2 :] if found[start - 2].word == "USING" else found[start:])


def _by_text(features: Sequence[Feature]) -> dict[object, Feature]:
    return {feature.text: feature for feature in features}


def _compare_others(
    context: AutogenContext, upgrade: ops.UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    old, new = _schemas(context)
    parts: list[tuple[str, Mapping[Any, Any], Mapping[Any, Any]]] = [
        ("views", old.views, new.views),
        ("objects", old.objects, new.objects),
    ]
    for field, was, wanted in parts:
        upgrade.ops.extend([PartOp("", f"drop_{field}", item) for item in _other_than(was, wanted)])
        upgrade.ops.extend([PartOp("", f"create_{field}", item) for item in _other_than(wanted, was)])
    return PriorityDispatchResult.CONTINUE


def _other_than(some: Mapping[Any, Any], others: Mapping[Any, Any]) -> list[Any]:
    return [item for name, item in some.items() if name not in others or others[name].key != item.key]


_plugin = Plugin(_PLUGIN)
_plugin.add_autogenerate_comparator(_answer_from_schema, "schema", _BOTH, priority=DispatchPriority.FIRST)
_plugin.add_autogenerate_comparator(_compare_column, "column", _BOTH)
_plugin.add_autogenerate_comparator(_compare_table, "table", _BOTH)
_plugin.add_autogenerate_comparator(_compare_others, "schema", _BOTH)


# -- what was found ----------------------------------------------------------------------------------


def _changes(both: tuple[Schema, Schema], found: Sequence[ops.MigrateOperation]) -> Changes:
    before, after = both
    changes = Changes(before, after)
    altered: dict[str, TableChange] = {}
    for operation in found:
        if isinstance(operation, ops.CreateTableOp):
            changes.create.append(after.tables[str(operation.table_name)])
        elif isinstance(operation, ops.DropTableOp):
            changes.drop.append(before.tables[str(operation.table_name)])
        elif isinstance(operation, PartOp):
            getattr(changes, operation.field).append(operation.part)
        elif isinstance(operation, ops.ModifyTableOps) and operation.table_name in before.tables:
            name = str(operation.table_name)
            change = altered.setdefault(name, TableChange(before.tables[name], after.tables[name]))
            for part in operation.ops:
                _take(change, part)
            # Alembic takes them from a set, whose order differs from process to process.
            change.drop.sort(key=[column.name for column in change.before.facts.columns].index)
    for name in before.tables.keys() & after.tables.keys() - altered.keys():
        if found_besides := unexplained(before, after, name):
            altered[name] = TableChange(before.tables[name], after.tables[name], unexplained=found_besides)
    changes.alter = [altered[name] for name in sorted(altered)]
    return changes


def _take(change: TableChange, operation: ops.MigrateOperation) -> None:
    if isinstance(operation, ops.AddColumnOp):
        change.add.append(operation.column.name)
    elif isinstance(operation, ops.DropColumnOp):
        change.drop.append(str(operation.column_name))
    elif isinstance(operation, ops.AlterColumnOp):
        name = str(operation.column_name)
        change.types += [name] if operation.modify_type is not None else []
        change.defaults += [name] if operation.modify_server_default is not False else []
        if operation.modify_nullable is not None:
            change.not_null[name] = not operation.modify_nullable
    elif isinstance(operation, PartOp):
        if operation.field in ("pk", "search", "secure"):
            setattr(change, operation.field, operation.part)
        else:
            getattr(change, operation.field).append(operation.part)
