"""``extract``: moves columns into a table of their own, to which the rows refer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from deebase._backends.alter import create_index, qualified
from deebase._backends.protocols import NewColumn
from deebase._engine.context import TableContext
from deebase._model.change import Arguments
from deebase._model.checks import conditions
from deebase._model.columns import ColumnSpec
from deebase._model.design import design, is_name
from deebase._model.facts import TableInfo
from deebase._model.generated_names import index_name, shortened
from deebase._model.names import check_name, check_names
from deebase._schema.create import create_tables
from deebase._schema.reflect import learn
from deebase._schema.transform import Transformation
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import code_tokens, folded
from deebase._types.choices import Choice
from deebase._types.registry import column_type
from deebase.errors import InvalidOperationError, QueryError, SchemaError, UniqueViolationError, ValidationError
from deebase.types import ForeignKeyMark

_OPERATION: Final = "extract"


class Extracted:
    """Stands for the class of a table whose columns come from another one."""


class Extraction:
    """One call of ``extract``, inside of its transaction.

    Args:
        source: the table.
        columns: the columns to move.
        table: the name of the lookup table.
        key: the name of the new foreign key.
    """

    def __init__(self, source: TableContext, columns: Sequence[Any], table: Any, key: Any) -> None:
        self._source = source
        self._executor = source.executor
        self._model = model = source.model
        self._columns = columns
        self._work = Transformation(source, _OPERATION)
        for what, name in (("table", table), ("fk", key)):
            if not is_name(name):
                raise ValidationError(
                    f"extract of {model.name}: {what} is a name",
                    field=what,
                    value=name,
                    hint='table="place", fk="place_id"',
                )
        self._table: str = table
        self._key: str = key
        #: Whether the lookup table is created.
        self._is_new = False
        for name in columns:
            model.column(name)
        if not columns or len(set(columns)) < len(columns):
            raise ValidationError(
                f"extract of {model.name} takes one or more different columns",
                field="columns",
                hint='extract("city", "country", table="place", fk="place_id")',
            )
        self._check_names()

    def _check_names(self) -> None:
        model, dialect = self._model, self._source.dialect
        check_name("the name of the table", self._table, dialect)
        check_name("the name of the column", self._key, dialect)
        same = folded if capabilities_of(dialect).ignores_case_of_names else str
        if same(self._key) in map(same, model.names):
            raise SchemaError(
                f"{model.name} has a column {self._key!r}",
                table_name=model.name,
                column_name=self._key,
                hint="choose another name with fk=",
            )
        if same(self._table) == same(model.sa_table.name):
            raise self._refused("the columns cannot move into the table itself", "choose another name with table=")

    def _refused(self, why: str, hint: str) -> InvalidOperationError:
        return InvalidOperationError(
            f"extract of {self._model.name}: {why}", operation=_OPERATION, target=self._model.name, hint=hint
        )

    async def run(self) -> dict[str, Any]:
        """Move the columns, and return the type of the new foreign key by its name."""
        await self._executor.lock_schema()
        facts = await self._work.look(self._table)
        self._must_be_movable(facts)
        # What uses one of the columns refuses this, before anything is changed.
        await self._work.plan(Arguments(drop=self._columns))
        lookup = await self._lookup(facts)
        target = self._source.catalog.model(lookup.qualified_name)
        key = target.pks[0]
        spec = ColumnSpec(self._key, target.columns[key].sa_type, nullable=True)
        mark = ForeignKeyMark(f"{lookup.name}.{key}")
        await self._work.add_column(NewColumn(spec, mark, key), indexes=True)
        await self._fill(facts, lookup, key)
        required = [column.name for column in facts.columns if column.name in self._columns and column.not_null]
        await self._work.run(Arguments(drop=self._columns, not_null=[self._key] if required else None))
        return {self._key: spec.sa_type}

    def _must_be_movable(self, facts: TableInfo) -> None:
        if facts.schema is not None:
            raise self._refused(f"it is in the schema {facts.schema}", "extract changes tables of the default schema")
        for column in facts.columns:
            if column.name in self._columns and column.computed is not None:
                raise self._refused(
                    f"{column.name} is computed by the database", "move the columns it is computed from"
                )
        for foreign in facts.foreign_keys:
            found = [name for name in foreign.columns if name in self._columns]
            if found:
                raise self._refused(
                    f"{found[0]} refers to {foreign.table}", f"drop_foreign_keys=[{found[0]!r}] of transform drops it"
                )

    # -- the lookup table ------------------------------------------------------------------------

    async def _lookup(self, facts: TableInfo) -> TableInfo:
        """Return the lookup table, which is created if it does not exist."""
        found = self._work.tables.get(self._table)
        if found is None:
            self._is_new = True
            await self._create(facts)
            await self._work.look(self._table)
            return self._work.tables[self._table]
        if found.kind != "table":
            raise self._refused(f"{self._table} is a view", "choose another name with table=")
        learn(self._source.catalog, [found], found.schema, [found.name])
        model = self._source.catalog.model(found.qualified_name)
        for name in self._columns:
            model.column(name)
        if len(model.pks) != 1 or model.pks[0] in self._columns:
            raise self._refused(
                f"{self._table} has no key of one column beside those that move", "give it one, or another table="
            )
        return found

    async def _create(self, facts: TableInfo) -> None:
        source, model = self._source, self._model
        required = {column.name for column in facts.columns if column.not_null}
        columns = [
            ColumnSpec(
                name,
                model.columns[name].sa_type,
                nullable=name not in required,
                python_type=column_type(model.columns[name].sa_type).python,
            )
            for name in self._columns
        ]
        taken = set(map(folded, self._columns))
        key = next(name for name in ("id", "row_id", f"{self._table}_id") if folded(name) not in taken)
        checks = self._own_checks(facts)
        made = design(Extracted, name=self._table, pk=key, columns=columns, checks=checks)
        check_names([made], source.dialect)
        await create_tables(self._executor, source.catalog, [made], if_not_exists=False, replace=False, strict=False)

    def _own_checks(self, facts: TableInfo) -> list[str]:
        """Return the conditions of the table that name no other columns than those that move."""
        columns = self._model.columns
        choices = [name for name in self._columns if isinstance(columns[name].sa_type, Choice)]
        tokens = self._executor.backend.capabilities.tokens
        others = {folded(name) for name in columns if name not in self._columns}
        own = {folded(name) for name in self._columns}
        found: list[str] = []
        for condition in conditions(facts, choices):
            named = {
                folded(token.name) for token in code_tokens(condition.sql, tokens) if token.kind in ("word", "quoted")
            }
            if named & own and not named & others:
                found.append(condition.sql)
        return found

    # -- rows ------------------------------------------------------------------------------------

    async def _fill(self, facts: TableInfo, lookup: TableInfo, key: str) -> None:
        """Store each combination of values once, and let the rows refer to it."""
        quote, dialect = self._source.dialect.identifier_preparer.quote, self._source.dialect
        rows, places = qualified(facts, dialect), qualified(lookup, dialect)
        columns = [quote(name) for name in self._columns]
        listed, writer = ", ".join(columns), self._executor.backend.schema
        filled = " OR ".join([f"{rows}.{column} IS NOT NULL" for column in columns])

        def same(one: str, other: str) -> str:
            return " AND ".join([writer.same_value(f"{one}.{column}", f"{other}.{column}") for column in columns])

        known = f"SELECT 1 FROM {places} AS known WHERE {same(rows, 'known')}"
        missing = writer.one_of_each(rows, columns, None, f"({filled}) AND NOT EXISTS ({known})")
        generated = next(column for column in lookup.columns if column.name == key)
        if generated.generated or generated.default is not None:
            await self._send(f"INSERT INTO {places} ({listed}) {missing}")
            if self._is_new:
                await self._index(lookup)
        elif await self._executor.fetch(Statement(f"{missing} LIMIT 1", reads=True), []):
            raise self._refused(
                f"the database makes no keys for new rows of {self._table}",
                f"add the missing rows to {self._table} first, or choose another table=",
            )
        found, id_ = writer.one_of_each(places, columns, quote(key), None), quote(key)
        await self._send(
            f"UPDATE {rows} SET {quote(self._key)} = found.{id_} FROM ({found}) AS found "
            f"WHERE ({filled}) AND {same(rows, 'found')}"
        )
        left = f"SELECT 1 FROM {rows} WHERE {quote(self._key)} IS NULL AND ({filled}) LIMIT 1"
        if await self._executor.fetch(Statement(left, reads=True), []):
            raise self._refused(
                f"{self._table} does not keep every value as it is",
                f"give the columns of {self._table} the types that they have in {self._model.name}",
            )

    async def _index(self, lookup: TableInfo) -> None:
        """Make the index of the combinations, which is unique unless the database says that two of them are equal."""
        table = self._source.catalog.model(lookup.qualified_name).sa_table
        name, dialect = shortened(index_name(self._table, self._columns)), self._source.dialect
        for unique in (True, False):
            try:
                async with self._executor.transaction():
                    await self._send(create_index(table, name, self._columns, dialect, unique=unique))
            except UniqueViolationError:
                # 1.10 and 1.1 are two values, which compare as equal.
                continue
            except QueryError:
                # A type without an order, or values that are too long for an index.
                return
            return

    async def _send(self, sql: str) -> None:
        await self._executor.fetch(Statement(sql), [])
