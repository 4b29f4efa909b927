"""``create(transform=True)``: changes an existing table to match its class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from deebase._backends.alter import create_index
from deebase._backends.index_paths import paths_of
from deebase._backends.protocols import NewColumn
from deebase._engine.context import table_context
from deebase._engine.executor import Executor
from deebase._model.catalog import Catalog
from deebase._model.change import Change, NewKey, Types
from deebase._model.columns import ColumnSpec, sql_default
from deebase._model.design import Reference, TableSpec, conditions_of, index_parts, sa_tables
from deebase._model.differences import is_computed_otherwise, other_security, same_default
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._model.generated_names import serves
from deebase._model.names import check_names
from deebase._schema.create import create_tables, missing_checks, touch_statements
from deebase._schema.reflect import inventory, learn
from deebase._schema.searching import enable_search
from deebase._schema.transform import Transformation
from deebase._sql.statement import Statement
from deebase._sqltext.type_names import same_type
from deebase._types.forms.moment_sql import other_forms_indexes
from deebase.errors import InvalidOperationError, SchemaError
from deebase.types import ForeignKeyMark, Index, JsonPath

_OPERATION = "create(transform=True)"


async def match(executor: Executor, catalog: Catalog, designs: Sequence[TableSpec], *, strict: bool) -> None:
    """Change existing tables to match their classes, and create missing ones.

    Columns that the class lacks are dropped, unless a row has a value in them. Checks and indexes that it does not
    name, foreign keys of several columns, and everything that a class cannot express are kept.

    Args:
        executor: runs the statements, in one transaction.
        catalog: the registered tables.
        designs: the specifications of the classes.
        strict: whether new tables are STRICT.

    Raises:
        InvalidOperationError: a column that the class lacks holds values, or something else uses it.
        IntegrityError: rows do not fit the changed table.
        DataError: a value cannot be converted to its new type.
    """
    check_names(designs, catalog.dialect)
    names = [made.name for made in designs]
    referred = [reference.table for made in designs for reference in made.references]
    async with executor.transaction():
        await executor.lock_schema()
        tables = await _read(executor, [*names, *referred])
        learn(catalog, list(tables.values()), None, names)
        existing = [made for made in designs if made.name in catalog and not catalog.is_view(made.name)]
        # First, because existing tables may get foreign keys to them.
        missing = [made for made in designs if made not in existing]
        if existing and missing:
            await create_tables(executor, catalog, missing, if_not_exists=False, replace=False, strict=strict)
            tables.update(await _read(executor, [made.name for made in missing]))
        for made in existing:
            await _Matching(executor, catalog, made, tables).run()


async def _read(executor: Executor, names: Sequence[str]) -> dict[str, TableInfo]:
    found = await inventory(executor, None, names, quiet=True, with_related=True)
    return {facts.name: facts for facts in found}


class _Matching:
    def __init__(self, executor: Executor, catalog: Catalog, made: TableSpec, tables: dict[str, TableInfo]) -> None:
        self.executor = executor
        self.dialect = catalog.dialect
        self.made = made
        context = table_context(executor, catalog, catalog.model(made.name))
        self.work = Transformation(context, _OPERATION, tables)

    async def run(self) -> None:
        facts = self.work.tables[self.made.name]
        existing = {column.name for column in facts.columns}
        new = [spec for spec in self.made.columns if spec.name not in existing]
        # PostgreSQL changes no type of a column that another one is computed from.
        later = [spec for spec in new if spec.computed is not None] if self._types(facts) else []
        facts = await self._add(facts, [spec for spec in new if spec not in later])
        stale = self._computed_otherwise(facts)
        later += stale
        self._must_have_composite_keys(facts)
        change = Change(
            types=self._types(facts),
            drop=(*await self._unnamed(facts), *[spec.name for spec in stale]),
            not_null=self._not_null(facts),
            defaults=self._defaults(facts),
            pk=None if facts.pks == self.made.pks else self.made.pks,
            add_foreign_keys=tuple(self._missing_keys(facts)),
            drop_foreign_keys=tuple(self._extra_keys(facts)),
            # ``_index`` creates them, also for existing foreign keys.
            secure=self.made.secure if other_security(self.made.secure, facts) else None,
            index_foreign_keys=False,
        )
        checks = Change(add_checks=tuple(await self._missing_checks()))
        if not later:
            change, checks = replace(change, add_checks=checks.add_checks), Change()
        facts = await self._make(facts, change)
        facts = await self._make(await self._add(facts, later), checks)
        await self._index(facts)
        if self.made.search is not None:
            await enable_search(self.executor, self.dialect, facts, self.made.search)

    async def _add(self, facts: TableInfo, new: Sequence[ColumnSpec]) -> TableInfo:
        """Add columns, and return the table as it is then."""
        if not new:
            return facts
        await self.work.add_columns(facts, [self._new_column(spec) for spec in new])
        return await self.work.look()

    async def _make(self, facts: TableInfo, change: Change) -> TableInfo:
        """Make a change, if it is one, and return the table as it is then."""
        if change == Change():
            return facts
        await self.work.make(facts, change)
        return await self.work.look()

    # -- columns -------------------------------------------------------------------------------

    def _new_column(self, spec: ColumnSpec) -> NewColumn:
        reference = next((known for known in self.made.references if known.columns == (spec.name,)), None)
        if reference is None:
            return NewColumn(spec, None, None)
        target = self._target(reference)
        mark = ForeignKeyMark(
            f"{reference.table}.{target}", on_delete=reference.on_delete, on_update=reference.on_update
        )
        return NewColumn(spec, mark, target)

    def _computed_otherwise(self, facts: TableInfo) -> list[ColumnSpec]:
        """Return the columns that are computed from another expression; they are dropped and added again."""
        drawn = sa_tables([replace(self.made, references=())], sa.MetaData(), self.dialect)[self.made.name]
        return [
            spec
            for spec, column in self._both(facts)
            if is_computed_otherwise(drawn.c[spec.name], column, facts, self.dialect)
        ]

    async def _unnamed(self, facts: TableInfo) -> list[str]:
        """Return the columns that the class lacks, none of which has a value."""
        named = {spec.name for spec in self.made.columns}
        unnamed = [column for column in facts.columns if column.name not in named]
        quote = self.dialect.identifier_preparer.quote
        for column in unnamed:
            filled = f"SELECT 1 FROM {quote(facts.name)} WHERE {quote(column.name)} IS NOT NULL LIMIT 1"
            if column.computed is None and await self.executor.fetch(Statement(filled, reads=True), []):
                raise InvalidOperationError(
                    f"{facts.name}.{column.name} is not in {self.made.cls.__name__}, and rows have values in it",
                    operation=_OPERATION,
                    target=facts.name,
                    hint=f"add {column.name} to the class, or drop it with its values: drop_column({column.name!r})",
                )
        return [column.name for column in unnamed]

    def _both(self, facts: TableInfo) -> list[tuple[ColumnSpec, ColumnInfo]]:
        there = {column.name: column for column in facts.columns}
        return [(spec, there[spec.name]) for spec in self.made.columns if spec.name in there]

    def _types(self, facts: TableInfo) -> Types:
        types = {spec.name: spec.sa_type for spec, _ in self._both(facts)}
        written = self.work.backend.schema.declared_types(types, facts, self.dialect, _OPERATION)
        return {
            spec.name: spec.sa_type
            for spec, column in self._both(facts)
            if same_type(written[spec.name]) != same_type(column.type)
        }

    def _not_null(self, facts: TableInfo) -> dict[str, bool]:
        keys = (*self.made.pks, *facts.pks)
        return {
            spec.name: not spec.nullable
            for spec, column in self._both(facts)
            if spec.nullable == column.not_null and spec.name not in keys
        }

    def _defaults(self, facts: TableInfo) -> dict[str, str | None]:
        result: dict[str, str | None] = {}
        for spec, column in self._both(facts):
            default = sql_default(spec, self.dialect)
            wanted = None if default is None else str(default.compile(dialect=self.dialect))
            made_there = column.computed is not None or column.generated
            if not made_there and spec.computed is None and not same_default(wanted, column.default, spec.sa_type):
                result[spec.name] = wanted
        return result

    # -- foreign keys and indexes --------------------------------------------------------------

    def _target(self, reference: Reference) -> str:
        if reference.targets is not None:
            return reference.targets[0]
        other = self.work.tables.get(reference.table)
        if other is None or len(other.pks) != 1:
            raise SchemaError(
                f"{self.made.name}.{reference.written} refers to {reference.table}, "
                f"{'which does not exist' if other is None else 'whose key is not one column'}",
                table_name=self.made.name,
                column_name=reference.columns[0],
                hint=f"create it first, or name the column: ForeignKey('{reference.table}.column')",
            )
        return other.pks[0]

    def _wanted_keys(self) -> list[NewKey]:
        return [
            NewKey(
                known.columns[0], known.table, self._target(known), _action(known.on_delete), _action(known.on_update)
            )
            for known in self.made.references
            if len(known.columns) == 1
        ]

    def _missing_keys(self, facts: TableInfo) -> Iterable[NewKey]:
        there = _single_keys(facts)
        return [key for key in self._wanted_keys() if key not in there]

    def _extra_keys(self, facts: TableInfo) -> Iterable[tuple[str, ...]]:
        wanted = self._wanted_keys()
        return [(key.column,) for key in _single_keys(facts) if key not in wanted]

    async def _missing_checks(self) -> list[str]:
        missing = await missing_checks(self.executor, self.dialect, self.made)
        written = conditions_of(self.made, self.dialect)
        return [sql for given, sql in zip(self.made.checks, written, strict=True) if given in missing]

    def _must_have_composite_keys(self, facts: TableInfo) -> None:
        there = [(key.columns, key.table) for key in facts.foreign_keys]
        for known in self.made.references:
            if len(known.columns) > 1 and (known.columns, known.table) not in there:
                raise InvalidOperationError(
                    f"{self.made.name}.{known.written} should refer to {known.table}, and a foreign key of several "
                    "columns can only be created with its table",
                    operation=_OPERATION,
                    target=self.made.name,
                    hint="create the table by another name, copy the rows, and rename it",
                )

    async def _index(self, facts: TableInfo) -> None:
        """Create the missing indexes of the class, and replace those that differ."""
        quote = self.dialect.identifier_preparer.quote
        there = {index.name: index for index in facts.indexes}
        table = sa.Table(facts.name, sa.MetaData(), *[sa.Column(spec.name, spec.sa_type) for spec in self.made.columns])
        indexed = [facts.pks, *[index.columns for index in facts.indexes if not index.partial]]
        missing = [index for index in self.made.key_indexes if not serves(index.names, indexed)]
        for index in (*self.made.indexes, *missing):
            old = there.get(index.name)
            if old is not None:
                same = (old.columns, old.unique, old.partial) == (index.indexed, index.unique, index.where is not None)
                if same and paths_of(old, facts, self.dialect) == [*_paths(index)]:
                    continue
                await self.executor.fetch(Statement(f"DROP INDEX {quote(old.name)}"), [])
            parts = index_parts(index, table, self.dialect)
            sql = create_index(table, index.name, parts, self.dialect, unique=index.unique, where=index.where)
            plain = [part for part in index.columns if isinstance(part, str)]
            for made in (sql, *other_forms_indexes(table, plain, self.dialect)):
                await self.executor.fetch(Statement(made), [])
        table.append_constraint(sa.PrimaryKeyConstraint(*[table.c[name] for name in self.made.pks]))
        for made in touch_statements(self.executor, table, self.made, self.dialect):
            await self.executor.fetch(Statement(made), [])


def _paths(index: Index) -> Iterable[JsonPath]:
    return [part for part in index.columns if isinstance(part, JsonPath)]


def _single_keys(facts: TableInfo) -> list[NewKey]:
    return [
        NewKey(key.columns[0], key.table, key.targets[0], _action(key.on_delete), _action(key.on_update))
        for key in facts.foreign_keys
        if len(key.columns) == 1
    ]


def _action(written: str | None) -> str | None:
    return None if written is None or written.lower() == "no action" else written.lower()
