"""The input of a column in a form: which one it is, what it shows of a value, and the value that it stands for."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from markupsafe import escape

from deebase import UNSET, Column, DeeBaseError, ValidationError
from deebase.web._studio.addresses import encoded
from deebase.web._studio.editing.posted_forms import Posted
from deebase.web._studio.table_fields import Kind, kind_of

#: What a field of a form may stand for: a value, NULL, or the default of the column.
State = Literal["value", "null", "default"]
Control = Literal["text", "number", "date", "time", "datetime-local", "checkbox", "select", "textarea", "json", "file"]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?\Z")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(\+00:00|Z)?\Z")
#: Characters that no input of a browser holds as they are.
_UNTYPED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
#: A text of more characters gets several lines.
ONE_LINE = 80


@dataclass(frozen=True)
class Entry:
    """What a field of a form holds.

    Attributes:
        text: of the input.
        state: what the field stands for.
    """

    text: str = ""
    state: State = "value"


@dataclass(frozen=True)
class ColumnInput:
    """The field of a column in a form.

    Args:
        column: the column.
        is_new: whether the form is of a new row, in which a column may have its default.
        room: bytes that the text may take in the page; a longer one is exchanged as a file.
        stored: the value of the row, or of the one that a new row is a copy of; UNSET for none.
        computes_default: whether the default of the column is an expression of the database, such as ``now()``.
    """

    column: Column
    is_new: bool = False
    room: int = 30_000
    stored: Any = UNSET
    computes_default: bool = False

    @property
    def name(self) -> str:
        """The name of the input: any name of a column is one."""
        return input_name(self.column.name)

    @property
    def state_name(self) -> str:
        """The name of the choice between a value, NULL and the default."""
        return f"as.{encoded(self.column.name)}"

    @property
    def kind(self) -> Kind:
        """The kind of the values."""
        return kind_of(self.column)

    @property
    def has_default(self) -> bool:
        """Whether the row gets a value without one."""
        return self.is_new and self.column.optional

    @property
    def may_be_null(self) -> bool:
        """Whether NULL can be chosen: a new row without a value, and without a default, has it anyway."""
        if not self.is_new or self.stored is not UNSET:
            return self.column.nullable
        return self.column.nullable and (self.computes_default or self.column.default is not UNSET)

    @property
    def states(self) -> tuple[State, ...]:
        """What can be chosen; empty where an empty input says it."""
        found: list[State] = ["value"]
        if self.may_be_null:
            found.append("null")
        if self.has_default:
            found.append("default")
        # An empty text is a value; an empty number is not.
        says_it = len(found) < 3 and not self.takes_empty and self.control != "file"
        return () if len(found) == 1 or says_it or self.control in ("checkbox", "select") else tuple(found)

    @property
    def takes_empty(self) -> bool:
        """Whether an empty text is a value. A key or a reference takes one only if it has one already."""
        if (self.column.key or self.column.references is not None) and self.stored != "":
            return False
        return self.kind == "text" or (self.kind == "any" and self.column.type.python is None)

    @property
    def empty(self) -> State:
        """What an empty input stands for."""
        return "default" if self.has_default else "null" if self.column.nullable else "value"

    @cached_property
    def stored_entry(self) -> Entry:
        """What the field holds at first."""
        if self.stored is UNSET:
            # A checkbox is off, and a text is empty, until one says otherwise.
            return Entry("", self.empty)
        if self.stored is None:
            return Entry("", "null")
        return Entry(self._shown(self.stored))

    def _shown(self, value: Any) -> str:
        text = written_text(self.column, value)
        if self.control == "json" and self.column.type.name in ("json", "jsonb"):
            return json.dumps(value, ensure_ascii=False, indent=2, default=str)
        if self.control == "datetime-local" and (match := _MOMENT.match(text)) is not None:
            return f"{match[1]}T{match[2]}"
        return "" if self.control == "file" else text

    @cached_property
    def control(self) -> Control:
        """The input that the browser shows."""
        value = None if self.stored is UNSET else self.stored
        if self.kind == "binary" or isinstance(value, bytes):
            return "file"
        text = "" if value is None else written_text(self.column, value)
        if len(text) > self.room or len(escape(text).encode("utf-8", "replace")) > self.room or _UNTYPED.search(text):
            return "file"
        match self.kind:
            case "boolean" if value is None or isinstance(value, bool):
                return "select" if self.column.nullable or self.has_default else "checkbox"
            case "choice":
                return "select"
            case "document":
                return "json"
            case "number" if self.column.references is None and (not text or _NUMBER.match(text)):
                return "number"
            case "moment":
                return self._moment(text)
            case _:
                return "textarea" if self._has_lines(text) else "text"

    def _moment(self, text: str) -> Control:
        python: Any = self.column.type.python
        if python is dt.date:
            return "date" if not text or _DATE.match(text) else "text"
        if python is dt.time:
            return "time" if not text or _TIME.match(text) else "text"
        return "datetime-local" if not text or _MOMENT.match(text) else "text"

    def _has_lines(self, text: str) -> bool:
        return "\n" in text or "\r" in text or len(text) > ONE_LINE

    @cached_property
    def is_utc(self) -> bool:
        """Whether the moments of the column have a zone; the input has none, and takes UTC."""
        if self.control != "datetime-local":
            return False
        try:
            self.column.type.accept(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
        except (DeeBaseError, TypeError, ValueError):
            return False
        return True

    @cached_property
    def options(self) -> list[tuple[str, str]]:
        """What a select offers: values as texts, after an equals sign, and states."""
        texts = [self.column.type.format(each) for each in self.column.choices]
        if self.kind == "boolean":
            texts = [self.column.type.format(True), self.column.type.format(False)]
        entry = self.stored_entry
        if entry.state == "value" and entry.text not in texts:
            # Other programs may have stored what the column would not accept; and nothing is chosen for a new row.
            texts.insert(0, entry.text)
        found = [(f"={text}", text) for text in texts]
        if self.has_default:
            found.insert(0, ("default", self.default_title))
        return [("null", "NULL"), *found] if self.may_be_null else found

    @property
    def default(self) -> str:
        """The default of the column in a new row; empty if it is not a constant."""
        value = self.column.default
        return "" if not self.is_new or value is UNSET or value is None else written_text(self.column, value)[:60]

    @property
    def default_title(self) -> str:
        """The default as a choice."""
        if self.default:
            return f"default: {self.default}"
        return "NULL" if self.column.nullable and not self.computes_default else "default"

    @property
    def placeholder(self) -> str:
        """What an empty input shows."""
        if self.default:
            return self.default
        if self.is_new and self.computes_default:
            return "default"
        return "NULL" if self.column.nullable else ""

    @property
    def takes(self) -> str:
        """What the column takes, in words."""
        return "one of its choices" if self.column.choices else self.column.type.wanted or "any value"

    @property
    def required(self) -> bool:
        """Whether the field cannot stay empty."""
        return self.empty == "value" and not self.takes_empty and self.kind != "boolean"

    # -- what was sent -------------------------------------------------------------------------

    def sent(self, form: Posted) -> Entry | None:
        """Return what a form holds for the column; None if nothing."""
        given = form.last(self.name)
        if given is None:
            return None
        if self.control in ("checkbox", "select"):
            if given in ("null", "default"):
                return Entry("", "null" if given == "null" else "default")
            return Entry(given.removeprefix("="))
        state = form.last(self.state_name)
        text, known = (given if self.control == "file" else _with_plain_ends(given)), self.stored_entry
        if state in (None, known.state) and text == _with_plain_ends(known.text):
            return known
        if state is None:
            return Entry(text) if text or self.takes_empty else Entry(text, self.empty)
        return Entry(text, "null" if state == "null" else "default" if state == "default" else "value")

    def value_of(self, entry: Entry, form: Posted) -> Any:
        """Return the value that an entry stands for; UNSET for the default, and for what stays as it is.

        Raises:
            ValidationError: it stands for no value of the column.
        """
        state = self._meant(entry)
        if state == "default":
            return UNSET
        if state == "null":
            if not self.column.nullable:
                raise self._refused("needs a value")
            return None
        if self.control == "file" and entry.text != "":
            return self._of_file(form)
        if entry == self.stored_entry or self.control == "file":
            return self.stored if self.stored is not UNSET else self._nothing(entry)
        if entry.text == "" and not self.takes_empty and self.kind != "choice":
            raise self._refused("needs a value")
        return self.parsed(self._with_line_ends(entry.text))

    def _nothing(self, entry: Entry) -> Any:
        """Return the value of a new row whose field was left as it is."""
        if self.takes_empty and self.control != "file":
            return self.parsed(entry.text)
        raise self._refused("needs a file" if self.control == "file" else "needs a value")

    def _meant(self, entry: Entry) -> State:
        """Return what an entry stands for: who types a value need not choose that it is one."""
        known = self.stored_entry
        if entry.state == "value" or entry.text in ("", known.text):
            return entry.state
        if entry.state == known.state:
            return "value"
        raise self._refused(f"has a value, and {entry.state.upper()} is chosen", "choose one of them")

    def _with_line_ends(self, text: str) -> str:
        """Return a text with the ends of lines of the stored value: browsers send others."""
        if isinstance(self.stored, str) and "\r\n" in self.stored and not re.search(r"(?<!\r)\n", self.stored):
            return text.replace("\n", "\r\n")
        return text

    def _of_file(self, form: Posted) -> Any:
        data = form.file(self.name) or b""
        if self.kind == "binary":
            return self.checked(data)
        try:
            return self.parsed(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise self._refused("takes a file of text in UTF-8") from error

    def parsed(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ValidationError: the column cannot hold it.
        """
        kind = self.column.type
        if self.is_utc and _MOMENT.match(text) and not text.endswith(("Z", "+00:00")):
            text += "+00:00"
        if kind.python is None and self.kind == "any":
            return _untyped(text, self.stored)
        try:
            return self.checked(kind.parse(text))
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise self._refused(f"is not JSON: {error.msg} ({where})", kind.wanted) from error
        except RecursionError as error:
            raise self._refused("is nested too deeply") from error
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            if isinstance(error, DeeBaseError):
                raise self._refused(error.message, error.hint) from error
            raise self._refused(f"takes {kind.wanted}") from error

    def checked(self, value: Any) -> Any:
        """Return a value that the column can hold.

        Raises:
            ValidationError: it cannot.
        """
        kind = self.column.type
        kind.accept(value)
        limit = kind.limiter()
        excess = None if limit is None else limit(value)
        if excess is not None:
            raise self._refused(excess)
        return value

    def _refused(self, reason: str, hint: str | None = None) -> ValidationError:
        return ValidationError(reason, field=self.column.name, hint=hint)


def _with_plain_ends(text: str) -> str:
    """Return a text with the ends of lines that a browser does not change."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def input_name(column: str) -> str:
    """Return the name of the input of a column."""
    return f"v.{encoded(column)}"


def written_text(column: Column, value: Any) -> str:
    """Return a value as a text, also one that the column would not accept."""
    if isinstance(value, str) and column.type.name not in ("json", "jsonb") and not column.choices:
        return value
    try:
        return column.type.format(value)
    except (DeeBaseError, ValueError, TypeError, AttributeError, ArithmeticError, LookupError):
        return str(value)


def _untyped(text: str, stored: Any) -> Any:
    """Return the value of a column without a type: a number where it looks like one, unless a text is replaced."""
    if isinstance(stored, str):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def inputs_within(inputs: list[ColumnInput], room: int) -> Iterator[ColumnInput]:
    """Return the fields of one page: of values that take too much of it, files."""
    left = room
    for each in inputs:
        value = None if each.stored is UNSET else each.stored
        size = 0 if value is None else len(escape(written_text(each.column, value)).encode("utf-8", "replace"))
        fits = size <= left
        left -= size if fits and not isinstance(value, bytes) else 0
        yield each if fits else replace(each, room=0)
