"""Keyset pages: a cursor holds the place of a row in the order, not its number."""

from __future__ import annotations

# What a cursor holds may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from deebase._engine.context import TableContext
from deebase._sql import statements
from deebase._sql.compiled import CompiledStatement
from deebase._sql.queries.orders import named_order
from deebase._sql.seek import Seek, place_source
from deebase._sql.where import Where
from deebase._tables.page import Page
from deebase._tables.queries.selected_columns import Reading
from deebase._tables.selection import Selection
from deebase._types.native import AnyValue
from deebase._types.registry import type_named, type_of
from deebase.errors import InvalidOperationError, ValidationError

if TYPE_CHECKING:
    from deebase._rows.model import TableModel

#: Rows of the largest page.
MAX_SIZE = 10_000
#: Characters of the longest cursor that is read: it may come from an attacker.
MAX_CURSOR = 100_000


@dataclass(frozen=True)
class _Cursor:
    """A place in an order: its values as they are stored, and which rows are meant."""

    values: tuple[Any, ...]
    backwards: bool = False
    inclusive: bool = False

    def write(self, order: str) -> str:
        """Return the text of the cursor: it holds nothing of this process."""
        flags = ("b" if self.backwards else "") + ("i" if self.inclusive else "")
        body = json.dumps([flags, [*map(_tagged, self.values)]], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_check(order, body) + body).decode().rstrip("=")

    @classmethod
    def read(cls, text: Any, order: str) -> _Cursor:
        """Read the text of a cursor of this order.

        Raises:
            ValidationError: it is broken, or was made for another table or order.
        """
        try:
            if not isinstance(text, str) or len(text) > MAX_CURSOR:
                raise ValueError
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            if raw[:_CHECK_BYTES] != _check(order, raw[_CHECK_BYTES:]):
                raise ValueError
            flags, values = json.loads(raw[_CHECK_BYTES:])
            if flags not in ("", "b", "i", "bi") or not isinstance(values, list):
                raise ValueError
            return cls(tuple([_untagged(value) for value in values]), "b" in flags, "i" in flags)
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
            raise _broken() from error

    def must_fit(self, model: TableModel, columns: Sequence[tuple[str, bool]]) -> None:
        """Refuse values that no row can have at this place of the order: anyone can compute the check of a cursor.

        Raises:
            ValidationError: their number is not that of the columns, or one is not of its column's type.
        """
        if len(self.values) != len(columns):
            raise _broken()
        for (name, _), value in zip(columns, self.values, strict=True):
            column = model.columns[name]
            if value is None:
                if not column.nullable:
                    raise _broken()
            elif column.bind_place is not None:
                try:
                    column.bind_place(AnyValue().accept(value))
                except (ValidationError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
                    raise _broken() from error


def _broken() -> ValidationError:
    return ValidationError(
        "the cursor is broken, or belongs to another table or order",
        field="after",
        hint="give page.next or page.previous of a page with the same order_by, unchanged",
    )


_CHECK_BYTES = 6


def _check(order: str, body: bytes) -> bytes:
    # Against accidents, not against attackers: a forged cursor shows nothing that its page would not.
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES, key=hashlib.blake2b(order.encode()).digest()).digest()


#: Values that JSON has. The others are a text beside the name of their type.
_JSON_TYPES = (type(None), bool, int, float, str, list, dict)


def _tagged(value: Any) -> Any:
    kind = None if isinstance(value, _JSON_TYPES) else type_of(value)
    return value if kind is None else {kind.name: kind.format(value)}


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        ((name, text),) = value.items()
        return type_named(name)().parse(text)
    return value


async def page_of(
    source: TableContext,
    where: Where,
    selection: Selection,
    *,
    size: int,
    after: str | None,
    reading: Reading | None = None,
) -> Page[Any]:
    """Return one page; see ``Query.page``. With a lock, the first row of the next page is locked, too."""
    reading = Reading(source.model, source.model.names, None, selection.order_by) if reading is None else reading
    model = reading.model
    hint = "page(size=20) limits a page, after=page.next leads to the next one, and a row holds its key"
    selection.refuse("a page", hint, "limit", "offset", "with_pk", "distinct")
    size = statements.whole_number("size", size)
    if size not in range(1, MAX_SIZE + 1):
        raise ValidationError(f"a page has 1 to {MAX_SIZE} rows", field="size", value=size, hint="size=50")
    columns = _total_order(model, reading.order)
    title = json.dumps([model.name, columns])
    cursor = None if after is None else _Cursor.read(after, title)
    if cursor is not None:
        cursor.must_fit(model, columns)
    shown = reading.columns
    read = (*shown, *[name for name, _ in columns if name not in shown])
    rows = await _read(source, where, reading._replace(columns=read), columns, cursor, size + 1, selection)
    more = len(rows) > size
    rows = rows[:size]
    backwards = cursor is not None and cursor.backwards
    if backwards:
        rows.reverse()
    places = [read.index(name) for name, _ in columns]

    def place(row: Any, *, backwards: bool) -> str:
        values = [_value(model, read[n], row[n]) for n in places]
        return _Cursor(tuple(values), backwards).write(title)

    made = reading.maker(source)(rows)
    if not rows:
        turned = None
        if cursor is not None:
            turned = _Cursor(cursor.values, not cursor.backwards, not cursor.inclusive).write(title)
        return Page(made, next=turned if backwards else None, previous=None if backwards else turned)
    return Page(
        made,
        next=place(rows[-1], backwards=False) if more or backwards else None,
        previous=place(rows[0], backwards=True) if (more if backwards else cursor is not None) else None,
    )


def _value(model: TableModel, name: str, stored: Any) -> Any:
    """Return a value of a row as its column accepts it, which compares as the stored value does."""
    read = model.columns[name].read
    value = stored if stored is None or read is None else read(stored)
    return value.value if isinstance(value, Enum) else value


def _total_order(model: TableModel, order: Any) -> tuple[tuple[str, bool], ...]:
    """Return the columns of the order, followed by those of the key, which decide between equal rows."""
    columns = named_order(model, order)
    keys = model.pks
    if not keys:
        raise InvalidOperationError(
            f"pages of {model.name} need a key that tells equal rows apart",
            operation="page",
            target=model.name,
            hint="use t(order_by=..., limit=..., offset=...), or give the table a primary key",
        )
    # In the direction of the last column, so that one index over all of them serves.
    descending = columns[-1][1] if columns else False
    named = dict(columns)
    return (*columns, *[(name, descending) for name in keys if name not in named])


async def _read(
    source: TableContext,
    where: Where,
    reading: Reading,
    columns: tuple[tuple[str, bool], ...],
    cursor: _Cursor | None,
    limit: int,
    selection: Selection,
) -> list[Any]:
    values = () if cursor is None else cursor.values
    seek = Seek(
        columns,
        backwards=cursor is not None and cursor.backwards,
        inclusive=cursor is not None and cursor.inclusive,
        nulls=tuple(value is None for value in values),
    )

    lock = selection.lock(source.executor)

    def build() -> CompiledStatement:
        model, dialect = reading.model, source.dialect
        return statements.keyset(model, dialect, reading.columns, where, seek, begins=cursor is None, lock=lock)

    key = None
    if where.shape is not None:
        key = ("page", where.shape, reading.columns, seek, lock, reading.model.joins)
    prepared = source.cached(key, build)
    places = {place_source(n): value for n, value in enumerate(values)}
    return await source.executor.fetch(*prepared.ready({**where.values, **places, "limit": limit}))
