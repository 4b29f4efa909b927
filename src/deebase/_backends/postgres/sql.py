"""The SQL of statements on rows for PostgreSQL, and SQLAlchemy's dialect that compiles it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.engine import Dialect

from deebase._backends.postgres.json_sql import PostgresJson
from deebase._backends.postgres.search.search_sql import PartSearching, WordSearching
from deebase._rows.model import ColumnModel, SearchModel, TableModel
from deebase._sql.compiled import Parameters, number_mark
from deebase._sql.search.search_statements import Searching
from deebase._sql.search.search_text import SearchText
from deebase._sql.sql_rules import Key, PlanRules, PlanStep


class PostgresPlans:
    """``PlanRules`` for PostgreSQL."""

    def explain(self, sql: str) -> str:
        return f"EXPLAIN {sql}"

    def tree(self, sql: str) -> str:
        return f"EXPLAIN (FORMAT JSON) {sql}"

    def steps(self, rows: Sequence[Sequence[Any]]) -> tuple[PlanStep, ...]:
        document = rows[0][0]
        found = json.loads(document) if isinstance(document, str) else document
        return tuple([_step(item["Plan"]) for item in found if "Plan" in item])


class PostgresRules:
    """Writes the SQL of PostgreSQL."""

    json = PostgresJson()
    plans: PlanRules = PostgresPlans()

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

    def searching(
        self, model: TableModel, dialect: Dialect, info: SearchModel, asked: SearchText, *, is_scoped: bool
    ) -> Searching:
        if info.search.tokenize == "trigram":
            return PartSearching(model, info, asked)
        return WordSearching(model, dialect, info, asked)


#: The conditions and keys of a node of EXPLAIN (src/backend/commands/explain.c).
_DETAILS = (
    "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Filter", "One-Time Filter", "Sort Key",
    "Presorted Key", "Group Key", "Order By", "Cache Key",
)  # fmt: skip


def _step(node: Mapping[str, Any]) -> PlanStep:
    value: Any
    words = [str(node.get("Subplan Name", ""))] if "Subplan Name" in node else []
    kind = str(node["Node Type"])
    if node.get("Join Type", "Inner") != "Inner":
        kind = f"{kind} ({node['Join Type']})"
    if node.get("Strategy", "Plain") != "Plain":
        kind = f"{kind} ({node['Strategy']})"
    words.append(kind)
    if "Index Name" in node:
        words[-1] += f" using {node['Index Name']}"
    table = node.get("Relation Name") or node.get("CTE Name") or node.get("Function Name")
    alias = node.get("Alias")
    if table is not None or alias is not None:
        words[-1] += f" on {table or alias}" + (f" {alias}" if table is not None and alias != table else "")
    details = [
        f"{name}: {', '.join(map(str, cast('list[object]', value))) if isinstance(value, list) else value}"
        for name in _DETAILS
        if (value := node.get(name)) is not None
    ]
    steps = [_step(below) for below in node.get("Plans", ())]
    return PlanStep(": ".join(words), tuple(details), node.get("Plan Rows"), node.get("Total Cost"), tuple(steps))


class NumbersInText(PGCompiler):
    """Marks LIMIT and OFFSET in the text, which `CompiledStatement.ready` replaces by the numbers.

    A prepared statement whose LIMIT is a parameter gets a plan for a tenth of the rows from its sixth execution on
    (``preprocess_limit`` in src/backend/optimizer/plan/planner.c), which may read a whole table for a few rows.
    """

    #: The parameters in the order of their marks.
    numbers: tuple[sa.BindParameter[Any], ...] = ()

    def limit_clause(self, select: Any, **options: Any) -> str:
        above: Any = super()
        return str(above.limit_clause(select, **_limited(select, options)))

    def fetch_clause(self, select: Any, *args: Any, **options: Any) -> str:
        above: Any = super()
        return str(above.fetch_clause(select, *args, **_limited(select, options)))

    def visit_bindparam(self, bindparam: Any, *args: Any, in_text: bool = False, **options: Any) -> Any:
        above: Any = super()
        if not in_text:
            return above.visit_bindparam(bindparam, *args, **options)
        self.numbers = (*self.numbers, bindparam)
        return number_mark()

    def render_bind_cast(self, type_: Any, dbapi_type: Any, sqltext: str) -> str:
        # A cast with digits would round the values that a column is compared with.
        rounds = isinstance(dbapi_type, sa.Numeric) and not isinstance(dbapi_type, sa.Float)
        above: Any = super()
        return str(above.render_bind_cast(type_, sa.Numeric() if rounds else dbapi_type, sqltext))


class NumbersAtExecution(NumbersInText):
    """Lets SQLAlchemy write LIMIT and OFFSET into the text of its own statements, at each execution."""

    def visit_bindparam(self, bindparam: Any, *args: Any, in_text: bool = False, **options: Any) -> Any:
        given = bindparam.render_literal_execute() if in_text else bindparam
        above: Any = super()
        return above.visit_bindparam(given, *args, **options)


def _limited(select: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options for the clauses that limit a select; expressions in them are compiled as usual."""
    clauses = [select._limit_clause, select._offset_clause, select._fetch_clause]
    by_numbers = all(clause is None or _is_number(clause) for clause in clauses)
    return {**options, "in_text": True} if by_numbers else options


def _is_number(clause: Any) -> bool:
    return clause.__visit_name__ == "bindparam" and isinstance(clause.type, sa.Integer) and clause.callable is None


def make_dialect(url: sa.URL) -> Dialect:
    """Return a dialect that compiles without loading the driver."""
    dialect: Dialect = url.get_dialect()()
    dialect.statement_compiler = NumbersInText
    # SQLAlchemy reads this from a connection: backslashes are plain in strings (the default since 9.1).
    dialect._backslash_escapes = False  # type: ignore[attr-defined]
    return dialect
