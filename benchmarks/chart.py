"""The chart of the services: requests per second of each library, as one SVG for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.figures import grouped
from benchmarks.peers import BASELINES, title_of
from benchmarks.services.service import ServiceFigures
from benchmarks.target import Backend

TITLES: dict[Backend, str] = {"sqlite": "SQLite", "postgres": "PostgreSQL"}

WIDTH, MARGIN = 900, 24
#: The column of names, and the longest bar of a column of figures.
NAMES, BAR = 150, 116
ROW = 22
HEAD = 74

# The colours have a contrast of 4.5 to 1 (text) and 3 to 1 (bars) to the background of their scheme.
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; fill: #1f2430; }
.title { font-size: 17px; font-weight: 600; }
.strong { font-weight: 600; }
.quiet { fill: #5a6172; }
.page { fill: #ffffff; stroke: #d5d9e2; }
.own { fill: #3f51b5; }
.driver { fill: #7d8597; }
.other { fill: #a3a9b8; stroke: #7d8597; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e8ee; }
  .quiet { fill: #a9b0c0; }
  .page { fill: #1b1e27; stroke: #3a4050; }
  .own { fill: #8c9eff; }
  .driver { fill: #8b93a7; }
  .other { fill: #545c70; stroke: #8b93a7; }
}
""".strip()

#: Called without a library.
DRIVERS = {*BASELINES.values(), "sqlite3"}

#: Requests per second by kind of request and library.
Block = Mapping[str, Mapping[str, float | None]]


def blocks(figures: Sequence[ServiceFigures]) -> dict[Backend, Block]:
    """Return the requests per second of each database."""
    backends: list[Backend] = list(dict.fromkeys(one.backend for one in figures))
    return {
        backend: {
            work: {side: one.requests for side, one in sides.items()}
            for work, sides in grouped(one for one in figures if one.backend == backend).items()
        }
        for backend in backends
    }


def chart(figures: Sequence[ServiceFigures], conditions: str) -> str:
    """Return the text of the SVG.

    Args:
        figures: Of the services.
        conditions: The line below the title: what was measured, and where.
    """
    found = blocks(figures)
    body: list[str] = []
    top = HEAD
    for backend, block in found.items():
        body += _block(backend, block, top)
        top += ROW * (len(next(iter(block.values()))) + 1) + 24
    note = (
        "Longer bars are better; each column has a scale of its own. "
        "sqlite3 and fastlite block the event loop during a call."
    )
    body.append(_text(MARGIN, top, note, "quiet"))
    height = top + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'aria-labelledby="title description">',
            '<title id="title">Requests per second of a service with each library</title>',
            f'<desc id="description">{escape(description(found))}</desc>',
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>',
            _text(MARGIN, 32, "Requests per second of a service with each library", "title"),
            _text(MARGIN, 53, conditions, "quiet"),
            *body,
            "</svg>",
            "",
        ]
    )


def description(found: Mapping[Backend, Block]) -> str:
    """Return all figures of the chart in words."""
    return " ".join(
        f"{TITLES[backend]}, {work}: "
        + ", ".join(f"{title_of(side)} {_number(value)}" for side, value in sides.items())
        + "."
        for backend, block in found.items()
        for work, sides in block.items()
    )


def _block(backend: Backend, block: Block, top: int) -> Iterator[str]:
    step = (WIDTH - MARGIN - NAMES) // len(block)
    yield _text(MARGIN, top + 14, TITLES[backend], "strong")
    for column, (work, sides) in enumerate(block.items()):
        left = NAMES + column * step
        yield _text(left, top + 14, work, "strong")
        most = max((value for value in sides.values() if value), default=1.0)
        for row, (side, value) in enumerate(sides.items(), start=1):
            line = top + ROW * row
            kind = "own" if side == "deebase" else "driver" if side in DRIVERS else "other"
            if column == 0:
                name = title_of(side) + (" (driver)" if kind == "driver" else "")
                yield _text(MARGIN, line + 14, name, "strong" if kind == "own" else "")
            length = max(1.0, BAR * (value or 0) / most)
            if value is not None:
                yield f'<rect class="{kind}" x="{left}" y="{line + 3}" width="{length:.1f}" height="14" rx="2"/>'
            yield _text(left + length + 6, line + 14, _number(value), "strong" if kind == "own" else "quiet")


def _number(value: float | None) -> str:
    return "failed" if value is None else f"{value:,.0f}"


def _text(x: float, y: float, text: str, kind: str) -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{attribute}>{escape(text)}</text>'
