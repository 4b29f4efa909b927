"""What a database of notes ought to do, said in dictionaries: the model that real ones are compared with."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]

OWNERS = (1, 2)
#: The default of the column that comes and goes.
EXTRA = 5
#: Folders of both owners; each but the first is inside of another one.
FOLDERS: dict[int, Record] = {
    1: {"id": 1, "owner": 1, "name": "a", "rank": 2, "parent_id": None},
    2: {"id": 2, "owner": 2, "name": "b", "rank": None, "parent_id": 1},
    3: {"id": 3, "owner": 1, "name": "a", "rank": 1, "parent_id": 2},
}


class Refused(Exception):
    """An operation that fails, with the name of the error's class.

    Attributes:
        sent: whether the database itself refuses it, so that a transaction is over.
    """

    def __init__(self, name: str, *, sent: bool = False) -> None:
        super().__init__(name)
        self.name = name
        self.sent = sent


@dataclass
class Block:
    """An open transaction or savepoint: what was there at its begin, and whether an error ended it."""

    before: dict[int, Record]
    columns: tuple[str, ...]
    aborted: bool = False


@dataclass
class Model:
    """Notes by key. A scope is the owner whose notes are seen, or None for all."""

    notes: dict[int, Record] = field(default_factory=dict)
    columns: tuple[str, ...] = ("id", "owner", "title", "n", "folder_id", "other_id", "body", "meta")
    blocks: list[Block] = field(default_factory=list)

    @property
    def aborted(self) -> bool:
        """Whether statements are refused until a block is left."""
        return any(block.aborted for block in self.blocks)

    def apply(self, operation: Callable[[], Any], *, contained: bool = False) -> Any:
        """Do something as a statement: wholly or not at all; an error of the database aborts the block.

        Args:
            operation: what is done.
            contained: whether it runs within a savepoint of its own.
        """
        if contained and self.aborted:
            raise Refused("TransactionAbortedError")
        before = copy.deepcopy(self.notes)
        try:
            result = operation()
            if self.aborted:
                raise Refused("TransactionAbortedError")
            return result
        except Refused as refused:
            self.notes = before
            if self.aborted and refused.name != "ScopeError":  # which is found before anything is sent
                raise Refused("TransactionAbortedError") from refused
            if refused.sent and not contained and self.blocks:
                self.blocks[-1].aborted = True
            raise

    # -- reading -----------------------------------------------------------------------------------

    def seen(self, scope: int | None) -> list[Record]:
        """Return the rows of a scope, by key."""
        return [self._shown(row) for _, row in sorted(self.notes.items()) if scope in (None, row["owner"])]

    def _shown(self, row: Record) -> Record:
        return {name: row.get(name) for name in self.columns}

    def get(self, scope: int | None, key: int) -> Record:
        row = self.notes.get(key)
        if row is None or scope not in (None, row["owner"]):
            raise Refused("NotFoundError")
        return self._shown(row)

    def lookup(self, scope: int | None, title: str) -> Record:
        for row in self.seen(scope):
            if row["title"] == title:
                return row
        raise Refused("NotFoundError")

    def folder_of(self, scope: int | None, row: Record) -> Record | None:
        return self.related(scope, row, "folder_id")

    def related(self, scope: int | None, row: Record, name: str) -> Record | None:
        """Return the folder that a foreign key leads to: None if there is none in the scope."""
        folder = FOLDERS.get(row[name])
        return folder if folder is not None and scope in (None, folder["owner"]) else None

    def value(self, scope: int | None, row: Record, path: str) -> Any:
        """Return the value at the end of a path, such as ``"folder_id.parent_id.name"``."""
        *steps, name = path.split(".")
        found: Record | None = row
        for step in steps:
            found = found and self.related(scope, found, step)
        return found and found[name]

    # -- writing -----------------------------------------------------------------------------------

    def filled(self, scope: int | None, record: Record) -> Record:
        """Return a record with the scope's value, which it must not contradict."""
        if scope is None:
            return {"owner": 1, **record}
        if record.get("owner", scope) != scope:
            raise Refused("ScopeError")
        return {**record, "owner": scope}

    def _defaults(self) -> Record:
        return {"n": 0, "folder_id": None, "other_id": None, "body": "", "meta": None} | (
            {"extra": EXTRA} if "extra" in self.columns else {}
        )

    def _store(self, row: Record) -> Record:
        """Store a row, checking what a database checks."""
        for key, other in self.notes.items():
            if key != row["id"] and other["title"] == row["title"]:
                raise Refused("UniqueViolationError", sent=True)
        if not {row["folder_id"], row["other_id"]} <= {None, *FOLDERS}:
            raise Refused("ForeignKeyViolationError", sent=True)
        self.notes[row["id"]] = row
        return self._shown(row)

    def insert(self, scope: int | None, record: Record) -> Record:
        row = {**self._defaults(), **self.filled(scope, record)}
        if row["id"] in self.notes:
            raise Refused("UniqueViolationError", sent=True)
        return self._store(row)

    def insert_all(self, scope: int | None, records: Sequence[Record], conflict: str | None) -> int:
        rows = [{**self._defaults(), **self.filled(scope, record)} for record in records]
        stored = 0
        for row in rows:
            taken = row["id"] in self.notes or any(row["title"] == other["title"] for other in self.notes.values())
            if conflict == "ignore" and taken:
                continue
            if row["id"] in self.notes:
                raise Refused("UniqueViolationError", sent=True)
            self._store(row)
            stored += 1
        return stored

    def update(self, scope: int | None, key: int, changes: Record) -> Record:
        if scope is not None and changes.get("owner", scope) != scope:
            raise Refused("ScopeError")
        self.get(scope, key)
        return self._store({**self.notes[key], **changes})

    def update_where(self, scope: int | None, holds: Callable[[Record], bool]) -> int:
        changed = [row for row in self.seen(scope) if holds(row)]
        for row in changed:
            self.notes[row["id"]]["n"] += 1
        return len(changed)

    def upsert(self, scope: int | None, record: Record) -> Record:
        row = self.filled(scope, record)
        known = self.notes.get(row["id"])
        if known is None:
            return self.insert(scope, record)
        if scope not in (None, known["owner"]):
            raise Refused("IntegrityError")
        # Without a scope, a record without an owner keeps the existing one.
        return self._store({**known, **(record if scope is None else row)})

    def get_or_create(self, scope: int | None, key: int, title: str) -> tuple[Record, bool]:
        for row in self.seen(scope):
            if row["title"] == title:
                return row, False
        return self.insert(scope, {"id": key, "title": title}), True

    def delete(self, scope: int | None, key: int) -> None:
        self.get(scope, key)
        del self.notes[key]

    def delete_where(self, scope: int | None, holds: Callable[[Record], bool]) -> int:
        gone = [row["id"] for row in self.seen(scope) if holds(row)]
        for key in gone:
            del self.notes[key]
        return len(gone)

    # -- blocks and columns ------------------------------------------------------------------------

    def begin(self) -> None:
        if self.aborted:
            raise Refused("TransactionAbortedError")
        self.blocks.append(Block(copy.deepcopy(self.notes), self.columns))

    def end(self, *, failed: bool) -> None:
        """Leave the innermost block, normally or by an exception, which gives the table its former columns back."""
        block = self.blocks.pop()
        if failed or block.aborted:
            self.notes, self.columns = block.before, block.columns
        if block.aborted and not failed:
            raise Refused("TransactionAbortedError")

    def add_column(self) -> None:
        self.columns = (*self.columns, "extra")
        for row in self.notes.values():
            row["extra"] = EXTRA

    def drop_column(self) -> None:
        self.columns = self.columns[:-1]
        for row in self.notes.values():
            row.pop("extra")
