"""The order in which things are made, so that what they need is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol, TypeVar


class Named(Protocol):
    """Something with a name by which others need it."""

    @property
    def name(self) -> str:
        """The name."""
        ...


T = TypeVar("T", bound=Named)


def groups(items: Iterable[T], needs: Callable[[T], Collection[str]]) -> Iterator[list[T]]:
    """Yield items one by one, those that others need first, and at the end those in cycles together."""
    waiting = {item.name: item for item in items}
    while waiting:
        free = [item for item in waiting.values() if not any(name in waiting for name in needs(item))]
        if not free:
            yield list(waiting.values())
            return
        for item in free:
            del waiting[item.name]
            yield [item]
