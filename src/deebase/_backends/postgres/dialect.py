"""SQLAlchemy's dialect as DeeBase uses it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


def make_dialect(url: sa.URL) -> Dialect:
    """Return a dialect that compiles without loading the driver."""
    dialect: Dialect = url.get_dialect()()
    # What a connection would find out: backslashes are plain in strings (the default since 9.1).
    dialect._backslash_escapes = False  # type: ignore[attr-defined]
    return dialect
