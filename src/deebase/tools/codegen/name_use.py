"""Which names a generated module uses: its imports, and its classes."""

from __future__ import annotations

import builtins
import re
import sys
import unicodedata
from collections.abc import Iterable
from enum import Enum
from typing import Final

from deebase._rows.field_columns import is_attribute
from deebase._types.registry import annotation_names
from deebase.tools.codegen.line_layout import WIDTH

#: Names that a generated module may import or define itself, besides those of column types, and names that look like
#: digits. No class has one.
_OWN: Final = frozenset(
    {
        *("Annotated", "Any", "Literal", "NotRequired", "Required", "TypedDict"),
        *("UTC", "now", "uuid4", "uuid7", "literal_column"),
        *("Check", "Computed", "Default", "Digits", "Indexed", "PrimaryKey", "Search", "Unique", "UpdatedAt"),
        *("Enum", "IntEnum", "StrEnum", "dataclass", "field"),
        *("ColumnName", "Database", "ForeignKeyMark", "Index", "MaxLength", "Native", "SchemaSQL", "create_tables"),
        *("I", "O", "l"),
    }
)
_BUILTINS: Final = frozenset(dir(builtins))


def class_name(table: str) -> str:
    """Return the name of the class of a table: order_items is OrderItems."""
    parts = re.split(r"[\W_]+", unicodedata.normalize("NFKC", table))
    made = "".join([part[:1].upper() + part[1:] for part in parts])
    return made if is_attribute(made) else f"Table{made}" if is_attribute(f"Table{made}") else "Table"


def member_names(kind: type[Enum]) -> dict[str, str]:
    """Return what the members of an Enum are called in source, by their names."""
    taken = set(kind.__members__)
    names: dict[str, str] = {}
    for number, member in enumerate(kind):
        plain = is_attribute(member.name) and not member.name.startswith("_")
        made = member.name if plain else f"MEMBER_{number}"
        while not plain and made in taken:
            made += "_"
        names[member.name] = made
    return names


class Names:
    """The names of one module.

    Args:
        fields: the attributes of all classes. In a class they hide what is outside of it, so
            what is imported gets another name where it has one of these.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._fields = frozenset(fields)
        self._taken = self._fields | _OWN | _BUILTINS | set(annotation_names())
        self._defined: set[str] = set()
        #: By module, the names that are imported and what they are called here.
        self.imports: dict[str, dict[str, str]] = {}

    def define(self, wanted: str) -> str:
        """Return the name for a class, followed by a number where it is taken."""
        base = wanted if is_attribute(wanted) and not wanted.startswith("_") else class_name(wanted)
        name, number = base, 1
        while name in self._defined or name in self._taken:
            number += 1
            name = f"{base}{number}"
        self._defined.add(name)
        return name

    def use(self, module: str, name: str) -> str:
        """Return what an importable object is called here, and import it."""
        known = self.imports.get(module, {})
        if name in known:
            return known[name]
        here = name
        others = {local for names in self.imports.values() for local in names.values()}
        while here in self._fields or here in self._defined or here in others:
            here += "_"
        if module != "builtins" or here != name:
            self.imports.setdefault(module, {})[name] = here
        return here

    @property
    def callable(self) -> frozenset[str]:
        """Every name that is imported or defined here."""
        return frozenset(self._defined).union(*[names.values() for names in self.imports.values()])

    def source(self) -> str:
        """Return the import statements, sorted as ruff sorts them."""
        standard = [module for module in self.imports if module.partition(".")[0] in sys.stdlib_module_names]
        others = [module for module in self.imports if module not in standard]
        return "\n\n".join([text for text in map(self._block, (standard, others)) if text])

    def _block(self, modules: Iterable[str]) -> str:
        lines: list[str] = []
        for module in sorted(modules, key=str.lower):
            names = self.imports[module]
            plain = sorted([name for name, here in names.items() if name == here], key=_member_order)
            # Those under another name have a statement each; statements go by their first name.
            statements = [
                (name, [f"from {module} import {name} as {here}"]) for name, here in names.items() if name != here
            ]
            if plain:
                statements.append((plain[0], _import(module, plain)))
            lines += [
                line for _, written in sorted(statements, key=lambda item: _member_order(item[0])) for line in written
            ]
        return "\n".join(lines)


def _import(module: str, names: list[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= WIDTH else [f"from {module} import (", *[f"    {name}," for name in names], ")"]


def _member_order(name: str) -> tuple[int, str, str]:
    """Constants come first, then classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name.lower(), name)
