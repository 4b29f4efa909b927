"""Values that are stored in more than one form: an UPDATE to what a column reads as keeps the form it has."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import literal

#: SQLite's function of a declared type, an encoding, what is stored, and what an UPDATE gives. It returns whether the
#: column keeps its value.
KEPT = "deebase_kept"


def kept_on_sqlite(written: str, stored: Any, new: Any) -> Any:
    """Return the expression that leaves the choice to a function of ours.

    Python cannot take text that is not valid UTF-8 as an argument. So the function gets the bytes of text, and those of
    the letter "a", which tell the encoding of the database.
    """
    is_text = sa.func.typeof(stored, type_=sa.String()) == sa.literal_column("'text'")
    letter = sa.case((is_text, sa.cast(sa.literal_column("'a'"), sa.LargeBinary())))
    value = sa.case((is_text, sa.cast(stored, sa.LargeBinary())), else_=sa.type_coerce(stored, sa.types.NullType()))
    keeps = getattr(sa.func, KEPT)(sa.literal_column(literal(written, SQLITE)), letter, value, new, type_=sa.Boolean())
    return sa.case((keeps, stored), else_=new)


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
