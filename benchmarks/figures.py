"""The figures of one side for one piece of work: the form in which every benchmark saves what it measured."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.clock import Cost
from benchmarks.target import Backend

Kind = Literal["wall", "cpu", "server"]
KINDS: tuple[Kind, ...] = ("wall", "cpu", "server")


@dataclass
class Figures:
    """Seconds of each round.

    Attributes:
        backend: The database.
        work: What was done, as it is printed.
        side: The library that did it.
        wall: Wall time.
        cpu: CPU time of the process.
        server: CPU time of the database server; empty if it is not known.
        calls: Calls or rows of each round; the times are those of one of them.
        error: Why there are no figures, else None.
    """

    backend: Backend
    work: str
    side: str
    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])
    server: list[float] = field(default_factory=list[float])
    calls: int = 1
    error: str | None = None

    def add(self, cost: Cost) -> None:
        """Add the figures of one round."""
        self.wall.append(cost.wall)
        self.cpu.append(cost.cpu)
        if cost.server is not None:
            self.server.append(cost.server)

    def rounds(self, kind: Kind) -> list[float]:
        """Return the seconds of each round; none after an error."""
        found: dict[Kind, list[float]] = {"wall": self.wall, "cpu": self.cpu, "server": self.server}
        return [] if self.error else found[kind]

    def median(self, kind: Kind = "wall") -> float | None:
        """Return the median of the rounds; None without any."""
        rounds = self.rounds(kind)
        return statistics.median(rounds) if rounds else None

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value, with times to the nanosecond."""
        saved = dataclasses.asdict(self)
        return saved | {kind: [round(seconds, 9) for seconds in saved[kind]] for kind in KINDS}


def ratio(own: Figures, other: Figures, kind: Kind = "wall") -> float | None:
    """Return the ratio of one side to another; None if one of them has no figure.

    The two are compared within each round, because the load of the machine changes from round to round,
    and the median of these ratios is taken.
    """
    pairs = [(first, second) for first, second in zip(own.rounds(kind), other.rounds(kind), strict=False) if second]
    return statistics.median(first / second for first, second in pairs) if pairs else None


def grouped(figures: Iterable[Figures]) -> dict[str, dict[str, Figures]]:
    """Return the figures of one database by work and side, in their order."""
    found: dict[str, dict[str, Figures]] = {}
    for one in figures:
        found.setdefault(one.work, {})[one.side] = one
    return found
