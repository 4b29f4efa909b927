"""The types of ``deebase.sync``: those of ``deebase`` without what is awaited.

``python -m tests.support.sync_stub`` writes ``src/deebase/sync.pyi``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.tree import ROOT

SOURCE = ROOT / "src/deebase"
STUB = SOURCE / "sync.pyi"

#: The classes in the order of the stub, with the module of each.
CLASSES = {
    "Reference": "_tables.foreign_keys.relations",
    "ForeignKeys": "_tables.foreign_keys.relations",
    "Children": "_tables.foreign_keys.children",
    "Query": "_tables.query",
    "SearchQuery": "_tables.search",
    "TransformPlan": "_tables.schema_editor",
    "SchemaEditor": "_tables.schema_editor",
    "Readable": "_tables.readable",
    "Table": "_tables.table",
    "View": "_tables.view",
    "_Accessor": "_tables.accessors",
    "Tables": "_tables.accessors",
    "Views": "_tables.accessors",
    "Transaction": "_engine.transaction",
    "ReadOnlyBlock": "_engine.reading_executor",
    "ReadingBlock": "_engine.reading_block",
    "ActingBlock": "_engine.acting_block",
    "Migrator": "migrations.migrator",
    "Database": "database",
}

#: What code without an event loop uses instead, or never.
RENAMED = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__"}
LEFT_OUT = {"send", "throw", "sync"}
SPECIAL = {"__init__", "__call__", "__getitem__", "__getattr__", "__contains__", "__iter__", "__len__", *RENAMED}

HEADER = (
    '"""Generated from the async API by ``python -m tests.support.sync_stub``."""',
    "",
    "# Overloads as in the async API; `count` of a sequence has another meaning.",
    '# mypy: disable-error-code="overload-overlap, override"',
    "# pyright: reportOverlappingOverload=false, reportIncompatibleMethodOverride=false",
    "",
)

#: Members that the classes get when they are made, or from a base class that has another meaning here.
FURTHER = {
    "Database": ["t: Tables", "v: Views"],
    "Readable": ["def __contains__(self, key: object) -> bool: ..."],
}
BASES = {"Query": "Sequence[R]", "SearchQuery": "Sequence[T]", "Transaction": None, "ReadingBlock": None}


class Awaited(ast.NodeTransformer):
    """Replaces what is awaited by its result, in annotations."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Return the type without the wrapper of something that is awaited."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name):
            if node.value.id == "Coroutine" and isinstance(node.slice, ast.Tuple):
                return node.slice.elts[2]
            if node.value.id == "Awaitable":
                return node.slice
            if node.value.id in ("AsyncIterator", "AsyncGenerator"):
                kept = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
                return ast.Subscript(ast.Name("Iterator"), kept)
        return node


@dataclass
class Module:
    """A module of the library: where its names come from."""

    name: str
    tree: ast.Module
    origins: dict[str, tuple[str, str | None]] = field(default_factory=dict[str, tuple[str, str | None]])

    @classmethod
    def read(cls, name: str) -> Module:
        """Read a module by its name without ``deebase.``."""
        tree = ast.parse((SOURCE / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
        made = cls(name, tree)
        made._note(tree.body)
        return made

    def _note(self, body: list[ast.stmt]) -> None:
        for statement in body:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    self.origins[alias.asname or alias.name] = (statement.module or "", alias.name)
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    self.origins[alias.asname or alias.name] = (alias.name, None)
            elif isinstance(statement, ast.If):
                self._note(statement.body)
            elif isinstance(statement, ast.ClassDef):
                self.origins[statement.name] = (f"deebase.{self.name}", statement.name)
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.origins[target.id] = (f"deebase.{self.name}", target.id)


def stub() -> str:
    """Return the text of the stub, as Ruff formats it."""
    modules = {name: Module.read(name) for name in set(CLASSES.values())}
    classes: list[str] = []
    origins: dict[str, tuple[str, str | None]] = {
        "Sequence": ("collections.abc", "Sequence"),
        "Iterator": ("collections.abc", "Iterator"),
    }
    for name, module_name in CLASSES.items():
        module = modules[module_name]
        found = next(node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef) and node.name == name)
        text = _class(found)
        classes.append(text)
        for used in _names(text):
            if used not in CLASSES and used in module.origins:
                origins.setdefault(used, module.origins[used])
    lines: list[str] = [*HEADER]
    for name, (origin, original) in sorted(origins.items()):
        if origin:
            if original is None:
                lines.append(f"import {origin} as {name}" if name != origin else f"import {origin}")
            else:
                lines.append(f"from {origin} import {original}" + (f" as {name}" if name != original else ""))
    exported = sorted(set(_exported()))
    lines += ["", f"__all__ = {exported!r}", "", *classes]
    return _formatted("\n".join(lines))


def _exported() -> list[str]:
    tree = ast.parse((SOURCE / "sync.py").read_text(encoding="utf-8"))
    (names,) = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    return list(ast.literal_eval(names))


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _class(found: ast.ClassDef) -> str:
    name = found.name
    bases = [ast.unparse(Awaited().visit(base)) for base in found.bases]
    if name in BASES:
        bases = [base] if (base := BASES[name]) else []
    members = [ast.parse(member).body[0] for member in FURTHER.get(name, [])]
    overloaded: set[str] = set()
    for node in found.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not _is_public(node.name):
            continue
        if any(ast.unparse(each) == "overload" for each in node.decorator_list):
            overloaded.add(node.name)
        elif node.name in overloaded:
            # The implementation, which a stub leaves out.
            continue
        members.append(_member(node))
    if name in ("Query", "SearchQuery"):
        row = "R" if name == "Query" else "T"
        for text in (
            f"@overload\ndef __getitem__(self, place: int, /) -> {row}: ...",
            f"@overload\ndef __getitem__(self, place: slice, /) -> list[{row}]: ...",
            "def __len__(self) -> int: ...",
            f"def __add__(self, other: Sequence[{row}], /) -> list[{row}]: ...",
        ):
            members += ast.parse(text).body
        members = [member for member in members if getattr(member, "name", "") != "close"]
    body = "\n".join(ast.unparse(member) for member in members) or "..."
    head = f"class {name}({', '.join(bases)}):" if bases else f"class {name}:"
    return head + "\n" + "\n".join(f"    {line}" for line in body.splitlines()) + "\n"


def _is_public(name: str) -> bool:
    return name in SPECIAL if name.startswith("_") else name not in LEFT_OUT


def _member(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
    made = ast.FunctionDef(
        name=RENAMED.get(node.name, node.name),
        args=Awaited().visit(node.args),
        body=[ast.Expr(ast.Constant(...))],
        decorator_list=[each for each in node.decorator_list if ast.unparse(each) != "abstractmethod"],
        returns=Awaited().visit(node.returns) if node.returns else None,
    )
    if sys.version_info >= (3, 12):
        made.type_params = []
    return ast.fix_missing_locations(made)


def _formatted(text: str) -> str:
    for arguments in (["check", "--select", "I,F401", "--fix-only", "-q"], ["format", "-q"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(STUB), "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT)
        text = done.stdout
    return text


def main() -> None:
    """Write the stub."""
    Path(STUB).write_text(stub(), encoding="utf-8")


if __name__ == "__main__":
    main()
