"""The figures as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.aims import Verdict
from benchmarks.chart import DRIVERS, TITLES
from benchmarks.figures import Figures, Kind, grouped, ratio
from benchmarks.peers import BASELINES, title_of
from benchmarks.report import microseconds
from benchmarks.services.service import ServiceFigures
from benchmarks.target import Backend

Lines = list[str]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Lines:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)] + [""]


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _backends(figures: Sequence[Figures]) -> list[Backend]:
    return list(dict.fromkeys(one.backend for one in figures))


# -- services --------------------------------------------------------------------------------------


def summary(figures: Sequence[ServiceFigures]) -> Lines:
    """Return how many times the requests of the driver, and of the fastest other library, DeeBase answers."""
    rows: list[list[str]] = []
    for backend in _backends(figures):
        for work, sides in grouped(one for one in figures if one.backend == backend).items():
            own, driver = sides.get("deebase"), sides.get(BASELINES[backend])
            others = [one for side, one in sides.items() if side not in ("deebase", *DRIVERS) and one.median()]
            if own and driver and others:
                best = min(others, key=lambda one: one.median() or 0)
                rows.append(
                    [work, TITLES[backend], *(_times_of(own, one) for one in (driver, best)), _cpu(own, driver)]
                )
    return _table(["request", "database", "beside the driver", "beside the fastest other library", "CPU time"], rows)


def _times_of(own: Figures, other: Figures) -> str:
    first, second = own.median(), other.median()
    return f"{second / first:.1f} times {title_of(other.side)}" if first and second else "-"


def _cpu(own: Figures, driver: Figures) -> str:
    used = ratio(own, driver, "cpu")
    return "-" if used is None else f"{used:.1f} of {title_of(driver.side)}"


def services(figures: Sequence[ServiceFigures]) -> Lines:
    """Return a table for each database: requests per second, p50 and p99, CPU time of the service per request."""
    lines: Lines = []
    for backend in _backends(figures):
        works = grouped(one for one in figures if one.backend == backend)
        names = list(dict.fromkeys(side for sides in works.values() for side in sides))
        rows = [[title_of(name), *(_service(sides.get(name)) for sides in works.values())] for name in names]
        lines += _table([TITLES[backend], *works], rows)
    return lines


def _service(one: Figures | None) -> str:
    if not isinstance(one, ServiceFigures) or one.requests is None:
        return "failed"
    p50, p99 = (1000 * statistics.median(values) for values in (one.p50, one.p99))
    cpu = microseconds(one.median("cpu") or 0)
    return f"{one.requests:,.0f}/s<br>{p50:,.1f} / {p99:,.1f} ms<br>{cpu} µs CPU"


# -- calls -----------------------------------------------------------------------------------------


def calls(figures: Sequence[Figures], kind: Kind) -> Lines:
    """Return a table for each database: microseconds of a library, and the ratio to the plain driver."""
    lines: Lines = []
    for backend in _backends(figures):
        mine = [one for one in figures if one.backend == backend]
        if any(one.rounds(kind) for one in mine):
            names = list(dict.fromkeys(one.side for one in mine))
            rows = [
                [work, *(_call(sides.get(name), sides.get(BASELINES[backend]), kind) for name in names)]
                for work, sides in grouped(mine).items()
            ]
            lines += _table([TITLES[backend], *map(title_of, names)], rows)
    return lines


def _call(own: Figures | None, baseline: Figures | None, kind: Kind) -> str:
    seconds = own.median(kind) if own else None
    if own is None or seconds is None:
        return "-"
    relation = ratio(own, baseline, kind) if baseline else None
    return microseconds(seconds) + ("" if relation is None else f" ({relation:.2f})")


# -- two sides -------------------------------------------------------------------------------------


def two_sides(figures: Sequence[Figures]) -> Lines:
    """Return a table for each database: the times of both sides, and their ratios."""
    lines: Lines = []
    for backend in _backends(figures):
        rows: list[list[str]] = []
        for work, sides in grouped(one for one in figures if one.backend == backend).items():
            own, *others = sides.values()
            rows += [[_compared(work, own, other), *_times(own, other)] for other in others]
        lines += _table([TITLES[backend], "DeeBase, ms", "reference, ms", "ratio", "by CPU", "by server CPU"], rows)
    return lines


def _compared(work: str, own: Figures, other: Figures) -> str:
    sides = [] if (own.side, other.side) == ("deebase", "driver") else [title_of(own.side), title_of(other.side)]
    return f"{work} ({' against '.join(sides)})" if sides else work


def _times(own: Figures, other: Figures) -> list[str]:
    times = ["-" if (value := one.median()) is None else f"{1000 * value:,.2f}" for one in (own, other)]
    kinds: tuple[Kind, ...] = ("wall", "cpu", "server")
    return times + [_ratio(ratio(own, other, kind)) for kind in kinds]


# -- the rest --------------------------------------------------------------------------------------


def stalls(found: Sequence[Mapping[str, Any]]) -> Lines:
    """Return the delays of a heartbeat in the event loop, in milliseconds."""
    names = ("p50", "p99", "p99_9", "largest")
    head = ["situation", "reads in the loop", "p50, ms", "p99, ms", "p99.9, ms", "largest, ms"]
    return _table(
        head, [[str(one["situation"]), str(one["in_loop"]), *(f"{one[name]:.2f}" for name in names)] for one in found]
    )


def aims(found: Sequence[Verdict]) -> Lines:
    """Return the aims with what was measured."""
    head = ["operation", "database", "reference", "aim", "wall", "CPU", "server CPU", ""]
    rows = [
        [
            verdict.aim.title,
            TITLES[verdict.aim.backend],
            verdict.aim.reference,
            f"{verdict.aim.most:.2f}",
            *map(_ratio, (verdict.wall, verdict.cpu, verdict.server)),
            f"missed by {' and '.join(verdict.missed)}" if verdict.missed else "met",
        ]
        for verdict in found
    ]
    return _table(head, rows)


def machine(run: Mapping[str, Any]) -> str:
    """Return the machine and the versions."""
    found = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items() if name != "deebase")
    return f"{found['processor']}, {found['cores']} cores, {found['system']}; {versions}."
