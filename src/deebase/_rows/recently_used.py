"""A bounded cache whose hits cost no more than those of a dict."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(dict[K, V | None]):
    """A dict that drops the least recently used entries.

    ``cache[key]`` returns None for a key that is not cached. The entries are in two generations: a hit in the younger
    one, which is the dict itself, moves nothing. When it is full it becomes the older one, and the former older one is
    dropped; an entry that is used again moves to the younger one.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._half = size // 2
        self._older: dict[K, V | None] = {}

    def __missing__(self, key: K) -> V | None:
        value = self._older.pop(key, None)
        if value is not None:
            self[key] = value
        return value

    def __setitem__(self, key: K, value: V | None) -> None:
        if len(self) >= self._half:
            self._older = dict(self)
            super().clear()
        super().__setitem__(key, value)

    def clear(self) -> None:
        """Forget all entries."""
        self._older = {}
        super().clear()
