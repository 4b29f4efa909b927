"""The quick checks of the usual values of a column, in one module because each write calls them for every value."""

from __future__ import annotations

from typing import Any, Final

from deebase._types.base import Processor

LOWEST_INTEGER: Final = -(2**63)
HIGHEST_INTEGER: Final = 2**63 - 1


def quick_integer(check: Processor) -> Processor:
    """Return a check that takes ints of 64 bits, and leaves other values to ``check``."""

    def quick(value: Any) -> Any:
        return value if type(value) is int and LOWEST_INTEGER <= value <= HIGHEST_INTEGER else check(value)

    return quick


def quick_text(check: Processor) -> Processor:
    """Return a check that takes ASCII without NUL, and leaves other values to ``check``."""

    def quick(value: Any) -> Any:
        return value if type(value) is str and value.isascii() and "\0" not in value else check(value)

    return quick
