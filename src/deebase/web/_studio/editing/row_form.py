"""The form of one row: its fields, what was sent for them, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from deebase import UNSET, Column, DeeBaseError, IntegrityError, SchemaError, ValidationError
from deebase.web._studio.addresses import encoded
from deebase.web._studio.editing.column_inputs import ColumnInput, Entry, inputs_within
from deebase.web._studio.editing.posted_forms import Posted
from deebase.web._studio.rendering import Cell, cell, sized
from deebase.web._studio.row_identity import checksum, checksums
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields

#: Fields of a form, and bytes of their values.
MOST_FIELDS, ROOM = 60, 26_000
#: The name of the checksums of the row as it was read, in its form.
WAS = "was"


@dataclass(frozen=True)
class Field:
    """A field as a page shows it.

    Attributes:
        input: of the column.
        entry: what it holds.
        error: what is wrong with it, in words.
        now: the value that another change has stored meanwhile; None if none has.
        size: of a value that is exchanged as a file.
        suggestions: where the values of a foreign key come from; None for another column.
    """

    input: ColumnInput
    entry: Entry
    error: str | None = None
    now: Cell | None = None
    size: str = ""
    suggestions: str | None = None


@dataclass(frozen=True)
class RowForm:
    """The form of one row.

    Args:
        site: whose table it is.
        fields: the columns of the table.
        inputs: of the form.
        row: the row; None for a new one.
    """

    site: Site
    fields: Fields
    inputs: Sequence[ColumnInput]
    row: Mapping[str, Any] | None
    sent: Posted = field(default_factory=Posted)

    @classmethod
    def of(
        cls,
        site: Site,
        fields: Fields,
        names: Iterable[str],
        *,
        row: Mapping[str, Any] | None = None,
        like: Mapping[str, Any] | None = None,
        sent: Posted | None = None,
    ) -> RowForm:
        """Return the form of some columns.

        Args:
            site: whose table it is.
            fields: the columns of the table.
            names: the columns of the form.
            row: the row; None for a new one.
            like: values that a new row begins with.
            sent: what the browser sent.
        """
        stored = like or {} if row is None else row
        inputs = [
            ColumnInput(
                fields.columns[name],
                row is None,
                ROOM,
                stored.get(name, UNSET),
                fields.handle.c[name].server_default is not None,
            )
            for name in names
        ]
        return cls(site, fields, list(inputs_within(inputs, ROOM)), row, sent or Posted())

    # -- what was sent -------------------------------------------------------------------------

    def values(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values that change, or those of a new row, and what is wrong with others."""
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for each in self.inputs:
            name = each.column.name
            try:
                entry = each.sent(self.sent)
                value = each.stored if entry is None else each.value_of(entry, self.sent)
            except DeeBaseError as error:
                errors[name] = self.text_of(error)
                continue
            if value is not UNSET and (self.row is None or self._changes(name, value)):
                values[name] = value
        return values, errors

    def _changes(self, name: str, value: Any) -> bool:
        return self.row is not None and checksum(self.fields, name, value) != checksum(
            self.fields, name, self.row[name]
        )

    def changed_meanwhile(self) -> list[str]:
        """Return the columns whose values are others than those that the form was made from."""
        given = dict(zip(self.fields.columns, (self.sent.last(WAS) or "").split("."), strict=False))
        if self.row is None:
            return []
        return [name for name, text in checksums(self.fields, self.row).items() if given.get(name) != text]

    # -- what is shown -------------------------------------------------------------------------

    @property
    def was(self) -> str:
        """The checksums of the row, as the form holds them."""
        return "" if self.row is None else ".".join(checksums(self.fields, self.row).values())

    @property
    def has_files(self) -> bool:
        """Whether a field is a file."""
        return any(each.control == "file" for each in self.inputs)

    def shown(self, errors: Mapping[str, str], changed: Iterable[str] = ()) -> list[Field]:
        """Return the fields as a page shows them.

        Args:
            errors: what is wrong, by column.
            changed: the columns that others have changed meanwhile.
        """
        stale = set(changed)
        return [self._field(each, errors.get(each.column.name), each.column.name in stale) for each in self.inputs]

    def _field(self, each: ColumnInput, error: str | None, is_stale: bool) -> Field:
        name = each.column.name
        entry = each.sent(self.sent) or each.stored_entry
        now = None
        if is_stale:
            now = cell(each.stored, 200)
            if self._is_as_read(each, entry):
                # The user did not touch this field: it shows the row as it is now.
                entry = each.stored_entry
        size = ""
        if each.control == "file" and each.stored is not UNSET and each.stored is not None:
            stored = each.stored if isinstance(each.stored, bytes) else str(each.stored).encode("utf-8", "replace")
            size = sized(len(stored))
        suggestions = None
        if each.column.references is not None and self.site.has(each.column.references[0]):
            suggestions = f"{self.site.table_path(self.fields.handle.name)}/suggest/{encoded(name)}"
        return Field(each, entry, error, now, size, suggestions)

    def _is_as_read(self, each: ColumnInput, entry: Entry) -> bool:
        """Whether a field holds the value that its form was made with."""
        given = dict(zip(self.fields.columns, (self.sent.last(WAS) or "").split("."), strict=False))
        try:
            # As if nothing was stored: what was sent is read for itself.
            value = ColumnInput(each.column, room=each.room).value_of(entry, self.sent)
        except DeeBaseError:
            return False
        return given.get(each.column.name) == checksum(self.fields, each.column.name, value)

    # -- errors --------------------------------------------------------------------------------

    def text_of(self, error: DeeBaseError) -> str:
        """Return an error of the library in words."""
        message, hint = self.site.explained(error)
        said = error.server_message if self.site.shows_all else None
        return "; ".join([part for part in (message, said, hint) if part])

    def placed(self, error: DeeBaseError) -> tuple[dict[str, str], str | None]:
        """Return the fields that an error of the library belongs to, or its text if it belongs to none."""
        named: Sequence[str | None] = ()
        if isinstance(error, ValidationError):
            named = [error.field]
        elif isinstance(error, IntegrityError):
            named = error.columns
        elif isinstance(error, SchemaError):
            named = [error.column_name]
        known = {each.column.name for each in self.inputs}
        places = {name: self.text_of(error) for name in named if name is not None and name in known}
        return places, None if places else self.text_of(error)


def editable(fields: Fields, *, is_new: bool) -> list[str]:
    """Return the columns that a form of a row may have."""
    return [
        name
        for name, column in fields.columns.items()
        if name in fields.grant.writable and name not in fields.scope and not (is_new and column.generated)
    ]


def fixed_because(fields: Fields, column: Column) -> str | None:
    """Return why a column cannot be changed; None if it can."""
    if column.name in fields.scope:
        return "the same in all of your rows"
    if column.name in fields.grant.writable:
        return None
    if column.computed:
        return "computed by the database"
    return "generated by the database" if column.generated else "may not be changed"
