"""The SQL of statements on rows for SQLite, and SQLAlchemy's dialect that compiles it.

Only the dialect objects of a Database are changed, not SQLAlchemy's classes.
"""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import Select, operators, roles
from sqlalchemy.sql.elements import BindParameter, ClauseList, ColumnClause, Label

from deebase._backends.sqlite.json_sql import SqliteJson
from deebase._backends.sqlite.search.search_sql import SqliteSearching
from deebase._rows.model import ColumnModel, SearchModel, TableModel
from deebase._sql.compiled import Parameters
from deebase._sql.reread import hidden_rowid
from deebase._sql.search.search_statements import Searching
from deebase._sql.search.search_text import SearchText
from deebase._sql.sql_rules import Key, PlanRules, PlanStep
from deebase._types.forms.moment_sql import Normal, kind_of, may_have_another_form


class SqlitePlans:
    """``PlanRules`` for SQLite."""

    def explain(self, sql: str) -> str:
        return f"EXPLAIN QUERY PLAN {sql}"

    def tree(self, sql: str) -> str:
        return self.explain(sql)

    def steps(self, rows: Sequence[Sequence[Any]]) -> tuple[PlanStep, ...]:
        below: dict[int, list[tuple[int, str]]] = {}
        for number, parent, _, text in rows:
            below.setdefault(parent, []).append((number, text))

        def steps(parent: int) -> tuple[PlanStep, ...]:
            return tuple([PlanStep(text, steps=steps(number)) for number, text in below.get(parent, ())])

        return steps(0)


class SqliteRules:
    """Writes the SQL of SQLite."""

    json = SqliteJson()
    plans: PlanRules = SqlitePlans()

    def insert(self, table: sa.Table) -> Any:
        return sqlite.insert(table)

    def returned(
        self, model: TableModel, dialect: Dialect, written: Collection[str]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return all columns, and the rowid of a table without a key."""
        columns: list[Any] = list(model.sa_table.c)
        if _is_real(columns[0], dialect):
            # RETURNING converts all numbers of such a table to floats (seen in 3.40), but not the results of functions.
            columns[1:] = [sa.func.ifnull(column, sa.null(), type_=column.type) for column in columns[1:]]
        rowid = hidden_rowid(model)
        return columns, [] if rowid is None else [rowid]

    def advance_sequence(self, model: TableModel, dialect: Dialect, key: Any) -> None:
        """Return None: SQLite uses the next rowid after the highest one."""
        return None

    def key_lists(self, keys: Sequence[Key], columns: Sequence[ColumnModel]) -> Mapping[str, Any] | None:
        """Return the keys as one JSON array; JSON cannot hold bytes, or all floats."""
        if not {int, str}.issuperset([type(value) for key in keys for value in key]):
            return None
        listed = keys if len(columns) > 1 else [key[0] for key in keys]
        return {"keys": json.dumps(listed, ensure_ascii=False)}

    def listed_keys(self, columns: Sequence[ColumnModel], parameters: Parameters) -> tuple[Any, list[Any]]:
        """Return the number and the values of each key in the JSON array."""
        given = parameters.add("keys", sa.String(), None)
        keys = sa.func.json_each(given).table_valued("key", "value", name="keys")
        if len(columns) == 1:
            return keys.c.key, [keys.c.value]
        places: list[Any] = [sa.literal_column(f"'$[{n}]'") for n in range(len(columns))]
        return keys.c.key, [sa.func.json_extract(keys.c.value, place) for place in places]

    def table_exists(self, table: sa.Table, dialect: Dialect) -> Any:
        listed = sa.table("sqlite_master", sa.column("name", sa.String()), sa.column("type", sa.String()))
        return sa.select(listed.c.name).where(
            sa.func.lower(listed.c.name) == table.name.lower(), listed.c.type.in_(["table", "view"])
        )

    def searching(
        self, model: TableModel, dialect: Dialect, info: SearchModel, asked: SearchText, *, is_scoped: bool
    ) -> Searching:
        return SqliteSearching(model, info, asked, is_scoped=is_scoped)


def _is_real(column: sa.Column[Any], dialect: Dialect) -> bool:
    written = column.type.compile(dialect=dialect).upper()
    return any(part in written for part in ("REAL", "FLOA", "DOUB"))


#: The aggregate that sums Decimals exactly; every SQLite connection registers it.
SUM = "deebase_sum"


_COMPARISONS = frozenset({operators.eq, operators.ne, operators.lt, operators.le, operators.gt, operators.ge})


def _by_value(element: Any) -> Any:
    """Return the expression that sorts a column by its values; other expressions are returned unchanged."""
    named = element.element if element.__visit_name__ == "label_reference" else element
    named = named.element if isinstance(named, Label) else named
    sortable = getattr(getattr(named, "type", None), "order_expression", None)
    return sortable(named) if isinstance(named, ColumnClause) and sortable is not None else element


class ByValueCompiler(SQLiteCompiler):
    """Compiles ``sum()`` over Decimals to the exact aggregate, and sorts columns with several stored forms by value."""

    def order_by_clause(self, select: Any, **options: Any) -> str:
        """Return ORDER BY; a compound SELECT can only sort by its columns."""
        clauses = select._order_by_clauses
        if isinstance(select, Select):
            clauses = [_by_value(clause) for clause in clauses]
        compiler: Any = self
        listed = compiler._generate_delimited_list(clauses, ", ", **options)
        return f" ORDER BY {listed}" if listed else ""

    def visit_binary(self, binary: Any, *parts: Any, **options: Any) -> str:
        """Return an operation; a moment on the right side only is compared by value, too."""
        kind = kind_of(binary.right) if binary.operator in _COMPARISONS and kind_of(binary.left) is None else None
        if kind is not None and not isinstance(binary.right, (BindParameter, Normal)):
            binary = binary._clone()
            binary.right = Normal(binary.right, kind)
            if may_have_another_form(binary.left):
                binary.left = Normal(binary.left, kind)
        base: Any = super()
        return str(base.visit_binary(binary, *parts, **options))

    def visit_tuple(self, clauselist: Any, **options: Any) -> str:
        """Return a row of values."""
        clauselist = clauselist._clone()
        clauselist.clauses = [_by_value(clause) for clause in clauselist.clauses]
        base: Any = super()
        return str(base.visit_tuple(clauselist, **options))

    def visit_over(self, over: Any, **options: Any) -> str:
        """Return the window."""
        if over.order_by is not None:
            over = over._clone()
            over.order_by = ClauseList(*map(_by_value, over.order_by), _literal_as_text_role=roles.ByOfRole)
        base: Any = super()
        return str(base.visit_over(over, **options))

    def visit_sum_func(self, element: Any, **options: Any) -> str:
        """Return the call; SQLAlchemy looks for this method by the name of the function."""
        # Only the name is compiled here: SQLAlchemy would call this method again for the function itself.
        name = SUM if getattr(element.type, "computes_exactly", False) else element.name
        return f"{name}{self.function_argspec(element, **options)}"


def adapt(dialect: Dialect) -> None:
    """Give a dialect exact sums, and the keywords that SQLAlchemy does not quote."""
    dialect.statement_compiler = ByValueCompiler
    preparer = dialect.identifier_preparer
    preparer.reserved_words = {*preparer.reserved_words, "nothing", "returning"}


def make_dialect(url: sa.URL) -> Dialect:
    """Return a dialect that compiles without loading the driver."""
    dialect: Dialect = url.get_dialect()()
    adapt(dialect)
    return dialect
