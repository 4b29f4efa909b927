"""The SQL of statements on rows that differs between databases."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Dialect

    from deebase._rows.model import ColumnModel, SearchModel, TableModel
    from deebase._sql.compiled import Parameters
    from deebase._sql.json_paths.json_rules import JsonRules
    from deebase._sql.search.search_statements import Searching
    from deebase._sql.search.search_text import SearchText
    from deebase._sqltext.capabilities import Named

Key = tuple[Any, ...]


@dataclass(frozen=True)
class PlanStep:
    """A step of a plan, and the steps whose rows it takes.

    Attributes:
        text: what the database does: ``"SCAN post"``, ``"Index Scan using post_pkey on post"``.
        details: its conditions and keys: ``"Filter: (views > 10)"``.
        rows: the number of rows that the database expects; None where it does not say (SQLite).
        cost: what the database expects it to cost, the steps below included; None where it does not say.
        steps: the steps below it.
    """

    text: str
    details: tuple[str, ...] = ()
    rows: int | None = None
    cost: float | None = None
    steps: tuple[PlanStep, ...] = ()


class SqlRules(Protocol):
    """Writes the SQL of one database."""

    @property
    def json(self) -> JsonRules:
        """The SQL of parts of JSON documents."""
        ...

    def insert(self, table: sa.Table) -> Any:
        """Return an INSERT that supports ON CONFLICT."""
        ...

    def returned(
        self, model: TableModel, dialect: Dialect, written: Collection[str]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the expressions of RETURNING: all columns of a table, and further ones that the engine needs.

        Args:
            model: the table.
            dialect: the database.
            written: the columns that an INSERT sets; none for other statements.
        """
        ...

    def advance_sequence(self, model: TableModel, dialect: Dialect, key: Any) -> Any | None:
        """Return an expression that advances the key's sequence past a key; None without sequences."""
        ...

    def key_lists(self, keys: Sequence[Key], columns: Sequence[ColumnModel]) -> Mapping[str, Any] | None:
        """Return the parameters that hold many keys as lists; None if each value needs a parameter."""
        ...

    def listed_keys(self, columns: Sequence[ColumnModel], parameters: Parameters) -> tuple[Any, list[Any]]:
        """Return the number and the values of the keys of ``key_lists``, as expressions."""
        ...

    def table_exists(self, table: sa.Table, dialect: Dialect) -> Any:
        """Return a SELECT of one row if a table or view exists."""
        ...

    def searching(
        self, model: TableModel, dialect: Dialect, info: SearchModel, asked: SearchText, *, is_scoped: bool
    ) -> Searching:
        """Return how rows are found by a search. In a scope, scores depend on no other rows than those of the hits."""
        ...

    @property
    def plans(self) -> PlanRules:
        """The SQL of plans."""
        ...


class PlanRules(Protocol):
    """Asks one database for the plans of statements, which are not run."""

    def explain(self, sql: str) -> str:
        """Return the statement whose last column is the plan of another statement."""
        ...

    def tree(self, sql: str) -> str:
        """Return the statement whose rows ``steps`` reads."""
        ...

    def steps(self, rows: Sequence[Sequence[Any]]) -> tuple[PlanStep, ...]:
        """Return the plan in the rows of ``tree``."""
        ...


_registered: dict[str, SqlRules] = {}


def register(name: str, rules: SqlRules) -> None:
    """Register the rules of a database under the name of its dialect."""
    _registered[name] = rules


def rules_of(database: Named) -> SqlRules:
    """Return the rules of the database of a dialect."""
    if not _registered:
        # Each backend registers itself when it is imported.
        import_module("deebase._backends")
    return _registered[database.name]
