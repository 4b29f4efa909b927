"""What PostgreSQL stores of a schema besides columns, keys and indexes; and the DDL of tables."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deebase._backends.migration_protocols import Choices, Connected
from deebase._backends.postgres.check_text import settled
from deebase._backends.postgres.migration.user_types import read_types
from deebase._backends.schema_parts import Feature, SchemaParts, TableDdl, TableParts, ViewState
from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._sql.statement import Statement
from deebase._sqltext.quoting import identifier

#: What an extension created belongs to it, not to the schema.
_HERE = """n.nspname = current_schema() AND NOT c.relispartition AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"""
#: contype: p key, u unique, c check, f foreign key, x exclusion (manual, pg_constraint).
_CONSTRAINTS = f"""
    SELECT c.relname::text, k.conname::text, k.contype::text, pg_get_constraintdef(k.oid),
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND k.contype IN ('p', 'u', 'c', 'f', 'x') ORDER BY c.relname, k.contype DESC, k.conname
"""
_COLUMNS = f"""
    SELECT c.relname::text, a.attname::text, a.attidentity::text, a.attgenerated::text,
           CASE WHEN a.attcollation <> t.typcollation THEN format('%I.%I', ln.nspname, l.collname) END,
           pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE {_HERE} AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""
_VIEWS = f"""
    SELECT c.relname::text, c.relkind = 'm', pg_get_viewdef(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND c.relkind IN ('v', 'm') ORDER BY c.relname
"""
_VIEW_INDEXES = f"""
    SELECT x.relname::text, c.relname::text, pg_get_indexdef(i.indexrelid)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND c.relkind = 'm' ORDER BY x.oid
"""
_TRIGGERS = f"""
    SELECT g.tgname::text, c.relname::text, pg_get_triggerdef(g.oid)
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND NOT g.tgisinternal AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_trigger'::regclass AND e.objid = g.oid AND e.deptype = 'e')
    ORDER BY c.relname, g.tgname
"""
_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_SERIAL = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}


async def read_parts(
    database: Connected, tables: Mapping[str, TableInfo], views: Iterable[TableInfo], choices: Choices
) -> SchemaParts:
    """See ``MigrationSupport``; the definitions of views are read here."""

    async def rows(sql: str) -> Sequence[Sequence[Any]]:
        return await database.fetch(Statement(sql, reads=True), [])

    extras = _Extras(await rows(_CONSTRAINTS), await rows(_COLUMNS))
    found = [_view(*row) for row in await rows(_VIEWS)]
    parts = {name: extras.parts(facts, choices(name)) for name, facts in tables.items()}
    objects = [
        *await read_types(database),
        *[_table(table) for table in parts.values()],
        *[part for table in parts.values() for part in _parts(table)],
        *[_as_object(view) for view in found],
        *[_index(*row) for row in await rows(_VIEW_INDEXES)],
        *[_trigger(*row) for row in await rows(_TRIGGERS)],
    ]
    return SchemaParts(parts, {view.name: view for view in found}, SchemaScript(tuple(objects)))


class _Extras:
    """The constraints and columns of all tables.

    Args:
        constraints: rows of ``_CONSTRAINTS``.
        columns: rows of ``_COLUMNS``.
    """

    def __init__(self, constraints: Sequence[Sequence[Any]], columns: Sequence[Sequence[Any]]) -> None:
        self._constraints: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
        self._columns: defaultdict[str, dict[str, Sequence[Any]]] = defaultdict(dict)
        for table, name, kind, definition, names in constraints:
            self._constraints[table].append((name, kind, settled(definition), names))
        for row in columns:
            self._columns[row[0]][row[1]] = row[2:]

    def parts(self, facts: TableInfo, choices: Mapping[str, Sequence[str]]) -> TableParts:
        """Return a table with all of its parts.

        Args:
            facts: the table.
            choices: its columns of an Enum or Literal, whose CHECK belongs to their type.
        """
        names = {name for name, kind, _, _ in self._constraints[facts.name] if kind in ("p", "u", "x")}
        own = dataclasses.replace(facts, indexes=tuple([index for index in facts.indexes if index.name not in names]))
        return TableParts(own, tuple(self._features(facts.name, choices)), self._ddl(own))

    def _features(self, table: str, choices: Mapping[str, Sequence[str]]) -> Iterator[Feature]:
        alter = f"ALTER TABLE {identifier(table)}"
        for name, kind, definition, columns in self._constraints[table]:
            of_choice = kind == "c" and len(columns) == 1 and columns[0] in choices and "= ANY ((ARRAY[" in definition
            if kind in ("u", "c", "x") and not of_choice:
                constraint = identifier(name)
                added, dropped = (
                    f"{alter} ADD CONSTRAINT {constraint} {definition}",
                    f"{alter} DROP CONSTRAINT {constraint}",
                )
                yield Feature(definition, added, dropped)
            elif kind == "f" and "DEFERRABLE" in definition:
                yield Feature(f"{', '.join(columns)}: {definition.partition(' DEFERRABLE')[1].strip()}")
        for name, (identity, generated, collation, expression) in self._columns[table].items():
            column = f"{alter} ALTER COLUMN {identifier(name)}"
            if identity:
                kind = _IDENTITY[identity]
                added, dropped = f"{column} ADD GENERATED {kind} AS IDENTITY", f"{column} DROP IDENTITY"
                yield Feature(f"{name}: generated {kind.lower()}", added, dropped, identity == "d", name)
            if not identity and not generated and str(expression).startswith("nextval("):
                yield Feature(f"{name}: serial", column=name)
            if generated:
                yield Feature(f"{name}: generated as {expression}", column=name)
            if collation is not None:
                yield Feature(f"{name}: collate {collation}", column=name)

    def _ddl(self, facts: TableInfo) -> TableDdl:
        columns = {column.name: self._column(facts, column) for column in facts.columns}
        constraints = self._constraints[facts.name]
        parts = [*columns.values()]
        parts += [f"CONSTRAINT {identifier(name)} {text}" for name, kind, text, _ in constraints if kind != "f"]
        create = f"CREATE TABLE {identifier(facts.name)} (\n    " + ",\n    ".join(parts) + "\n)"
        alter = f"ALTER TABLE {identifier(facts.name)} ADD CONSTRAINT"
        return TableDdl(
            (create, *[index.sql for index in facts.indexes if index.sql is not None]),
            tuple([f"{alter} {identifier(name)} {text}" for name, kind, text, _ in constraints if kind == "f"]),
            columns,
        )

    def _column(self, facts: TableInfo, column: ColumnInfo) -> str:
        identity, generated, collation, expression = self._columns[facts.name].get(column.name, ("", "", None, None))
        serial = column.generated and not identity
        text = f"{identifier(column.name)} {_SERIAL.get(column.type, column.type) if serial else column.type}"
        if collation is not None:
            text += f" COLLATE {collation}"
        if identity:
            text += f" GENERATED {_IDENTITY[identity]} AS IDENTITY"
        elif generated:
            text += f" GENERATED ALWAYS AS ({expression}) {'STORED' if generated == 's' else 'VIRTUAL'}"
        elif column.default is not None:
            text += f" DEFAULT {column.default}"
        return text + (" NOT NULL" if column.not_null else "")


def _view(name: str, materialized: bool, definition: str) -> ViewState:
    select = definition.strip().removesuffix(";")
    kind = "MATERIALIZED VIEW" if materialized else "VIEW"
    key = "\n".join([kind, select])
    return ViewState(name, select, (f"CREATE {kind} {identifier(name)} AS {select}",), materialized, key)


def _trigger(name: str, table: str, sql: str) -> SchemaObject:
    drop = f"DROP TRIGGER {identifier(name)} ON {identifier(table)}"
    return SchemaObject("trigger", f"{name} on {table}", (sql,), (drop,), sql, table, after_rows=True)


def _table(table: TableParts) -> SchemaObject:
    name, create = table.facts.name, table.ddl.create[:1]
    return SchemaObject("table", name, create, (f"DROP TABLE {identifier(name)}",), create[0])


def _parts(table: TableParts) -> list[SchemaObject]:
    name = table.facts.name
    alter = f"ALTER TABLE {identifier(name)} DROP CONSTRAINT"
    indexes = [_index(index.name, name, index.sql) for index in table.facts.indexes if index.sql is not None]
    keys = [key.name or "" for key in table.facts.foreign_keys]
    return [
        *indexes,
        *[
            SchemaObject("constraint", f"{key} on {name}", (sql,), (f"{alter} {identifier(key)}",), sql, name)
            for key, sql in zip(keys, table.ddl.constrain, strict=True)
        ],
    ]


def _index(name: str, table: str, sql: str) -> SchemaObject:
    return SchemaObject("index", name, (sql,), (f"DROP INDEX {identifier(name)}",), sql, table)


def _as_object(view: ViewState) -> SchemaObject:
    drop = f"DROP {view.kind} {identifier(view.name)}"
    return SchemaObject(view.kind.lower(), view.name, view.statements, (drop,), view.key)
