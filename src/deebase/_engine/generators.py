"""Finds the async generator that owns a transaction.

An async generator runs in the context of its consumer, so a context variable that it sets is set for the consumer too.
A transaction that stays open over a ``yield`` is therefore looked up by the frame of its generator. Which code may use
it while the generator waits depends on what drives the generator: the body of an ``async for`` is not part of it,
whereas the body of an ``async with`` over ``@asynccontextmanager`` is, as is a test with its fixture.
"""

from __future__ import annotations

import dis
import inspect
import opcode
from types import CodeType, FrameType
from typing import Any, NamedTuple, cast

_CACHE = opcode.opmap["CACHE"]
_SEND = opcode.opmap["SEND"]
_GET_ANEXT = opcode.opmap["GET_ANEXT"]
_WITH_EXCEPT_START = opcode.opmap["WITH_EXCEPT_START"]
_YIELD_VALUE = opcode.opmap["YIELD_VALUE"]
_RESUME = opcode.opmap["RESUME"]
#: The argument of RESUME after a ``yield``; after an ``await`` it is another one (library/dis.html).
_AFTER_YIELD = 1

#: Places in code that are cached.
_CACHED = 1000


class Owner(NamedTuple):
    """The generator that keeps a block open over a ``yield``.

    Attributes:
        frame: the generator's frame.
        is_iterated: it is driven by an ``async for``, so that the block is not part of the consumer's code.
    """

    frame: FrameType
    is_iterated: bool


def owner_of(frame: FrameType | None) -> Owner | None:
    """Return the owner of a block that a frame opens; None if no generator keeps it open over a ``yield``.

    Frames are followed outwards to the ``async with`` that will end the block: those inside of it, such as the
    ``__aenter__`` of another context manager, return and leave the block open.
    """
    inner: FrameType | None = None
    while frame is not None:
        entered = _entered(frame.f_code, frame.f_lasti)
        generator = bool(frame.f_code.co_flags & inspect.CO_ASYNC_GENERATOR)
        if entered is not None and not (generator and entered.yields):
            break
        driver = frame.f_back
        if generator:
            if driver is not None and _iterates(driver):
                return Owner(frame, is_iterated=True)
            inner = inner or frame
        frame = driver
    return None if inner is None else Owner(inner, is_iterated=False)


def _iterates(frame: FrameType) -> bool:
    """Whether a frame waits for the next item of an ``async for``."""
    code = frame.f_code.co_code
    at = _at(code, frame.f_lasti)
    # GET_ANEXT, LOAD_CONST (after an EXTENDED_ARG if the code has many constants), SEND.
    return code[at] == _SEND and _GET_ANEXT in (code[at - 4], code[at - 6])


def _at(code: bytes, at: int) -> int:
    """Return the offset of an instruction; Python 3.12 may give that of its cache instead."""
    while code[at] == _CACHE:
        at -= 2
    return at


class _Body(NamedTuple):
    """The body of an ``async with``."""

    yields: bool


_known: dict[tuple[int, int], tuple[CodeType, _Body | None]] = {}


def _entered(code: CodeType, at: int) -> _Body | None:
    """Return the ``async with`` whose ``__aenter__`` is awaited at an instruction, if it is one."""
    # By identity: the hash of a code object is computed from all its parts. The reference keeps the identity valid.
    known = _known.get((id(code), at))
    if known is None:
        if len(_known) >= _CACHED:
            _known.clear()
        known = _known[id(code), at] = code, _read(code, _at(code.co_code, at))
    return known[1]


def _read(code: CodeType, at: int) -> _Body | None:
    if code.co_code[at] != _SEND:
        return None
    begin = next(each.argval for each in dis.get_instructions(code) if each.offset == at)
    # Not in the stubs of dis, which has the only reader of the exception table in Python.
    entries: list[Any] = list(cast("Any", dis.Bytecode(code)).exception_entries)
    # At most END_SEND lies between the await and the body.
    body = [entry for entry in entries if begin <= entry.start <= begin + 2 and _ends_with(code, entry.target)]
    if not body:
        return None
    inside = [entry for entry in entries if entry.target == body[0].target]
    # A handler inside of the body has separate ranges.
    while more := [e for e in entries if e not in inside and any(i.start <= e.target < i.end for i in inside)]:
        inside += more
    return _Body(any(_yields(code.co_code, entry.start, entry.end) for entry in inside))


def _ends_with(code: CodeType, handler: int) -> bool:
    return code.co_code[handler + 2] == _WITH_EXCEPT_START


def _yields(code: bytes, start: int, end: int) -> bool:
    return any(
        code[at] == _YIELD_VALUE and code[at + 2] == _RESUME and code[at + 3] & 3 == _AFTER_YIELD
        for at in range(start, end, 2)
    )
