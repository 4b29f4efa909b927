"""The SQL of statements on rows for PostgreSQL, and SQLAlchemy's dialect that compiles it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

from deebase._backends.postgres.search.search_sql import PartSearching, WordSearching
from deebase._rows.model import ColumnModel, SearchModel, TableModel
from deebase._sql.compiled import Parameters
from deebase._sql.search.search_statements import Searching
from deebase._sql.search.search_text import SearchText
from deebase._sql.sql_rules import Key


class PostgresRules:
    """Writes the SQL of PostgreSQL."""

    def insert(self, table: sa.Table) -> Any:
        return postgresql.insert(table)

    def returned(
        self, model: TableModel, dialect: Dialect, written: Collection[str]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return all columns, and an expression that advances the sequence past an explicit key."""
        columns = list(model.sa_table.c)
        if model.generated not in written:
            return columns, []
        preparer = dialect.identifier_preparer
        quoted = f"{preparer.format_table(model.sa_table)}.{preparer.quote(str(model.generated))}"
        return columns, [self.advance_sequence(model, dialect, sa.literal_column(quoted, sa.BigInteger()))]

    def advance_sequence(self, model: TableModel, dialect: Dialect, key: Any) -> Any:
        """Return an expression that advances the key's sequence past a key.

        nextval is atomic, setval is not: a setval computed from an outdated value could set the sequence back
        after another session advanced it. Short gaps are therefore closed with nextval, and setval is only used for
        a jump that no other session can make meanwhile.
        """
        quoted = dialect.identifier_preparer.format_table(model.sa_table)
        sequence: Any = sa.func.pg_get_serial_sequence(quoted, model.generated).cast(postgresql.REGCLASS)
        place = sa.select(
            sequence.label("seq"), sa.func.coalesce(sa.func.pg_sequence_last_value(sequence), 0).label("at")
        ).subquery("place")
        step = sa.func.generate_series(place.c["at"] + 1, key).column_valued("step")
        # The step in the argument makes the aggregate belong to this query rather than to the outer one.
        walked = sa.select(sa.func.max(sa.func.nextval(place.c.seq) + sa.literal_column("0") * step))
        return (
            sa.select(
                sa.case((key - place.c["at"] > 1000, sa.func.setval(place.c.seq, key)), else_=walked.scalar_subquery())
            )
            .where(place.c.seq.is_not(None), key > place.c["at"])
            .scalar_subquery()
        )

    def key_lists(self, keys: Sequence[Key], columns: Sequence[ColumnModel]) -> Mapping[str, Any] | None:
        """Return one array for each column; some types cannot be sent in arrays."""
        if not all(column.listable for column in columns):
            return None
        return {f"k{n}": list(values) for n, values in enumerate(zip(*keys, strict=True))}

    def listed_keys(self, columns: Sequence[ColumnModel], parameters: Parameters) -> tuple[Any, list[Any]]:
        """Return the number and the values of each key in the arrays."""
        arrays: list[Any] = []
        for n, column in enumerate(columns):
            kind: Any = postgresql.ARRAY(column.sa_type)
            arrays.append(sa.cast(parameters.add(f"k{n}", kind, None), kind))
        names = [sa.column(f"v{n}", column.sa_type) for n, column in enumerate(columns)]
        keys: Any = sa.func.unnest(*arrays).table_valued(*names, with_ordinality="n", name="keys").render_derived()
        return keys.c.n - 1, [keys.c[f"v{n}"] for n in range(len(columns))]

    def table_exists(self, table: sa.Table, dialect: Dialect) -> Any:
        name = dialect.identifier_preparer.format_table(table)
        return sa.select(sa.literal_column("1", sa.Integer())).where(sa.func.to_regclass(name).is_not(None))

    def searching(self, model: TableModel, dialect: Dialect, info: SearchModel, asked: SearchText) -> Searching:
        if info.search.tokenize == "trigram":
            return PartSearching(model, info, asked)
        return WordSearching(model, dialect, info, asked)

    def explain(self, sql: str) -> str:
        return f"EXPLAIN {sql}"


def make_dialect(url: sa.URL) -> Dialect:
    """Return a dialect that compiles without loading the driver."""
    dialect: Dialect = url.get_dialect()()
    # SQLAlchemy reads this from a connection: backslashes are plain in strings (the default since 9.1).
    dialect._backslash_escapes = False  # type: ignore[attr-defined]
    return dialect
