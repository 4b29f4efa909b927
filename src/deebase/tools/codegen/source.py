"""The text of a whole module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deebase.tools.codegen import allowed
from deebase.tools.codegen.creation import create_tables_source
from deebase.tools.codegen.line_layout import docstring
from deebase.tools.codegen.module import Module, Outline


def module_source(
    outlines: Sequence[Outline], localns: Mapping[str, Any] | None, *, title: str, creates: bool
) -> tuple[str, list[str]]:
    """Return the text of a module, checked to hold nothing but classes, and what it leaves out.

    Args:
        outlines: the classes.
        localns: names that annotations kept as text may use.
        title: the module's docstring; "" for none.
        creates: whether it has the function ``create_tables``.

    Raises:
        ValidationError: something in the classes would become code.
    """
    module = Module(outlines, localns)
    function = create_tables_source(module) if creates else ""
    blocks = [block for block in (*module.nested, *[made.source for made in module.classes], function) if block]
    head = "\n\n".join([part for part in (docstring(title), module.names.source()) if part])
    # Imports are followed by two empty lines before a class, by one before anything else.
    gap = "\n\n\n" if blocks[0].startswith(("class ", "@", "def ")) else "\n\n"
    text = (head + gap + "\n\n\n".join(blocks)).lstrip("\n") + "\n"
    allowed.check(text, module.names.callable, module.names.imports)
    notes = [f"{made.name}: its source does not say {'; '.join(made.notes)}" for made in module.classes if made.notes]
    return text, notes + [f"the source does not say {note}" for note in module.nested_notes]
