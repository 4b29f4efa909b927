"""Column types: one object knows everything about one type."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

_define: ContextVar[Callable[[], object] | None] = ContextVar("deebase_further_types", default=None)


@contextmanager
def further_types(define: Callable[[], object]) -> Generator[None]:
    """Within the block, call a function before a name that is not that of a known type is given up.

    Args:
        define: imports the module of a program that defines more types; it is called at most once.
    """
    token = _define.set(cache(define))
    try:
        yield
    finally:
        _define.reset(token)


def define_further_types() -> bool:
    """Return whether types may have been defined since."""
    define = _define.get()
    if define is not None:
        define()
    return define is not None
