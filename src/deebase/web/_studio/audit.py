"""What the program hears of each change that is made in the studio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["insert", "update", "delete"]


@dataclass(frozen=True)
class Change:
    """A change of one row in the studio.

    Attributes:
        user: who made it, as ``user=`` of the studio returned it.
        action: ``"insert"``, ``"update"`` or ``"delete"``.
        table: the name of the table.
        key: the columns of the key, and their values.
        before: the row as it was; None for a new row.
        after: the row as it is now; None if it was deleted.
    """

    user: Any
    action: Action
    table: str
    key: Mapping[str, Any]
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


#: Runs in the transaction of the change; an error undoes the change.
Audit = Callable[[Change], Awaitable[None] | None]
