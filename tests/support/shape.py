"""The shape of a tree of Python modules: what lies where, who imports whom, which classes are stitched together."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Bases that leave a class a plain one.
_PLAIN_BASES = {"object", "Generic"}


@dataclass(frozen=True)
class Tree:
    """The modules of one package, parsed.

    Attributes:
        package: the name of the package.
        modules: the syntax tree of each module by its path, such as ``cli/output.py``.
    """

    package: str
    modules: dict[str, ast.Module]

    @classmethod
    def read(cls, top: Path) -> Tree:
        """Parse all modules below the directory of a package."""
        paths = sorted(top.rglob("*.py"))
        return cls(top.name, {path.relative_to(top).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths})

    def classes(self) -> Iterator[tuple[str, ast.ClassDef]]:
        """Yield each class with the path of its module."""
        for path, module in self.modules.items():
            for node in ast.walk(module):
                if isinstance(node, ast.ClassDef):
                    yield path, node


def package_sizes(tree: Tree) -> dict[str, int]:
    """Return how many modules each directory holds, without its ``__init__``; ``.`` is the top."""
    paths = [Path(path) for path in tree.modules]
    return dict(Counter(path.parent.as_posix() for path in paths if path.name not in ("__init__.py", "__main__.py")))


def names_used_twice(tree: Tree, parts_of_backends: str = "_backends") -> dict[str, list[str]]:
    """Return the paths of modules with the same name, by name.

    The same part of two backends has one name: ``_backends/sqlite/ddl.py`` and ``_backends/postgres/ddl.py``.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in map(Path, tree.modules):
        if path.name not in ("__init__.py", "__main__.py"):
            is_part = _is_part(path.as_posix(), parts_of_backends)
            place = Path(parts_of_backends, "*", *path.parts[2:]) if is_part else path
            if place.as_posix() not in found[path.name]:
                found[path.name].append(place.as_posix())
    return {name: places for name, places in found.items() if len(places) > 1}


def public_methods(tree: Tree) -> dict[str, int]:
    """Return how many public methods and properties each class has, with those it inherits within the tree.

    A method that overrides one of a class outside of the tree does not count: its name is not ours to choose.
    """
    classes = {node.name: (node, path) for path, node in tree.classes()}

    def names(node: ast.ClassDef, path: str, seen: frozenset[str]) -> tuple[set[str], set[str]]:
        ours = {item.name for item in node.body if isinstance(item, Function) and not item.name.startswith("_")}
        theirs: set[str] = set()
        for base in node.bases:
            name = _name(base)
            if name not in classes:
                theirs |= _names_outside(base, tree.modules[path])
            elif name not in seen:
                inherited = names(*classes[name], seen | {name})
                ours, theirs = ours | inherited[0], theirs | inherited[1]
        return ours, theirs

    found = {f"{path}: {node.name}": names(node, path, frozenset([node.name])) for path, node in tree.classes()}
    return {name: len(ours - theirs) for name, (ours, theirs) in found.items()}


def _names_outside(base: ast.expr, module: ast.Module) -> set[str]:
    """Return the attributes of a base class that a module imports from elsewhere; none for one that it does not."""
    while isinstance(base, ast.Subscript | ast.Call):
        base = base.value if isinstance(base, ast.Subscript) else base.func
    first, *attributes = ast.unparse(base).split(".")
    for node in ast.walk(module):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if (alias.asname or alias.name) != first:
                continue
            try:
                found = import_module(node.module or "" if isinstance(node, ast.ImportFrom) else alias.name)
                path = [alias.name, *attributes] if isinstance(node, ast.ImportFrom) else attributes
                return set(dir(reduce(getattr, path, found)))
            except (ImportError, ValueError, AttributeError):
                return set()
    return set()


def mixins_with_one_user(tree: Tree) -> list[str]:
    """Return the classes that only serve to hold a part of one other class.

    Such a class has no ``__init__`` and no base of its own, is never called, and is a base of exactly one class.
    Protocols, dataclasses and classes with abstract methods say something of their own.
    """
    users: Counter[str] = Counter()
    called: set[str] = set()
    for module in tree.modules.values():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                users.update(_name(base) for base in node.bases)
            elif isinstance(node, ast.Call):
                called.add(_name(node.func))
    return [
        f"{path}: {node.name}"
        for path, node in tree.classes()
        if users[node.name] == 1 and node.name not in called and _is_stateless(node)
    ]


def _is_stateless(node: ast.ClassDef) -> bool:
    methods = [item for item in node.body if isinstance(item, Function)]
    abstract = any(_name(decorator) == "abstractmethod" for item in methods for decorator in item.decorator_list)
    own_state = any(item.name == "__init__" for item in methods) or bool(node.decorator_list)
    return {_name(base) for base in node.bases} <= _PLAIN_BASES and not own_state and not abstract


def _name(node: ast.expr) -> str:
    """Return the last name of an expression: ``Base`` of ``module.Base[int]``."""
    if isinstance(node, ast.Subscript | ast.Call):
        return _name(node.value if isinstance(node, ast.Subscript) else node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def importers(tree: Tree) -> dict[str, set[str]]:
    """Return, for each module, the modules that import it or a name of it."""
    known = {_dotted(tree.package, path): path for path in tree.modules}
    found: dict[str, set[str]] = {path: set() for path in tree.modules}
    for path, module in tree.modules.items():
        for node in ast.walk(module):
            for name in _imported(node):
                target = known.get(name) or known.get(name.rpartition(".")[0])
                if target is not None and target != path:
                    found[target].add(path)
    return found


def imported_once(tree: Tree, parts_of_backends: str = "_backends") -> list[str]:
    """Return the modules that exist for one other module alone: no second one imports them.

    The parts of a backend mirror those of the other one, and what the ``__init__`` of a package, or of one above it,
    imports is its surface.
    """
    return [
        path
        for path, by in importers(tree).items()
        if len(by) == 1
        and Path(path).name != "__init__.py"
        and not by <= {(above / "__init__.py").as_posix() for above in Path(path).parents}
        and not _is_part(path, parts_of_backends)
    ]


def _is_part(path: str, parts_of_backends: str) -> bool:
    parts = Path(path).parts
    return parts[0] == parts_of_backends and len(parts) >= 3


def _dotted(package: str, path: str) -> str:
    return ".".join([package, *Path(path).with_suffix("").parts]).removesuffix(".__init__")


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
        yield from [f"{node.module}.{alias.name}" for alias in node.names]
