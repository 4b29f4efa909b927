"""Values that are stored in more than one form: an UPDATE to what a column reads as keeps the form it has."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from deebase._backends.moment_sql import NO_ASCII

#: SQLite's function of a declared type, what is stored, and what an UPDATE gives; it returns one of the two.
KEPT = "deebase_kept"


def kept_on_sqlite(written: str, stored: Any, new: Any) -> Any:
    """Return the expression that leaves the choice to a function of ours."""
    kept = getattr(sa.func, KEPT)(sa.literal_column(f"'{written}'"), stored, new)
    if written == "JSON":
        return kept
    # sqlite3 hands no text to a function that is not valid UTF-8.
    odd = sa.cast(stored, sa.Text()).op("GLOB")(sa.literal_column(f"'{NO_ASCII}'"))
    return sa.case((odd, new), else_=kept)


def kept_null(stored: Any, new: Any) -> Any:
    """Return the expression that keeps the ``null`` of a JSONB, which is read as None."""
    null = sa.case((sa.func.jsonb_typeof(stored) == sa.literal_column("'null'"), stored))
    return sa.func.coalesce(new, null)


def kept_documents(stored: Any, new: Any) -> Any:
    """Return the expression that keeps JSON, or an array of it, that holds the same values in the same order."""
    same = _document_text(stored) == sa.func.coalesce(_document_text(new), sa.literal_column("'null'"))
    return sa.case((same, stored), else_=new)


def _document_text(element: Any) -> Any:
    return sa.cast(sa.func.to_jsonb(element, type_=postgresql.JSONB()), sa.Text())


def kept_bounds(stored: Any, new: Any) -> Any:
    """Return the expression that keeps an array whose first element has another number than 1."""
    text = sa.Text()
    unusual = sa.func.array_dims(stored, type_=text).op("!~")(sa.literal_column(r"'^(\[1:\d+\])+$'"))
    elements = sa.func.regexp_replace(sa.cast(stored, text), sa.literal_column("'^[^{]*='"), sa.literal_column("''"))
    return sa.case((sa.and_(unusual, elements == sa.cast(new, text)), stored), else_=new)
