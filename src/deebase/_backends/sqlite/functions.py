"""The collation and functions that DeeBase adds to every connection to SQLite."""

from __future__ import annotations

import sqlite3

from deebase._backends.sqlite.casts import FITS, STORED, fits, kept, stored
from deebase._backends.sqlite.dialect import SUM
from deebase._types import arithmetic as exact
from deebase._types.base import KEPT
from deebase._types.decimals import compare_decimals
from deebase._types.moment_forms import KINDS


def add_functions(raw: sqlite3.Connection) -> None:
    """Add what our tables and statements use."""
    raw.create_collation("deebase_decimal", compare_decimals)
    raw.create_function(exact.COMPUTED, 3, exact.computed, deterministic=True)
    raw.create_window_function(SUM, 1, exact.Sum)
    for kind in KINDS:
        raw.create_function(kind.name, 1, kind.normal, deterministic=True)
    raw.create_function(FITS, 2, fits, deterministic=True)
    raw.create_function(STORED, 2, stored, deterministic=True)
    raw.create_function(KEPT, 4, kept, deterministic=True)
