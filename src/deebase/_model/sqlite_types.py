"""The types of existing columns of SQLite."""

from __future__ import annotations

import re
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from deebase._model.facts import ColumnInfo
from deebase._types.binary import Binary
from deebase._types.decimals import exact_number_of
from deebase._types.native import Stored
from deebase._types.number import Float, integer
from deebase._types.registry import declared_name, sqlite_column


def sqlite_type(column: ColumnInfo) -> TypeEngine[Any]:
    """Return the type of a column: by its declared name if a column type has that name, otherwise by its affinity."""
    declared = declared_name(column.type.upper())
    # A copy of an array of PostgreSQL.
    kind = sqlite_column("JSON" if _ARRAY.fullmatch(declared) else declared)
    if kind is not None:
        digits = _DIGITS.fullmatch(column.type)
        return kind.reflected(declared) if digits is None else exact_number_of(int(digits[1]), int(digits[2]))
    length = re.search(r"\((\d+)\)", column.type)
    # The rules of sqlite.org/datatype3.html#determination_of_column_affinity, in their order.
    if "INT" in declared:
        # By these rules a POINT and an INTERVAL are integers too, but may hold any values.
        return integer() if _INTEGER.search(declared) else Stored(column.type)
    if any(part in declared for part in ("CHAR", "CLOB")):
        return sa.String(int(length[1]) if length else None)
    if "TEXT" in declared:
        return sa.Text()
    if "BLOB" in declared or declared in ("BINARY", "VARBINARY"):
        return Binary()
    if any(part in declared for part in ("REAL", "FLOA", "DOUB")):
        return Float()
    return Stored(column.type)


_INTEGER = re.compile(r"\b(?:TINY|SMALL|MEDIUM|BIG|UNSIGNED)?INT(?:EGER)?\d*\b")
#: How DeeBase declares a Decimal with a number of digits.
_DIGITS = re.compile(r"DECIMAL TEXT\((\d+),(\d+)\)")
_ARRAY = re.compile(r"JSON .*\[\]", re.DOTALL)
