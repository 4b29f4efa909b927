"""Each public method says what it does and shows how it is called."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

import deebase

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


def public_members() -> list[Any]:
    found = []
    for cls in CLASSES:
        for name, member in vars(cls).items():
            if name.startswith("_") and name not in OWN_SPECIALS:
                continue
            if inspect.isfunction(member) or isinstance(member, (property, classmethod, staticmethod)):
                found.append(pytest.param(member, id=f"{cls.__name__}.{name}"))
    return found


def is_method(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod))


@pytest.mark.parametrize("member", public_members())
def test_a_public_member_has_a_docstring(member: Callable[..., Any]) -> None:
    first_line = (inspect.getdoc(member) or "").partition("\n")[0]
    assert first_line.endswith((".", ":")), first_line


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


@pytest.mark.parametrize("member", [param for param in public_members() if is_method(param.values[0])])
def test_a_public_method_shows_an_example(member: Callable[..., Any]) -> None:
    documentation = inspect.getdoc(member) or ""
    if shorthand := re.search(r"; see ``(\w+)\.(\w+)``\.$", documentation):
        documentation = inspect.getdoc(getattr(getattr(deebase, shorthand[1]), shorthand[2])) or ""
    example = example_of(documentation)
    assert example, "no Example section"
    compile(example, "<example>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
