"""Diagrams in the text formats of Mermaid and Graphviz."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from deebase._pictures.boxes import Box, Link, visible

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
#: Words that are reserved in every place of Mermaid's erDiagram grammar.
_MERMAID_WORDS = {
    *("accdescr", "acctitle", "class", "classdef", "click", "direction", "end", "erdiagram", "graph", "many", "one"),
    *("only", "optionally", "style", "subgraph", "title", "to", "u", "zero"),
}

#: Characters that end a string, start a directive, or are markup.
_MERMAID_MARKS = '#"<>&`\\;%{}'


def mermaid(boxes: Sequence[Box], links: Sequence[Link]) -> str:
    """Return an ``erDiagram`` (mermaid.js.org/syntax/entityRelationshipDiagram.html)."""
    ids = _ids([box.name for box in boxes], _MERMAID_WORDS)
    text = ["erDiagram"]
    for box in boxes:
        alias = "" if ids[box.name] == box.name else f'["{_mermaid_text(box.name)}"]'
        text.append(f"    {ids[box.name]}{alias} {{")
        for line in box.lines:
            kind, name = _word(line.type or "any"), _word(line.name)
            comment = f' "{_mermaid_text(line.name)}"' if name != line.name else ""
            text.append(f"        {kind} {name}{f' {line.marks}' if line.marks else ''}{comment}")
        text.append("    }")
    for link in links:
        one, many = "|o" if link.optional else "||", "o|" if link.single else "o{"
        columns = _mermaid_text(", ".join(link.columns))
        text.append(f'    {ids[link.parent]} {one}--{many} {ids[link.child]} : "{columns}"')
    return "\n".join(text) + "\n"


def _ids(names: Sequence[str], words: set[str]) -> dict[str, str]:
    """Return an identifier for each name: the name itself if it is a valid identifier."""
    plain = [name for name in names if _PLAIN.fullmatch(name) and name.lower() not in words]
    result = {name: name for name in plain}
    for number, name in enumerate(names, 1):
        if name not in result:
            made = f"t{number}"
            while made in result.values():
                made += "_"
            result[name] = made
    return result


def _word(text: str) -> str:
    """Return a text as a word that Mermaid accepts as a type or an attribute."""
    word = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_") or "column"
    return word if word[0].isalpha() else f"c_{word}"


def _mermaid_text(text: str) -> str:
    # Inside quotes, only a quote ends the string; "#35;" is Mermaid's escape for a character by its number.
    return "".join([f"#{ord(character)};" if character in _MERMAID_MARKS else character for character in visible(text)])


def dot(boxes: Sequence[Box], links: Sequence[Link]) -> str:
    """Return a graph in Graphviz's language (graphviz.org/doc/info/lang.html)."""
    ids = {box.name: f"t{number}" for number, box in enumerate(boxes)}
    places = {box.name: {line.name: f"c{number}" for number, line in enumerate(box.lines)} for box in boxes}
    text = ["digraph tables {", '    rankdir=RL; node [shape=plain, fontname="monospace"]; edge [arrowhead=none];']
    for box in boxes:
        rows = "".join(
            f'<tr><td align="left" port="{places[box.name][line.name]}">{_html(line.name)}</td>'
            f'<td align="left">{_html(line.type)}</td><td align="left">{line.marks}</td></tr>'
            for line in box.lines
        )
        title = f'<tr><td colspan="3"><b>{_html(box.name)}</b></td></tr>'
        text.append(
            f'    {ids[box.name]} [label=<<table border="0" cellborder="1" cellspacing="0">{title}{rows}</table>>];'
        )
    for link in links:
        child = f"{ids[link.child]}:{places[link.child][link.columns[0]]}"
        parent = f"{ids[link.parent]}:{places[link.parent].get((*link.targets, '')[0], 'c0')}"
        foot, bar = ("tee" if link.single else "crow"), ("teeodot" if link.optional else "tee")
        text.append(f"    {child} -> {parent} [dir=both, arrowtail={foot}, arrowhead={bar}];")
    return "\n".join([*text, "}"]) + "\n"


def _html(text: str) -> str:
    return html.escape(visible(text)) or " "
