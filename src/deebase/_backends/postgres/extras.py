"""What PostgreSQL knows of a schema beyond columns, keys and indexes; and the DDL of tables, which it does not keep."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from deebase._backends.postgres.check_text import settled
from deebase._model.facts import ColumnInfo, TableInfo

#: What an extension made belongs to it, not to the schema.
_HERE = """n.nspname = current_schema() AND NOT c.relispartition AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"""
#: contype: p key, u unique, c check, f foreign key, x exclusion (manual, pg_constraint).
CONSTRAINTS = f"""
    SELECT c.relname::text, k.conname::text, k.contype::text, pg_get_constraintdef(k.oid),
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND k.contype IN ('p', 'u', 'c', 'f', 'x') ORDER BY c.relname, k.contype DESC, k.conname
"""
COLUMNS = f"""
    SELECT c.relname::text, a.attname::text, a.attidentity::text, a.attgenerated::text,
           CASE WHEN a.attcollation <> t.typcollation THEN format('%I.%I', ln.nspname, l.collname) END,
           pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE {_HERE} AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""
VIEWS = f"""
    SELECT c.relname::text, c.relkind = 'm', pg_get_viewdef(c.oid),
           ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid ORDER BY i.indexrelid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND c.relkind IN ('v', 'm') ORDER BY c.relname
"""
TRIGGERS = f"""
    SELECT g.tgname::text, c.relname::text, pg_get_triggerdef(g.oid)
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {_HERE} AND NOT g.tgisinternal AND NOT EXISTS (
        SELECT FROM pg_depend e WHERE e.classid = 'pg_trigger'::regclass AND e.objid = g.oid AND e.deptype = 'e')
    ORDER BY c.relname, g.tgname
"""
_IDENTITY = {"a": "ALWAYS", "d": "BY DEFAULT"}
_SERIAL = {"smallint": "smallserial", "integer": "serial", "bigint": "bigserial"}


class Extras:
    """What the statements above found.

    Args:
        dialect: for quotes.
        constraints: rows of ``CONSTRAINTS``.
        columns: rows of ``COLUMNS``.
    """

    def __init__(
        self, dialect: Dialect, *, constraints: Sequence[Sequence[Any]], columns: Sequence[Sequence[Any]]
    ) -> None:
        self._quote = dialect.identifier_preparer.quote_identifier
        self._constraints: defaultdict[str, list[Sequence[Any]]] = defaultdict(list)
        self._columns: defaultdict[str, dict[str, Sequence[Any]]] = defaultdict(dict)
        for table, name, kind, definition, names in constraints:
            self._constraints[table].append((name, kind, settled(definition), names))
        for row in columns:
            self._columns[row[0]][row[1]] = row[2:]

    def features(
        self, table: str, choices: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[str, str | None, str | None, bool, str | None]]:
        """Yield what a table has in addition to columns, keys and indexes.

        That is its text, the statements that add and drop it, whether a class says it, and the column it goes with.

        Args:
            table: its name.
            choices: its columns of an Enum or Literal, whose CHECK belongs to their type.
        """
        alter = f"ALTER TABLE {self._quote(table)}"
        for name, kind, definition, columns in self._constraints[table]:
            of_choice = kind == "c" and len(columns) == 1 and columns[0] in choices and "= ANY ((ARRAY[" in definition
            if kind in ("u", "c", "x") and not of_choice:
                constraint = self._quote(name)
                yield (
                    definition,
                    f"{alter} ADD CONSTRAINT {constraint} {definition}",
                    f"{alter} DROP CONSTRAINT {constraint}",
                    False,
                    None,
                )
            elif kind == "f" and "DEFERRABLE" in definition:
                yield f"{', '.join(columns)}: {definition.partition(' DEFERRABLE')[1].strip()}", None, None, False, None
        for name, (identity, generated, collation, expression) in self._columns[table].items():
            column = f"{alter} ALTER COLUMN {self._quote(name)}"
            if identity:
                kind = _IDENTITY[identity]
                added, dropped = f"{column} ADD GENERATED {kind} AS IDENTITY", f"{column} DROP IDENTITY"
                yield f"{name}: generated {kind.lower()}", added, dropped, identity == "d", name
            if not identity and not generated and str(expression).startswith("nextval("):
                yield f"{name}: serial", None, None, False, name
            if generated:
                yield f"{name}: generated as {expression}", None, None, False, name
            if collation is not None:
                yield f"{name}: collate {collation}", None, None, False, name

    def without_constraints(self, facts: TableInfo) -> TableInfo:
        """Return a table without the indexes that belong to constraints."""
        names = {name for name, kind, _, _ in self._constraints[facts.name] if kind in ("p", "u", "x")}
        return dataclasses.replace(facts, indexes=tuple([index for index in facts.indexes if index.name not in names]))

    def ddl(self, facts: TableInfo) -> tuple[list[str], list[str], dict[str, str]]:
        """Return the statements that make a table again, with its indexes; those of its foreign keys; its columns."""
        columns = {column.name: self._column(facts, column) for column in facts.columns}
        constraints = self._constraints[facts.name]
        parts = [*columns.values()]
        parts += [f"CONSTRAINT {self._quote(name)} {text}" for name, kind, text, _ in constraints if kind != "f"]
        alter = f"ALTER TABLE {self._quote(facts.name)} ADD CONSTRAINT"
        keys = [f"{alter} {self._quote(name)} {text}" for name, kind, text, _ in constraints if kind == "f"]
        return (
            [
                f"CREATE TABLE {self._quote(facts.name)} (\n    " + ",\n    ".join(parts) + "\n)",
                *[index.sql for index in self.without_constraints(facts).indexes if index.sql is not None],
            ],
            keys,
            columns,
        )

    def _column(self, facts: TableInfo, column: ColumnInfo) -> str:
        identity, generated, collation, expression = self._columns[facts.name].get(column.name, ("", "", None, None))
        serial = column.generated and not identity
        text = f"{self._quote(column.name)} {_SERIAL.get(column.type, column.type) if serial else column.type}"
        if collation is not None:
            text += f" COLLATE {collation}"
        if identity:
            text += f" GENERATED {_IDENTITY[identity]} AS IDENTITY"
        elif generated:
            text += f" GENERATED ALWAYS AS ({expression}) {'STORED' if generated == 's' else 'VIRTUAL'}"
        elif column.default is not None:
            text += f" DEFAULT {column.default}"
        return text + (" NOT NULL" if column.not_null else "")

    def view(self, row: Sequence[Any]) -> tuple[str, str | None, tuple[str, ...], bool, str]:
        """Return name, SELECT, SQL, whether it is materialized, and the key of a view."""
        name, materialized, definition, indexes = row
        select = str(definition).strip().removesuffix(";")
        kind = "MATERIALIZED VIEW" if materialized else "VIEW"
        key = "\n".join([kind, select, *indexes])
        # create_view makes no index by its definition alone.
        plain = None if indexes else select
        made = (f"CREATE {kind} {self._quote(name)} AS {select}", *indexes)
        return name, plain, made, bool(materialized), key

    def trigger(self, row: Sequence[Any]) -> tuple[str, str, str, str, str]:
        """Return name, table, SQL, the SQL that drops it, and the key of a trigger."""
        name, table, sql = row
        return name, table, sql, f"DROP TRIGGER {self._quote(name)} ON {self._quote(table)}", sql
