"""The plan of a statement, as a tree."""

from __future__ import annotations

from dataclasses import dataclass


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
