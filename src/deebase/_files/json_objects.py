"""JSON, as an array of objects or one object after another, and newline-delimited JSON; read in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Layout:
    """How the rows of a JSON file become rows of a table.

    Args:
        null: the names NaN, Infinity and -Infinity, where they mean NULL.
        values: take values that are not objects as rows with one column, if all rows are such values.
        path: the keys that lead to the array of rows, from the object that the file holds.
        separator: joins the keys of objects inside of a row to names of columns; None to leave them as they are.
    """

    null: frozenset[str] = frozenset()
    values: bool = False
    path: tuple[str, ...] = ()
    separator: str | None = None


_PLAIN = Layout()
#: The column of values that are not objects.
VALUE = "value"


def _decoder(null: frozenset[str]) -> json.JSONDecoder:
    def constant(name: str) -> None:
        if name not in null:
            raise Fault(f"{name} is not JSON", f"use null for a missing number, or pass null=[{name!r}]")

    return json.JSONDecoder(object_pairs_hook=distinct, parse_constant=constant, parse_float=Decimal)


class _Objects:
    """The part that both readers share: batches of rows."""

    def __init__(self, layout: Layout) -> None:
        self.count = 0
        self._characters = 0
        self._layout = layout
        self._takes_values: bool | None = None if layout.values else False
        #: The keys of each column of flattened objects.
        self._paths: dict[str, tuple[str, ...]] = {}
        #: Keys beside the array of rows, which are not imported.
        self.left_out: list[str] = []

    def _row(self, value: Any, line: int) -> Object:
        """Return a value of the file as a row."""
        is_object = isinstance(value, dict)
        if self._takes_values is None:
            self._takes_values = not is_object
        if self._takes_values == is_object:
            hint = '[{"name": "Ada"}, ...]; where the rows are inside of an object: rows=\'data\''
            raise Fault("a row is a JSON object, and this is something else", hint, line=line)
        if not is_object:
            return {VALUE: value}
        return value if self._layout.separator is None else self._flat(value, self._layout.separator, line)

    def _flat(self, row: Object, separator: str, line: int) -> Object:
        flat: Object = {}
        for keys, value in _leaves(row):
            name = separator.join(keys)
            if self._paths.setdefault(name, keys) != keys:
                one, other = (" in ".join(map(repr, reversed(path))) for path in (self._paths[name], keys))
                hint = "flatten='.' joins the names with another separator"
                raise Fault(f"{one} and {other} would both be the column {name!r}", hint, line=line, column=name)
            flat[name] = value
        return flat

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


def _leaves(row: Object, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the keys that lead to each value of a row that is not an object with keys."""
    for key, value in row.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*before, key))  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield (*before, key), value


class LineReader(_Objects):
    """Reads newline-delimited JSON: an object on each line; empty lines are skipped. Decimal fractions are Decimals.

    Args:
        opened: the file.
        layout: how its rows become rows of a table.
    """

    def __init__(self, opened: Opened, layout: Layout = _PLAIN) -> None:
        super().__init__(layout)
        if layout.path:
            raise Fault("each line is a row", "rows= is for an array inside of one object; leave it out")
        self._decode: Callable[[str], Any] = _decoder(layout.null).decode
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
                return self._row(self._decoded(line), number)
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

    Decimal fractions are read as Decimals.

    Args:
        opened: the file.
        layout: how its rows become rows of a table.
    """

    def __init__(self, opened: Opened, layout: Layout = _PLAIN) -> None:
        super().__init__(layout)
        self._pieces = opened.pieces(whole_lines=False)
        self._decode: Callable[[str, int], tuple[Any, int]] = _decoder(layout.null).raw_decode
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
        for depth, key in enumerate(self._layout.path):
            self._enter(key, ".".join(self._layout.path[: depth + 1]))
            begin = self._peek()
        if self._layout.path and begin != "[":
            raise Fault("what rows= names is not an array", "name the key of an array of objects", line=self._line_here)
        return begin

    # -- rows inside of an object --------------------------------------------------------------

    def _enter(self, key: str, path: str) -> None:
        """Go to the value of a key of the object that begins here, over the values of the keys before it."""
        if self._peek() != "{":
            raise Fault(f"there is no object with the key {path!r}", "rows= names it", line=self._line_here)
        self._place += 1
        while (found := self._member()) is not None:
            if found == key:
                return
            self.left_out.append(found)
            self._value()
        raise Fault(f"the object has no key {path!r}", f"its keys are {', '.join(self.left_out) or 'none'}", line=1)

    def _member(self) -> str | None:
        """Return the next key of an object, before its value; None at the end of the object."""
        begin = self._peek()
        if begin == ",":
            self._place += 1
            begin = self._peek()
        if begin == "}":
            self._place += 1
            return None
        if begin != '"':
            raise self._broken_at("the object does not end" if not begin else "expected a key", self._place)
        key: str = self._value()
        if self._peek() != ":":
            raise self._broken_at("expected a colon after a key", self._place)
        self._place += 1
        self._peek()
        return key

    def _leave(self) -> None:
        """Read what follows the array in the objects that contain it."""
        for _ in self._layout.path:
            while (found := self._member()) is not None:
                self.left_out.append(found)
                self._value()

    @property
    def _line_here(self) -> int:
        return self._first_line + self._text.count("\n", 0, self._place)

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
        return self._row(value, self._found_at)

    def _separated(self, begin: str) -> str:
        """Skip the comma of an array; return "" after its end."""
        if begin == "]":
            self._place += 1
            self._leave()
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
