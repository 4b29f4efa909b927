"""Each public method says what it does and shows how it is called."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from typing import Any

import deebase
from tests.support.worlds import case

CLASSES = (
    deebase.Database,
    deebase.Table,
    deebase.SchemaEditor,
    deebase.TransformPlan,
    deebase.Query,
    deebase.Transaction,
)

#: Protocol methods that say enough by being what they are.
OWN_SPECIALS = {"__call__", "__getitem__"}


def public_members() -> list[tuple[str, Any]]:
    found = []
    for cls in CLASSES:
        for name, member in vars(cls).items():
            if name.startswith("_") and name not in OWN_SPECIALS:
                continue
            if inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod)):
                found.append((f"{cls.__name__}.{name}", member))
    return found


def is_method(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod))


def test_a_public_member_has_a_docstring() -> None:
    first_lines = {name: (inspect.getdoc(member) or "").partition("\n")[0] for name, member in public_members()}
    assert {name: line for name, line in first_lines.items() if not line.endswith((".", ":"))} == {}


def example_of(documentation: str) -> str:
    """Return the code of the Example section: what its fence holds, or what follows its prompts."""
    body = re.split(r"^Examples?:\n", documentation, maxsplit=1, flags=re.MULTILINE)[1:]
    lines = list(itertools.takewhile(lambda line: not line or line[0] == " ", "".join(body).splitlines()))
    source = textwrap.dedent("\n".join(lines))
    if fenced := re.search(r"^```python\n(.*?)^```", source, flags=re.MULTILINE | re.DOTALL):
        return fenced[1].strip()
    if ">>> " in source:
        source = "\n".join(line[4:] for line in source.splitlines() if line.startswith((">>> ", "... ")))
    return source.strip()


def test_a_public_method_shows_an_example() -> None:
    for name, member in public_members():
        if is_method(member):
            with case(name):
                check_example(inspect.getdoc(member) or "")


def check_example(documentation: str) -> None:
    if shorthand := re.search(r"; see ``(\w+)\.(\w+)``\.$", documentation):
        documentation = inspect.getdoc(getattr(getattr(deebase, shorthand[1]), shorthand[2])) or ""
    example = example_of(documentation)
    assert example, "no Example section"
    compile(example, "<example>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
