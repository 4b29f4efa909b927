"""The order in which objects are created, so that each follows those it needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol, TypeVar


class Named(Protocol):
    """An object that others need by its name."""

    @property
    def name(self) -> str:
        """The name."""
        ...


T = TypeVar("T", bound=Named)


def groups(items: Iterable[T], needs: Callable[[T], Collection[str]]) -> Iterator[list[T]]:
    """Yield items one by one, each after those it needs; those in cycles come last, as one group."""
    waiting = {item.name: item for item in items}
    while waiting:
        free = [item for item in waiting.values() if not any(name in waiting for name in needs(item))]
        if not free:
            yield list(waiting.values())
            return
        for item in free:
            del waiting[item.name]
            yield [item]
