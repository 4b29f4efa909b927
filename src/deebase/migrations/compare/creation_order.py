"""The order in which tables and views are created, so that each finds what it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from deebase._backends.schema_parts import ViewState
from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.ordering import groups
from deebase._sqltext.tokens import mentions
from deebase.migrations.compare.schema import TableState


def tables(items: Iterable[TableState]) -> list[list[TableState]]:
    """Return tables in the order in which they can be created, those of a cycle together."""
    return list(groups(items, _referred))


def _referred(table: TableState) -> Collection[str]:
    return {key.table for key in table.facts.foreign_keys} - {table.name}


def views(items: Sequence[ViewState], rules: TokenRules) -> list[ViewState]:
    """Return views in the order in which they can be created."""

    def used(view: ViewState) -> Collection[str]:
        return {other.name for other in items if other.name != view.name and mentions(view.sql, rules, other.name)}

    return [view for group in groups(items, used) for view in group]
