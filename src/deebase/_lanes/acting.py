"""The values of ``Database.acting``, for which statements see rows of secured tables."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from deebase._sqltext.quoting import names_setting
from deebase._types.text import text_fault
from deebase.errors import ScopeError, ValidationError

#: Before the name of a column in the name of its setting (PostgreSQL).
PREFIX = "deebase."


class Acting:
    """An immutable set of values by column, one of which each row of a secured table must have.

    Attributes:
        held: the values, as they were given.
        settings: the settings of a session of PostgreSQL, by name.
        hidden: the tables and views that SQL text cannot use, in lower case, where the database does not secure rows.
    """

    __slots__ = ("held", "hidden", "settings")

    def __init__(self, held: Mapping[str, Any], hidden: frozenset[str] = frozenset()) -> None:
        self.held: dict[str, Any] = dict(held)
        self.settings: dict[str, str] = {f"{PREFIX}{name}".lower(): as_text(name, held[name]) for name in sorted(held)}
        self.hidden: frozenset[str] = hidden

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Acting) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash(tuple(self.settings.items()))

    def __repr__(self) -> str:
        return f"<Acting of {', '.join(self.held)}>"

    def beside(self, outer: Acting | None) -> Acting:
        """Return the values of an outer block and these.

        Raises:
            ScopeError: the outer block has another value of a column.
        """
        if outer is None:
            return self
        for name, value in self.settings.items():
            if outer.settings.get(name, value) != value:
                column = name.removeprefix(PREFIX)
                raise ScopeError(
                    f"acting({column}=...) inside of a block that acts for another {column}",
                    field=column,
                    hint="leave the outer block first; a nested one can only add columns",
                )
        return Acting({**outer.held, **self.held}, outer.hidden | self.hidden)


class ActingContext:
    """For which values each task of one Database acts.

    Attributes:
        used: whether it was ever set; until then nothing needs to ask.
        checked: the lanes whose role was found to be subject to row security: those of a replica may have another.
    """

    __slots__ = ("_current", "checked", "used")

    def __init__(self) -> None:
        self.used: bool = False
        self.checked: WeakSet[object] = WeakSet()
        self._current: ContextVar[Acting | None] = ContextVar("deebase_acting", default=None)

    def current(self) -> Acting | None:
        """Return the values of the current task, or None."""
        return self._current.get() if self.used else None

    @contextmanager
    def entered(self, acting: Acting | None) -> Generator[None]:
        """Act for these values while the block runs, in this task and those that it begins."""
        self.used = True
        token = self._current.set(acting)
        try:
            yield
        finally:
            self._current.reset(token)

    def enter(self, acting: Acting | None) -> Any:
        """Act for these values until ``leave`` gets the token that this returns."""
        self.used = True
        return self._current.set(acting)

    def leave(self, token: Any) -> None:
        """Act as before ``enter``."""
        self._current.reset(token)


def as_text(name: str, value: Any) -> str:
    """Return a value as the text of a setting.

    Raises:
        ValidationError: it is not a number, text or UUID, or it is an empty text.
    """
    given: Any = value.value if isinstance(value, enum.Enum) else value
    if not names_setting(name):
        raise ValidationError(
            f"acting: {name!r} cannot name a setting of a session",
            field=name,
            hint="a secured column has a name of letters, digits and _, such as tenant_id",
        )
    if isinstance(given, bool) or not isinstance(given, (int, str, uuid.UUID)):
        raise ValidationError(
            f"acting: {name} is a whole number, a text or a UUID, not {type(value).__name__}",
            field=name,
            hint="async with db.acting(tenant=7): ...",
        )
    text = str(given)
    fault = text_fault(text)
    if not text or fault is not None:
        raise ValidationError(
            f"acting: {name} is {'an empty text' if not text else fault}, for which no row is seen",
            field=name,
            hint="give the value of the rows",
        )
    return text
