"""JSON, as an array of objects or one object after another, and newline-delimited JSON; read in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NoReturn

from deebase._files.delimited import BATCH_CHARACTERS
from deebase._files.file_errors import Fault
from deebase._files.inputs import LONGEST_LINE, Opened
from deebase._types.documents import RepeatedKey, distinct

Object = dict[str, Any]

#: Objects of a batch.
BATCH_OBJECTS = 1000
#: Characters that are read at once.
_PIECE = 64 * 1024
#: An error so near the end of the text read so far may go away with more text: "-Infinity" has 9 characters.
_NEAR_THE_END = 16
_SPACE = re.compile(r"[ \t\r\n]*")
#: Raised for an integer of more digits than Python reads, and for an exponent out of range of Decimal.
_NO_NUMBERS = (ValueError, ArithmeticError)


def _no_number(name: str) -> NoReturn:
    raise Fault(f"{name} is not JSON", "use null for a missing number")


def _decoder(exact: bool) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=distinct, parse_constant=_no_number, parse_float=Decimal if exact else None
    )


def _an_object(value: Any, line: int) -> Object:
    if not isinstance(value, dict):
        raise Fault("a row is a JSON object, and this is something else", '[{"name": "Ada"}, ...]', line=line)
    return value  # pyright: ignore[reportUnknownVariableType]


class _Objects:
    """The part that both readers share: batches."""

    def __init__(self) -> None:
        self.count = 0
        self._characters = 0

    def _next(self) -> Object | None:
        raise NotImplementedError

    def read(self) -> list[Object]:
        """Return the next objects, an empty list at the end."""
        self._characters = 0
        batch: list[Object] = []
        while len(batch) < BATCH_OBJECTS and self._characters < BATCH_CHARACTERS:
            found = self._next()
            if found is None:
                break
            batch.append(found)
            self.count += 1
        return batch

    @property
    def _line(self) -> int:
        raise NotImplementedError

    def starts(self) -> Iterator[int]:
        """Yield the line of each object, and of one that cannot be read."""
        while True:
            try:
                found = self._next()
            except Fault:
                yield self._line
                return
            if found is None:
                return
            yield self._line


class LineReader(_Objects):
    """Reads newline-delimited JSON: an object on each line; empty lines are skipped.

    Args:
        opened: the file.
        exact: read decimal fractions as Decimals.
    """

    def __init__(self, opened: Opened, *, exact: bool = False) -> None:
        super().__init__()
        self._decode: Callable[[str], Any] = _decoder(exact).decode
        self._lines = enumerate(opened.lines(), 1)
        self._number = 0

    @property
    def _line(self) -> int:
        return self._number

    def _next(self) -> Object | None:
        for number, line in self._lines:
            self._number = number
            self._characters += len(line)
            if not line.isspace():
                return _an_object(self._decoded(line), number)
        return None

    def _decoded(self, line: str) -> Any:
        try:
            return self._decode(line)
        except json.JSONDecodeError as error:
            raise _broken(error.msg, self._number, error.colno) from None
        except Fault as fault:
            raise fault.at(line=self._number) from None
        except RecursionError:
            raise _too_deep(self._number) from None
        except RepeatedKey as error:
            raise _repeated(error, self._number) from None
        except _NO_NUMBERS:
            raise _too_large(self._number) from None


class ArrayReader(_Objects):
    """Reads the objects of a JSON array, or objects that follow one another, without reading all of the text at once.

    Args:
        opened: the file.
        exact: read decimal fractions as Decimals.
    """

    def __init__(self, opened: Opened, *, exact: bool = False) -> None:
        super().__init__()
        self._pieces = opened.pieces(whole_lines=False)
        self._decode: Callable[[str, int], tuple[Any, int]] = _decoder(exact).raw_decode
        self._text = ""
        self._place = 0
        self._ended = False
        # Line and character of the first character in memory.
        self._first_line = 1
        self._first_character = 1
        self._found_at = 1
        self._in_array = self._begins() == "["
        self._empty = True
        if self._in_array:
            self._place += 1

    def _begins(self) -> str:
        begin = self._peek()
        if not begin:
            raise Fault("is empty", "is it the right file?")
        if begin not in "[{":
            raise self._broken_at("expected an array or an object", self._place)
        return begin

    @property
    def _line(self) -> int:
        return self._found_at

    def _more(self, size: int = _PIECE) -> bool:
        """Read more and drop what was parsed; return False at the end."""
        done, self._text = self._text[: self._place], self._text[self._place :]
        newlines = done.count("\n")
        self._first_line += newlines
        self._first_character = len(done) - done.rfind("\n") if newlines else self._first_character + len(done)
        self._place = 0
        pieces: list[str] = []
        while size > 0 and (piece := next(self._pieces, None)) is not None:
            pieces.append(piece)
            size -= len(piece)
        if not pieces:
            self._ended = True
            return False
        self._text += "".join(pieces)
        return True

    def _peek(self) -> str:
        """Return the next character that is not a space, "" at the end."""
        while True:
            self._place = _SPACE.match(self._text, self._place).end()  # type: ignore[union-attr]
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more():
                return ""

    def _next(self) -> Object | None:
        begin = self._peek()
        if self._in_array:
            begin = self._separated(begin)
        if not begin:
            return None
        before = self._place
        value = self._value()
        self._characters += self._place - before
        self._empty = False
        return _an_object(value, self._found_at)

    def _separated(self, begin: str) -> str:
        """Skip the comma of an array; return "" after its end."""
        if begin == "]":
            self._place += 1
            if self._peek():
                raise self._broken_at("something follows the array", self._place)
            self._in_array = False
            return ""
        if not self._empty:
            if begin != ",":
                what = "the array does not end" if not begin else "expected a comma between two rows"
                raise self._broken_at(what, self._place)
            self._place += 1
            begin = self._peek()
        if not begin:
            raise self._broken_at("the array does not end", self._place)
        return begin

    def _value(self) -> Any:
        size = _PIECE
        while True:
            try:
                self._found_at = self._first_line + self._text.count("\n", 0, self._place)
                value, self._place = self._decode(self._text, self._place)
                return value
            except json.JSONDecodeError as error:
                near = error.pos >= len(self._text) - _NEAR_THE_END or error.msg.startswith("Unterminated string")
                size *= 2
                if not near or self._ended or not self._more(size):
                    # The error is at another place in the longer text.
                    self._raise(error)
                if len(self._text) > LONGEST_LINE:
                    raise self._broken_at(f"a row has more than {LONGEST_LINE} characters", self._place) from None
            except Fault as fault:
                raise fault.at(line=self._found_at) from None
            except RecursionError:
                raise _too_deep(self._found_at) from None
            except RepeatedKey as error:
                raise _repeated(error, self._found_at) from None
            except _NO_NUMBERS:
                raise _too_large(self._found_at) from None

    def _raise(self, error: json.JSONDecodeError) -> NoReturn:
        # Reading more has moved the text; it is parsed again for the new place of the error.
        try:
            self._decode(self._text, self._place)
        except json.JSONDecodeError as again:
            raise self._broken_at(again.msg, again.pos) from None
        raise self._broken_at(error.msg, self._place)

    def _broken_at(self, what: str, place: int) -> Fault:
        line = self._first_line + self._text.count("\n", 0, place)
        begin = self._text.rfind("\n", 0, place)
        character = place - begin if begin >= 0 else self._first_character + place
        return _broken(what, line, character)


def _broken(what: str, line: int, character: int) -> Fault:
    return Fault(
        f"not JSON: {what[:1].lower()}{what[1:]}", "correct it, or fetch the file again", line=line, character=character
    )


def _repeated(error: RepeatedKey, line: int) -> Fault:
    return Fault(f"an object has the key {error.key!r} twice", "rename one, or remove it", line=line)


def _too_large(line: int) -> Fault:
    return Fault("a number has more digits than can be read", "write it as text, in quotes", line=line)


def _too_deep(line: int) -> Fault:
    return Fault("the JSON is nested too deeply", "is it the right file?", line=line)
