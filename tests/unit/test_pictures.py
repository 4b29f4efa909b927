"""Where boxes and lines of a diagram stand, and that no name is ever taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deebase._pictures import text_formats as texts
from deebase._pictures.boxes import Box, Line, Link, columns_wide, shortened, visible
from deebase._pictures.layout import Edge, Layout, arranged
from deebase._pictures.notebook import Rows, query_html, rows_html
from deebase._pictures.svg import svg

HOSTILE = [
    "<script>alert(1)</script>",
    'a"b',
    "a'b",
    "]]>",
    "<!--",
    "&lt;",
    "`x`",
    "{}",
    "%%{init: {}}%%",
    "end",
    "a\nb",
    "a\0b",
    "a\x1bb",
    "\u202eabc",
    "名前",
    "--",
    ";",
    "#quot;",
    "\\",
    "$x",
    "a b",
    "1a",
    "",
    "x" * 300,
    "'><svg onload=alert(1)>",
    '"];t0->t1',
    "|",
    "||--o{",
    "🎈",
    "\ud800",
]


def box(name: str, *columns: str) -> Box:
    return Box(name, tuple(Line(column, "TEXT", place == 0, False, True) for place, column in enumerate(columns)))


def link(child: str, column: str, parent: str, target: str = "id") -> Link:
    return Link(child, (column,), parent, (target,), optional=True, single=False)


# -- geometry ----------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, tuple[float, float]], list[Edge]]:
    count = draw(st.integers(0, 24))
    sizes = {f"t{n}": (draw(st.floats(40, 400)), draw(st.floats(40, 500))) for n in range(count)}
    names = st.sampled_from(sorted(sizes)) if sizes else st.nothing()
    pairs = draw(st.lists(st.tuples(names, names), max_size=40)) if sizes else []
    return sizes, [Edge(one, sizes[one][1] / 2, other, sizes[other][1] / 3) for one, other in pairs]


def overlapping(layout: Layout) -> list[tuple[str, str]]:
    return [
        (str(one.name), str(other.name))
        for one, other in combinations(layout.slots.values(), 2)
        if one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    ]


def through_boxes(layout: Layout) -> Iterable[str]:
    """Yield what runs through the inside of a box."""
    for path in layout.paths:
        for (x, y), (other_x, other_y) in pairwise(path):
            for slot in layout.slots.values():
                left, right = slot.x + 0.5, slot.x + slot.width - 0.5
                if min(x, other_x) < right and max(x, other_x) > left:
                    top, bottom = slot.y + 0.5, slot.y + slot.height - 0.5
                    if min(y, other_y) < bottom and max(y, other_y) > top:
                        yield f"{(x, y)} to {(other_x, other_y)} through {slot.name}"


@given(graphs())
def test_boxes_do_not_overlap_and_no_line_runs_through_one(graph: tuple[Any, list[Edge]]) -> None:
    sizes, edges = graph
    layout = arranged(sizes, edges)
    assert overlapping(layout) == []
    assert list(through_boxes(layout)) == []
    for slot in layout.slots.values():
        assert 0 <= slot.x <= slot.x + slot.width <= layout.width
        assert 0 <= slot.y <= slot.y + slot.height <= layout.height
    for edge, path in zip(edges, layout.paths, strict=True):
        child, parent = layout.slots[edge.child], layout.slots[edge.parent]
        assert path[0][0] in (child.x, child.x + child.width)
        assert path[0][1] == child.y + edge.child_at
        assert path[-1][0] in (parent.x, parent.x + parent.width)
        assert path[-1][1] == parent.y + edge.parent_at
        # Lines run upright or level.
        assert all(x == other_x or y == other_y for (x, y), (other_x, other_y) in pairwise(path))


def test_a_table_stands_right_of_those_that_it_refers_to() -> None:
    sizes = dict.fromkeys(("comment", "post", "author"), (100.0, 80.0))
    edges = [Edge("comment", 10, "post", 10), Edge("post", 10, "author", 10), Edge("comment", 20, "author", 10)]
    slots = arranged(sizes, edges).slots
    assert slots["author"].x < slots["post"].x < slots["comment"].x


def test_a_table_with_many_children_makes_no_tower() -> None:
    sizes = {"hub": (150.0, 100.0), **{f"t{n}": (150.0, 100.0) for n in range(59)}}
    layout = arranged(sizes, [Edge(f"t{n}", 50, "hub", 50) for n in range(59)])
    assert 0.2 < layout.width / layout.height < 5


def test_texts_fit_their_boxes() -> None:
    tables = [box("x" * 90, "名" * 50, "b"), box("short", "y" * 200)]
    root = ElementTree.fromstring(svg(tables, []))
    space = "{http://www.w3.org/2000/svg}"
    for group in root.iter(f"{space}g"):
        frame = group.find(f"{space}rect")
        assert frame is not None
        right = float(frame.attrib["x"]) + float(frame.attrib["width"])
        for text in group.iter(f"{space}text"):
            assert float(text.attrib["x"]) + float(text.attrib["textLength"]) <= right
    assert len(list(root.iter(f"{space}title"))) == 3


# -- names -------------------------------------------------------------------------------------


class Elements(HTMLParser):
    """Collects what a browser would take for elements, and the texts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.texts: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_texts_and_nothing_else(name: str) -> None:
    tables = [box(name, name, "id"), box("child", "id", name)]
    links = [link("child", name, name, name)]
    picture = svg(tables, links)
    root = ElementTree.fromstring(picture)
    shown = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert shown <= {"svg", "style", "g", "rect", "path", "text", "title", "circle"}
    assert visible(name)[:20] in "".join(root.itertext())
    cells = Elements(rows_html([{name: name}]))
    assert cells.elements <= {"table", "thead", "tbody", "tr", "th", "td", "div", "span"}
    assert Elements(query_html(name, name)).elements == {"div", "b", "pre"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_picture_with_links_has_no_style_of_its_own(name: str) -> None:
    picture = svg([box(name, "id"), box("child", "id")], [], {name: '/table/?a=1&b="2"'})
    root = ElementTree.fromstring(picture)
    (link,) = [element for element in root.iter() if element.tag.endswith("}a")]
    assert link.get("href") == '/table/?a=1&b="2"'
    assert not [element for element in root.iter() if element.tag.endswith("}style") or element.get("style")]


@pytest.mark.parametrize("name", HOSTILE)
def test_mermaid_and_graphviz_see_one_name(name: str) -> None:
    tables = [box(name, name, "id"), box("child", "id", name)]
    links = [link("child", name, name, name)]
    lines = texts.mermaid(tables, links).splitlines()
    word = r"[A-Za-z][A-Za-z0-9_]*"
    quoted = r'"[^"<>`%{}\\]*"'
    forms = (
        "erDiagram",
        rf"    {word}(\[{quoted}\])? \{{",
        rf"        {word} {word}( PK)?( {quoted})?",
        r"    \}",
        rf"    {word} \|o--o\{{ {word} : {quoted}",
    )
    for line in lines:
        assert any(re.fullmatch(form, line) for form in forms), line
    graph = texts.dot(tables, links).splitlines()
    assert len(graph) == 6
    for line in graph[2:4]:
        label = re.fullmatch(r"    t[01] \[label=<(<table.*</table>)>\];", line)
        assert label is not None
        ElementTree.fromstring(label[1])


def test_plain_names_stay_readable() -> None:
    assert texts.mermaid(
        [box("user", "id", "name"), box("post", "id", "user_id")], [link("post", "user_id", "user")]
    ) == (
        "erDiagram\n"
        "    user {\n        TEXT id PK\n        TEXT name\n    }\n"
        "    post {\n        TEXT id PK\n        TEXT user_id\n    }\n"
        '    user |o--o{ post : "user_id"\n'
    )


def test_widths_and_cuts() -> None:
    assert (columns_wide("ab"), columns_wide("名前")) == (2, 4)
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("名前名前", 5) == "名前…"
    assert shortened("abcd", 4) == "abcd"
    assert visible("a\n\u202eb") == "a␊\N{REPLACEMENT CHARACTER}b"


# -- rows --------------------------------------------------------------------------------------


def test_rows_are_shown_with_nulls_and_cuts() -> None:
    rows = Rows[Any]([{"id": n, "text": None if n else "x" * 500, "raw": b"\0"} for n in range(60)])
    html = rows._repr_html_()
    assert "60 rows, 10 of them not shown" in html
    assert html.count("NULL") == 49
    assert "x" * 200 + "…" in html
    assert "x" * 201 not in html
    assert "b&#x27;\\x00&#x27;" in html
    assert "1 row<" in rows_html([(1, "a")])
    assert "0 rows" in rows_html([])
    assert "7" in rows_html([7])


def test_rows_are_a_list() -> None:
    rows = Rows([1, 2])
    assert rows == [1, 2]
    assert isinstance(rows, list)
    assert [*rows, 3] == [1, 2, 3]
