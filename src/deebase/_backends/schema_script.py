"""Everything in a database except its rows, as SQL statements in an order in which they run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Runs a SELECT and returns its rows.
Read = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]


@dataclass(frozen=True)
class SchemaObject:
    """One object of a schema: a table, an index, a function, a policy, a comment.

    Attributes:
        kind: its kind in lower case, as in DROP: "extension", "type", "table", "index", "trigger".
        name: its name, which identifies it among those of its kind; with its schema unless that is the default one,
            with its table if the name is unique only there.
        create: the statements that create it.
        drop: the statements that drop it.
        key: equal for two objects with the same definition.
        table: the name of the table or view that it belongs to, or None; it is dropped with that.
        after_rows: whether it is better created after the rows: an index, a foreign key, a trigger, a policy.
    """

    kind: str
    name: str
    create: tuple[str, ...]
    drop: tuple[str, ...]
    key: str
    table: str | None = None
    after_rows: bool = False

    @property
    def label(self) -> str:
        """Its kind and name, for messages."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class SchemaScript:
    """The schema of a database.

    Attributes:
        objects: all objects, in an order in which they can be created.
        not_carried: descriptions of what the statements do not recreate, such as privileges.
    """

    objects: tuple[SchemaObject, ...]
    not_carried: tuple[str, ...] = field(default=())

    def before_rows(self) -> list[SchemaObject]:
        """Return the objects that are created before the rows."""
        return [item for item in self.objects if not item.after_rows]

    def after_rows(self) -> list[SchemaObject]:
        """Return the objects that are created after the rows."""
        return [item for item in self.objects if item.after_rows]


@dataclass
class Recreation:
    """The objects that ``create`` would make for a table, by kind and name.

    Attributes:
        same: those that exist with the same definition.
        other: those that do not exist, or have another definition.
    """

    same: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    other: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def add(self, kind: str, name: str, is_same: bool) -> None:
        """Add an object."""
        (self.same if is_same else self.other).append((kind, name))
