"""The text of a whole module, and the check that a schema puts nothing but classes into it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from deebase.errors import ValidationError
from deebase.tools.codegen.creation import Contents, creation_source
from deebase.tools.codegen.line_layout import docstring
from deebase.tools.codegen.module import Module, Outline

_NODES: Final = frozenset[type[ast.AST]](
    {
        *(ast.Module, ast.Expr, ast.ImportFrom, ast.alias, ast.ClassDef, ast.AnnAssign, ast.Assign, ast.Pass),
        *(
            ast.FunctionDef,
            ast.Return,
            ast.AsyncFunctionDef,
            ast.arguments,
            ast.arg,
            ast.AsyncWith,
            ast.withitem,
            ast.Await,
        ),
        *(ast.Call, ast.keyword, ast.Attribute, ast.Subscript, ast.Name, ast.Load, ast.Store),
        *(ast.Constant, ast.List, ast.Dict, ast.Tuple, ast.BinOp, ast.BitOr, ast.UnaryOp, ast.USub),
    }
)
_METHODS: Final = frozenset({"create", "create_all", "create_from_sql", "transaction"})


def module_source(
    outlines: Sequence[Outline],
    localns: Mapping[str, Any] | None,
    *,
    title: str,
    contents: Contents | None = None,
) -> tuple[str, list[str]]:
    """Return the text of a module, checked to hold nothing but classes and SQL, and notes on what it leaves out.

    Args:
        outlines: the classes.
        localns: the names that annotations as text may use.
        title: the module's docstring; "" for none.
        contents: what the function ``create_tables`` creates; None for a module without the function.

    Raises:
        ValidationError: something in the classes would become code.
    """
    module = Module(outlines, localns)
    constants, function = ([], "") if contents is None else creation_source(module, contents)
    classes = [*module.nested, *[made.source for made in module.classes]]
    blocks = [block for block in (*classes, "\n\n".join(constants), function) if block]
    head = "\n\n".join([part for part in (docstring(title), module.names.source()) if part])
    # Imports are followed by two empty lines before a class, by one before anything else.
    gap = "\n\n\n" if blocks[0].startswith(("class ", "@", "def ")) else "\n\n"
    text = (head + gap + "\n\n\n".join(blocks)).lstrip("\n") + "\n"
    assert_safe_source(text, module.names.callable, module.names.imports)
    notes = [f"{made.name}: its source does not say {'; '.join(made.notes)}" for made in module.classes if made.notes]
    notes += [f"the source does not say {note}" for note in module.nested_notes]
    return text, notes + [f"create_tables does not make {text}" for text in (contents.left_out if contents else ())]


def assert_safe_source(source: str, names: Collection[str], modules: Collection[str]) -> None:
    """Refuse source that holds more than classes, their values and ``create_tables``.

    Args:
        source: a whole module.
        names: the names that it may call: its imports and classes.
        modules: the modules that it may import from.

    Raises:
        ValidationError: the source holds more.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise _refused(f"no valid Python: {type(error).__name__}") from error
    for node in ast.walk(tree):
        if type(node) not in _NODES:
            raise _refused(type(node).__name__)
        if isinstance(node, ast.Call) and not _may_call(node.func, names):
            raise _refused("a call of something else")
        if isinstance(node, ast.Expr) and not isinstance(node.value, (ast.Constant, ast.Await)):
            raise _refused("a statement of something else")
        if isinstance(node, ast.ImportFrom) and node.module not in modules:
            raise _refused("an import of something else")
        if isinstance(node, ast.AsyncFunctionDef) and node.name != "create_tables":
            raise _refused("a function of something else")
        if isinstance(node, ast.FunctionDef) and (node.name not in names or len(node.body) != 1):
            raise _refused("a function of something else")


def _may_call(function: ast.expr, names: Collection[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in names or function.id in ("type", "float")
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "db"
        and function.attr in _METHODS
    )


def _refused(what: str) -> ValidationError:
    return ValidationError(
        f"the source of these tables would hold {what}, so it is not written",
        hint="report this as a bug of deebase, with the names and defaults of the tables",
    )
