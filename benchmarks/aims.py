"""The aims: the largest ratio of DeeBase's time to the reference's in the same run, by wall time and by CPU time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Figures, Kind, ratio
from benchmarks.target import Backend, Durability


@dataclass(frozen=True)
class Aim:
    """One aim.

    Attributes:
        backend: The database.
        work: What is done, as in the figures.
        most: The largest ratio.
        reference: The side that DeeBase is compared with.
        durability: Of both sides.
        kinds: The times that must meet it.
    """

    backend: Backend
    work: str
    most: float
    reference: str
    durability: Durability = "normal"
    kinds: tuple[Kind, ...] = ("wall", "cpu")

    @property
    def title(self) -> str:
        """The work as it is printed."""
        return self.work + (", an fsync per commit" if self.durability == "full" else "")

    def judged(self, runs: Sequence[Run]) -> Verdict | None:
        """Return what was measured; None if it was not."""
        for run in runs:
            sides = {one.side: one for one in run.figures if (one.backend, one.work) == (self.backend, self.work)}
            if run.durability == self.durability and {"deebase", self.reference} <= sides.keys():
                own, other = sides["deebase"], sides[self.reference]
                return Verdict(self, *(ratio(own, other, kind) for kind in ("wall", "cpu", "server")))
        return None


@dataclass(frozen=True)
class Run:
    """The figures of one run.

    Attributes:
        durability: Of all sides.
        figures: What was measured.
    """

    durability: Durability
    figures: Sequence[Figures]


@dataclass(frozen=True)
class Verdict:
    """The ratios that were measured for an aim."""

    aim: Aim
    wall: float | None
    cpu: float | None
    server: float | None

    @property
    def missed(self) -> list[Kind]:
        """The times that are above the aim."""
        found: dict[Kind, float | None] = {"wall": self.wall, "cpu": self.cpu}
        return [kind for kind in self.aim.kinds if (value := found.get(kind)) is not None and value > self.aim.most]


def verdicts(runs: Sequence[Run]) -> list[Verdict]:
    """Return the verdict of each aim that was measured."""
    return [verdict for aim in AIMS if (verdict := aim.judged(runs)) is not None]


def _calls(work: str, sqlite: float, postgres: float, durability: Durability = "normal") -> Iterable[Aim]:
    yield Aim("sqlite", work, sqlite, "aiosqlite", durability)
    yield Aim("postgres", work, postgres, "asyncpg", durability)


def _scenario(work: str, sqlite: float | None, postgres: float) -> Iterable[Aim]:
    if sqlite is not None:
        yield Aim("sqlite", work, sqlite, "driver")
    yield Aim("postgres", work, postgres, "driver")


AIMS = (
    *_calls("get", 0.4, 0.45),
    *_calls("get x32", 0.4, 0.08),
    *_calls("insert", 1.1, 0.6),
    *_calls("insert x32", 0.4, 0.5),
    *_calls("insert x32", 0.25, 0.8, "full"),
    *_calls("20 rows by an indexed condition", 0.8, 0.9),
    *_scenario("20 of 1,000,000 rows by an indexed condition", None, 1.0),
    *_calls("transaction of two updates", 1.1, 1.0),
    *_scenario("100 parents with_parents", 0.8, 1.0),
    *_calls("select 100 rows", 1.0, 1.1),
    *_calls("bulk insert", 1.2, 1.2),
    Aim("sqlite", "200,000 rows to Arrow", 1.2, "ADBC", kinds=("cpu",)),
    Aim("postgres", "200,000 rows to Arrow", 1.2, "ADBC", kinds=("cpu",)),
)
