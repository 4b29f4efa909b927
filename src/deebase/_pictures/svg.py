"""A diagram as SVG, readable on light and on dark pages."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise

from deebase._pictures.boxes import Box, Line, Link, columns_wide, shortened, visible
from deebase._pictures.layout import Edge, Point, arranged

#: The width of a character of the fixed-width font, the unit of text widths.
CHARACTER = 7.3
HEADER = 30.0
ROW = 21.0
PADDING = 12.0
#: Longer texts are cut; the whole text is the title, which the browser shows at the pointer.
NAME_COLUMNS, TYPE_COLUMNS = 34, 24
_CORNER = 6.0

STYLE = """
.deebase { --paper: #ffffff; --ink: #1f2933; --soft: #64707d; --head: #e8eef7; --line: #7b8794; --edge: #3f6fb5;
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px }
@media (prefers-color-scheme: dark) { .deebase { --paper: #1b1f27; --ink: #e4e8ee; --soft: #9aa5b4;
  --head: #2a3342; --line: #5b6675; --edge: #86b1f0 } }
.deebase .box { fill: var(--paper); stroke: var(--line) } .deebase .head { fill: var(--head); stroke: var(--line) }
.deebase .view { stroke-dasharray: 4 3 } .deebase text { fill: var(--ink) } .deebase .name { font-weight: 700 }
.deebase .type, .deebase .mark { fill: var(--soft) } .deebase .key { font-weight: 600 }
.deebase .edge { fill: none; stroke: var(--edge); stroke-width: 1.4 } .deebase .ring { fill: var(--paper) }
"""


def svg(boxes: Sequence[Box], links: Sequence[Link], addresses: Mapping[str, str] | None = None) -> str:
    """Return the SVG picture of boxes and the links between them.

    Args:
        boxes: the tables.
        links: their foreign keys.
        addresses: by table, where a click on it leads; the picture then has no style of its own.
    """
    known = {box.name: box for box in boxes}
    edges = [
        Edge(
            link.child,
            _row_middle(known[link.child], link.columns[0]),
            link.parent,
            _row_middle(known[link.parent], link.targets[0] if link.targets else ""),
        )
        for link in links
    ]
    layout = arranged({box.name: _size(box) for box in boxes}, edges)
    parts = [_edge(path, link) for path, link in zip(layout.paths, links, strict=True)]
    for box in boxes:
        drawn = _box(box, layout.slots[box.name].x, layout.slots[box.name].y)
        address = (addresses or {}).get(box.name)
        parts.append(drawn if address is None else f'<a href="{html.escape(address)}">{drawn}</a>')
    style = f"<style>{STYLE}</style>" if addresses is None else ""
    width, height = round(layout.width), round(layout.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="deebase" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{len(boxes)} tables">{style}{"".join(parts)}</svg>'
    )


def _size(box: Box) -> tuple[float, float]:
    columns = _columns(box)
    return 2 * PADDING + CHARACTER * columns, HEADER + ROW * len(box.lines) + 6


def _columns(box: Box) -> int:
    """Return the width of a box in characters: marks, names, types."""
    title = columns_wide(shortened(visible(box.name), NAME_COLUMNS)) + 2
    return max([title, *[_marks_wide(box) + _names_wide(box) + _types_wide(box)]])


def _marks_wide(box: Box) -> int:
    return max([len(line.marks) + 1 for line in box.lines if line.marks], default=0)


def _names_wide(box: Box) -> int:
    return max([columns_wide(_name(line)) for line in box.lines], default=0) + 2


def _types_wide(box: Box) -> int:
    return max([columns_wide(_type(line)) for line in box.lines], default=0)


def _name(line: Line) -> str:
    return shortened(visible(line.name), NAME_COLUMNS)


def _type(line: Line) -> str:
    optional = "?" if line.nullable and line.type and not line.key else ""
    return shortened(visible(line.type.lower()), TYPE_COLUMNS) + optional


def _row_middle(box: Box, column: str) -> float:
    """Return the distance of a column from the top of its box; the middle of the title for a missing column."""
    for place, line in enumerate(box.lines):
        if line.name == column:
            return HEADER + ROW * (place + 0.5)
    return HEADER / 2


def _box(box: Box, x: float, y: float) -> str:
    width, height = _size(box)
    view = " view" if box.view else ""
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" rx="6"'
    title = shortened(visible(box.name), NAME_COLUMNS)
    parts = [
        f'<g><rect class="box{view}" {shape} height="{height:.1f}"/>',
        f'<path class="head{view}" d="M{x:.1f} {y + HEADER:.1f}v-{HEADER - 6:.1f}q0 -6 6 -6h{width - 12:.1f}'
        f'q6 0 6 6v{HEADER - 6:.1f}z"/>',
        _text("name", x + PADDING, y + 20, title, box.name),
    ]
    marks, names = _marks_wide(box) * CHARACTER, _names_wide(box) * CHARACTER
    for place, line in enumerate(box.lines):
        base = y + HEADER + ROW * place + 15
        left = x + PADDING
        if line.marks:
            parts.append(_text("mark", left, base, line.marks, ""))
        parts.append(_text("key" if line.key else "column", left + marks, base, _name(line), line.name))
        parts.append(_text("type", left + marks + names, base, _type(line), line.type))
    return "".join([*parts, "</g>"])


def _text(kind: str, x: float, y: float, text: str, whole: str) -> str:
    # A fixed length, so that the text has the expected width in any font.
    length = f' textLength="{columns_wide(text) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"' if text else ""
    cut = text.endswith("\N{HORIZONTAL ELLIPSIS}") and text != whole
    title = f"<title>{html.escape(visible(whole))}</title>" if cut else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{length}>{html.escape(text)}{title}</text>'


def _edge(path: Sequence[Point], link: Link) -> str:
    child, parent = path[0], path[-1]
    # The direction in which the line leaves each end: 1 is to the right.
    out, back = _direction(path[1], child), _direction(path[-2], parent)
    title = f"{link.child}.{' + '.join(link.columns)} refers to {link.parent}"
    parts = [f'<g><title>{html.escape(visible(title))}</title><path class="edge" d="{_rounded(path)}"/>']
    x, y = child
    if link.single:
        parts.append(f'<path class="edge" d="M{x + 9 * out:.1f} {y - 5:.1f}v10"/>')
    else:
        parts.append(f'<path class="edge" d="M{x:.1f} {y - 6:.1f}L{x + 11 * out:.1f} {y:.1f}L{x:.1f} {y + 6:.1f}"/>')
    x, y = parent
    parts.append(f'<path class="edge" d="M{x + 7 * back:.1f} {y - 5:.1f}v10"/>')
    if link.optional:
        parts.append(f'<circle class="edge ring" cx="{x + 14 * back:.1f}" cy="{y:.1f}" r="4"/>')
    return "".join([*parts, "</g>"])


def _direction(towards: Point, start: Point) -> int:
    return 1 if towards[0] >= start[0] else -1


def _rounded(path: Sequence[Point]) -> str:
    """Return the path of a line with rounded corners."""
    points = [path[0], *[point for before, point in pairwise(path) if point != before]]
    text = [f"M{_point(points[0])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        entering, leaving = _towards(corner, before), _towards(corner, after)
        text.append(
            f"L{entering[0]:.1f} {entering[1]:.1f}Q{corner[0]:.1f} {corner[1]:.1f} {leaving[0]:.1f} {leaving[1]:.1f}"
        )
    text.append(f"L{_point(points[-1])}")
    return "".join(text)


def _point(point: Point) -> str:
    return f"{point[0]:.1f} {point[1]:.1f}"


def _towards(corner: Point, other: Point) -> Point:
    """Return the point at a short distance from a corner, in the direction of another point."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max((dx * dx + dy * dy) ** 0.5, 0.1)
    part = min(_CORNER, length / 2) / length
    return corner[0] + dx * part, corner[1] + dy * part
