"""The report of an import: what was found in the file, what became of it, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImportedColumn:
    """A column of an import.

    Attributes:
        name: in the table.
        in_file: in the file; another one where the database cannot have it.
        type: the annotation of its values: ``int``, ``str | None``, ``JSON``.
        reason: why it has this type.
    """

    name: str
    in_file: str
    type: str
    reason: str


@dataclass(frozen=True)
class ImportReport:
    """What an import found, and why it did what it did. ``str(report)`` is a page of text.

    Attributes:
        table: the name of the table.
        created: whether the import created it.
        files: the names of the files.
        form: the format of the files, with the delimiter and the encoding of a text.
        rows: rows that were stored.
        key: the columns of the key.
        key_reason: why they are the key.
        columns: the columns of the files.
        notes: what was left out or changed.

    Example:
        ```python
        people = await db.import_file("people.csv", report=print)
        ```
    """

    table: str
    created: bool
    files: tuple[str, ...]
    form: str
    rows: int
    key: tuple[str, ...]
    key_reason: str
    columns: tuple[ImportedColumn, ...]
    notes: tuple[str, ...]

    def __str__(self) -> str:
        made = "created" if self.created else "existed"
        lines = [
            f"{self.table} ({made}): {self.rows:,} {'row' if self.rows == 1 else 'rows'} from {', '.join(self.files)}",
            f"  {self.form}",
            f"  key {', '.join(self.key) or 'none'}: {self.key_reason}",
        ]
        width = max([len(column.name) for column in self.columns], default=0)
        kind = max([len(column.type) for column in self.columns], default=0)
        lines += [
            f"  {column.name:<{width}}  {column.type:<{kind}}  {column.reason}".rstrip() for column in self.columns
        ]
        return "\n".join([*lines, *[f"  note: {note}" for note in self.notes]])


for _public in (ImportedColumn, ImportReport):
    _public.__module__ = "deebase"
