"""What a call of a table selects besides its conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from deebase.errors import ValidationError
from deebase.types import must_be_flags

if TYPE_CHECKING:
    from deebase._engine.executor import Executor


class Selection(NamedTuple):
    """The options of a call of a table, which ``Readable.__call__`` documents."""

    order_by: Any = None
    limit: int | None = None
    offset: int | None = None
    select: Sequence[Any] | Mapping[str, Any] | None = None
    with_pk: bool = False
    for_update: bool = False
    skip_locked: bool = False
    distinct: bool = False

    def check_flags(self) -> None:
        """Refuse flags that are neither True nor False."""
        must_be_flags(
            with_pk=self.with_pk, for_update=self.for_update, skip_locked=self.skip_locked, distinct=self.distinct
        )

    def lock(self, executor: Executor) -> str | None:
        """Return how the rows are locked: "update", "skip locked" or not at all.

        Raises:
            TransactionError: they are locked, and no transaction is open.
        """
        if not (self.for_update or self.skip_locked):
            return None
        executor.must_be_inside("skip_locked" if self.skip_locked else "for_update")
        return "skip locked" if self.skip_locked else "update"

    def refuse(self, operation: str, hint: str, *options: str) -> None:
        """Refuse options that an operation cannot honor.

        Raises:
            ValidationError: one of them was given.
        """
        for name in options:
            value = getattr(self, name)
            if value is not None and value is not False:
                raise ValidationError(f"{operation} has no {name}", field=name, hint=hint)


def listed(given: Any) -> Sequence[Any]:
    """Return an argument that is one of something or a list of them, as a list."""
    if given is None:
        return ()
    return cast("Sequence[Any]", given) if isinstance(given, (list, tuple)) else (given,)


def order_names(order: Any) -> tuple[str, ...] | None:
    """Return an order that consists of names, None for one of expressions; the names are not checked."""
    if order is None:
        return ()
    if isinstance(order, str):
        return (order,)
    given: tuple[Any, ...] = (*cast("Sequence[Any]", order),) if isinstance(order, (list, tuple)) else (order,)
    return tuple(given) if all(isinstance(name, str) for name in given) else None
