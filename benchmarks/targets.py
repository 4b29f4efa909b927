"""The aims: the maximum time of an operation, as a ratio to the plain driver in the same run."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.target import Backend, Durability


@dataclass(frozen=True)
class Target:
    """One aim.

    Attributes:
        title: As it is printed.
        backend: Where.
        operation: Name of the peer's method.
        tasks: How many tasks share the calls.
        most: The largest ratio.
        durability: Of both sides.
    """

    title: str
    backend: Backend
    operation: str
    tasks: int
    most: float
    durability: Durability = "normal"

    @property
    def measured(self) -> tuple[str, str, int]:
        """The key of the result that it is compared with."""
        return self.backend, self.operation, self.tasks


def _both(title: str, operation: str, tasks: int, sqlite: float, postgres: float) -> tuple[Target, Target]:
    return Target(title, "sqlite", operation, tasks, sqlite), Target(title, "postgres", operation, tasks, postgres)


TARGETS = (
    *_both("get, one task", "get", 1, 1.2, 0.55),
    *_both("get, 32 tasks", "get", 32, 0.3, 0.15),
    *_both("insert, one task", "insert", 1, 1.2, 0.8),
    *_both("insert, 32 tasks", "insert", 32, 0.45, 0.8),
    Target("insert, 32 tasks, an fsync per commit", "sqlite", "insert", 32, 0.25, "full"),
    Target("insert, 32 tasks, an fsync per commit", "postgres", "insert", 32, 0.8, "full"),
    *_both("select 100 rows", "select_100", 1, 1.0, 1.1),
    *_both("20 rows by an indexed condition", "where_20", 1, 1.3, 0.9),
    *_both("bulk insert 10,000", "insert_many", 1, 1.3, 1.3),
)
