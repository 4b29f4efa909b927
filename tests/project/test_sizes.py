"""The code stays readable: bounded sizes, few modules in one place, no class or module that only fills a quota."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.shape import (
    Tree,
    imported_once,
    importers,
    mixins_with_one_user,
    names_used_twice,
    package_sizes,
    public_methods,
)
from tests.support.tree import PACKAGE, parse, python_modules, relative

MODULE_LINES = 400
CLASS_LINES = 400
FUNCTION_LINES = 60
PUBLIC_METHODS = 30
PACKAGE_MODULES = 20
TOP_MODULES = 8
#: The number of modules that only one other module imports. It may fall, and then this number falls with it: a module
#: that serves one other module alone belongs into that module, unless it hides a matter of its own.
IMPORTED_ONCE = 75

#: Classes with more public methods than allowed, for good.
MANY_METHODS = {
    "_tables/table.py: Table": "the public handle of a table: most of its methods are forwards of one line",
}


@cache
def package() -> Tree:
    """The whole package, parsed once for the tests that ask for it."""
    return Tree.read(PACKAGE)


Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def lines_of(node: ast.expr | ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def code_lines(text: str, tree: ast.AST) -> set[int]:
    """Line numbers that hold code: not blank, not a comment, not a docstring."""
    lines = {
        number for number, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")
    }
    strings = (ast.Constant, ast.JoinedStr)
    for node in ast.walk(tree):
        if isinstance(node, strings) and node.end_lineno != node.lineno:
            lines.update(lines_of(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(lines_of(node))
    return lines


def too_long(path: Path) -> Iterator[str]:
    """Yield the module, its classes and its functions that have more lines of code than allowed."""
    tree = parse(path)
    lines = code_lines(path.read_text(encoding="utf-8"), tree)
    if len(lines) > MODULE_LINES:
        yield f"{relative(path)}: {len(lines)} lines"
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            size = len(lines.intersection(lines_of(node)))
            if size > (CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES):
                yield f"{relative(path)}:{node.lineno} {node.name}: {size} lines"


def test_modules_classes_and_functions_are_no_longer_than_allowed() -> None:
    assert [found for path in python_modules() for found in too_long(path)] == []


def test_a_module_is_named_after_what_it_holds() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [relative(path) for path in python_modules() if path.stem in vague] == []


# -- rules for the whole tree ------------------------------------------------------------------


def tree(modules: dict[str, str]) -> Tree:
    """A package from source texts by path."""
    return Tree("sample", {path: ast.parse(text) for path, text in modules.items()})


def test_a_class_has_few_public_methods() -> None:
    many = {name for name, count in public_methods(package()).items() if count > PUBLIC_METHODS}
    assert many == set(MANY_METHODS)


def test_inherited_public_methods_count() -> None:
    base = "class Base:\n    def one(self): ...\n    def _two(self): ...\n"
    derived = "class Derived(other.Base[int]):\n    def one(self): ...\n    @property\n    def three(self): ...\n"
    assert public_methods(tree({"base.py": base, "derived.py": derived})) == {
        "base.py: Base": 1,
        "derived.py: Derived": 2,
    }


def test_methods_that_override_a_class_of_a_library_do_not_count() -> None:
    source = (
        "import collections.abc as abc\nfrom string import Formatter\n"
        "class Base(abc.Mapping[str, int]):\n    def items(self): ...\n    def own(self): ...\n"
        "class Derived(Base):\n    def keys(self): ...\n    def format(self): ...\n"
        "class Printer(Formatter):\n    def format(self): ...\n    def own(self): ...\n"
        "class Unknown(elsewhere.Base):\n    def own(self): ...\n"
    )
    assert public_methods(tree({"sample.py": source})) == {
        "sample.py: Base": 1,
        "sample.py: Derived": 2,
        "sample.py: Printer": 1,
        "sample.py: Unknown": 1,
    }


def test_a_package_has_few_modules() -> None:
    sizes = package_sizes(package())
    assert sizes.pop(".") <= TOP_MODULES
    assert {name: size for name, size in sizes.items() if size > PACKAGE_MODULES} == {}


def test_modules_are_counted_by_directory() -> None:
    assert package_sizes(
        tree(dict.fromkeys(["top.py", "__main__.py", "cli/__init__.py", "cli/output.py", "cli/session.py"], ""))
    ) == {
        ".": 1,
        "cli": 2,
    }


def test_no_two_modules_have_the_same_name() -> None:
    assert not names_used_twice(package())


def test_the_same_part_of_two_backends_has_one_name() -> None:
    backends = tree({"_backends/sqlite/ddl.py": "", "_backends/postgres/ddl.py": ""})
    assert names_used_twice(backends) == {}
    twice = tree(dict.fromkeys(["_backends/sqlite/ddl.py", "_backends/ddl.py", "cli/values.py", "_rows/values.py"], ""))
    assert names_used_twice(twice) == {
        "ddl.py": ["_backends/*/ddl.py", "_backends/ddl.py"],
        "values.py": ["cli/values.py", "_rows/values.py"],
    }


def test_no_class_is_stitched_together_from_mixins() -> None:
    assert not mixins_with_one_user(package())


def test_a_mixin_is_a_stateless_base_of_one_class() -> None:
    mixin = "class Part:\n    def one(self): ...\nclass Whole(Part): ...\n"
    assert mixins_with_one_user(tree({"a.py": mixin})) == ["a.py: Part"]
    assert mixins_with_one_user(tree({"a.py": "class Part(Generic[T]): ...\nclass Whole(Part[int]): ...\n"})) == [
        "a.py: Part"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "class Part:\n    def __init__(self): ...\nclass Whole(Part): ...",
        "class Part: ...\nclass Whole(Part): ...\nclass Other(Part): ...",
        "class Part: ...\nclass Whole(Part): ...\nmade = Part()",
        "class Part(Protocol): ...\nclass Whole(Part): ...",
        "class Part(Exception): ...\nclass Whole(Part): ...",
        "@dataclass\nclass Part: ...\nclass Whole(Part): ...",
        "class Part:\n    @abstractmethod\n    def one(self): ...\nclass Whole(Part): ...",
    ],
    ids=["state", "two users", "instantiated", "protocol", "error", "dataclass", "abstract"],
)
def test_other_bases_are_no_mixins(source: str) -> None:
    assert mixins_with_one_user(tree({"a.py": source})) == []


def test_few_modules_serve_one_other_module_alone() -> None:
    found = imported_once(package())
    assert len(found) == IMPORTED_ONCE, "\n".join(["lower IMPORTED_ONCE, or merge one of these:", *found])


def test_a_module_that_one_other_imports_is_found() -> None:
    split = tree(
        {
            "a.py": "from sample.b import one\nfrom sample import c",
            "b.py": "import sample.c",
            "c.py": "",
            "d.py": "def late():\n    from sample.b import two\n    from sample.e import three",
            "e.py": "",
        }
    )
    assert {path: len(by) for path, by in importers(split).items()} == {
        "a.py": 0,
        "b.py": 2,
        "c.py": 2,
        "d.py": 0,
        "e.py": 1,
    }
    assert imported_once(split) == ["e.py"]


def test_backends_and_the_surface_of_a_package_may_be_imported_once() -> None:
    parts = tree(
        {
            "_backends/sqlite/ddl.py": "",
            "_backends/base.py": "from sample._backends.sqlite import ddl",
            "cli/__init__.py": "from sample.cli.main import run",
            "cli/main.py": "from sample.cli.output import show",
            "cli/output.py": "",
            "web/__init__.py": "from sample.web._rest.router import router_of",
            "web/_rest/router.py": "",
        }
    )
    assert imported_once(parts) == ["cli/output.py"]
