"""The types of columns that others made on SQLite."""

from __future__ import annotations

import re
from collections.abc import Callable

import sqlalchemy as sa

from deebase._model.facts import ColumnInfo
from deebase._types import standard as types
from deebase._types.decimals import ExactNumber
from deebase._types.native import Made, Stored


def sqlite_type(column: ColumnInfo) -> Made:
    """Return the type of a column: ours where ours wrote it, else by its name and affinity."""
    written = " ".join(column.type.upper().split("(")[0].split())
    made = _KNOWN.get(written)
    if made is not None:
        return made()
    length = re.search(r"\((\d+)\)", column.type)
    # The rules of sqlite.org/datatype3.html#determination_of_column_affinity, in their order.
    if "INT" in written:
        # By these rules a POINT and an INTERVAL are integers too, and hold what they please.
        return sa.Integer() if _INTEGER.search(written) else Stored(column.type)
    if any(part in written for part in ("CHAR", "CLOB")):
        return sa.String(int(length[1]) if length else None)
    if "TEXT" in written:
        return sa.Text()
    if "BLOB" in written or written in ("BINARY", "VARBINARY"):
        return types.Binary()
    if any(part in written for part in ("REAL", "FLOA", "DOUB")):
        return types.Float()
    return Stored(column.type)


_INTEGER = re.compile(r"\b(?:TINY|SMALL|MEDIUM|BIG|UNSIGNED)?INT(?:EGER)?\d*\b")

_KNOWN: dict[str, Callable[[], Made]] = {
    "BLOB": types.Binary,
    "BOOL": types.Boolean,
    "BOOLEAN": types.Boolean,
    "DATE": types.Date,
    "DATETIME": types.DateTime,
    "DATETIME UTC TEXT": types.AwareDateTime,
    "DECIMAL TEXT": ExactNumber,
    "DURATION REAL": types.Interval,
    "JSON": types.JSON,
    "JSONB": types.JSON,
    "TIME": types.Time,
    "TIMESTAMP": types.DateTime,
    "UUID CHAR": types.Uuid,
}
