"""The rules of lint, and what they find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Rule(NamedTuple):
    """A rule: its id, which is an anchor in the docs too, and what it says."""

    id: str
    text: str
    destructive: bool = False
    #: The database where it matters; "" for both.
    dialect: str = ""


DROP_TABLE = Rule("M101", "drops a table with its rows", True)
DROP_COLUMN = Rule("M102", "drops a column with its values", True)
DELETE_ROWS = Rule("M103", "deletes all rows", True)
ADD_NOT_NULL = Rule("M201", "adds a column that is never NULL and has no default: it fails where rows are there")
SET_NOT_NULL = Rule("M202", "has a column refuse NULL: it fails where one is, and reads all rows under a lock")
RENAME = Rule("M301", "renames what programs that still run know by the old name")
CHANGE_TYPE = Rule(
    "M401", "changes a type: the table is written anew, and nobody reads it meanwhile", False, "postgresql"
)
INDEX = Rule("M402", "makes an index while nobody can write to the table", False, "postgresql")
FOREIGN_KEY = Rule("M403", "adds a foreign key, which reads all rows while nobody can write", False, "postgresql")

#: All rules, in the order of their ids.
RULES: Final = (
    *(DROP_TABLE, DROP_COLUMN, DELETE_ROWS, ADD_NOT_NULL, SET_NOT_NULL),
    *(RENAME, CHANGE_TYPE, INDEX, FOREIGN_KEY),
)


@dataclass(frozen=True)
class Hazard:
    """Something in a migration to look at before it is applied.

    Attributes:
        rule: its id: "M102"; the docs explain each.
        text: what it is.
        table: the table, None where the text does not tell.
        column: the column, where it is about one.
        line: of the file, None for SQL in it that has several.
        destructive: whether rows or values are lost.
        rows: how many are lost in this database, where that was counted.
    """

    rule: str
    text: str
    table: str | None = None
    column: str | None = None
    line: int | None = None
    destructive: bool = False
    rows: int | None = None

    def __str__(self) -> str:
        what = ".".join([name for name in (self.table, self.column) if name is not None])
        place = "" if self.line is None else f" (line {self.line})"
        count = "" if self.rows is None else f", {self.rows} here"
        return f"{self.rule} {f'{what}: ' if what else ''}{self.text}{count}{place}"


def hazard(rule: Rule, table: str | None, column: str | None = None, line: int | None = None) -> Hazard:
    """Return what a rule finds."""
    return Hazard(rule.id, rule.text, table, column, line, rule.destructive)
