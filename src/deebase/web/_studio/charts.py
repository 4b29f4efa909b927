"""Charts as SVG: bars and lines, drawn here, so that a page needs no script for them."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from deebase.web._studio.facets import Value

_WIDTH, _HEIGHT, _GAP, _BASE = 560.0, 120.0, 2.0, 18.0


def chart_svg(shape: str, values: Sequence[Value], what: str | None = None) -> str:
    """Return a chart of values in their order: columns for "histogram", a line for "line".

    Args:
        shape: of the chart.
        values: what it shows.
        what: what they are, for those who do not see it; numbers of rows by default.
    """
    if not values:
        return ""
    drawn = _line(values) if shape == "line" and len(values) > 1 else _columns(values)
    label = f"{what or 'Number of rows'} from {values[0].text} to {values[-1].text}"
    ends = (
        f'<text x="0" y="{_HEIGHT - 4:.0f}">{escape(values[0].text)}</text>'
        f'<text x="{_WIDTH:.0f}" y="{_HEIGHT - 4:.0f}" text-anchor="end">{escape(values[-1].text)}</text>'
    )
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" aria-label="{escape(label)}">'
        f"{drawn}{ends}</svg>"
    )


def _columns(values: Sequence[Value]) -> str:
    width = _WIDTH / len(values)
    room = _HEIGHT - _BASE
    parts: list[str] = []
    for number, value in enumerate(values):
        height = max(room * value.share, 1.0 if value.count else 0.0)
        title = escape(f"{value.text}: {value.count:,}")
        parts.append(
            f'<g><title>{title}</title><rect class="hit" x="{width * number:.1f}" y="0" width="{width:.1f}" '
            f'height="{room:.1f}"/><rect class="bar" x="{width * number + _GAP / 2:.1f}" y="{room - height:.1f}" '
            f'width="{max(width - _GAP, 1):.1f}" height="{height:.1f}" rx="2"/></g>'
        )
    return "".join(parts)


def _line(values: Sequence[Value]) -> str:
    step = _WIDTH / (len(values) - 1)
    room = _HEIGHT - _BASE - 6
    points = [(step * number, 6 + room * (1 - value.share)) for number, value in enumerate(values)]
    path = "L".join([f"{x:.1f} {y:.1f}" for x, y in points])
    base = 6 + room
    dots = "".join(
        [
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(f"{v.text}: {v.count:,}")}</title>'
            "</circle>"
            for (x, y), v in zip(points, values, strict=True)
        ]
    )
    return (
        f'<path class="area" d="M0 {base:.1f}L{path}L{_WIDTH:.0f} {base:.1f}z"/><path class="line" d="M{path}"/>{dots}'
    )
