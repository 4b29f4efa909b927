"""What a copy tells: while it runs, and at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deebase.tools.copying.copy_progress import CopiedTable
from deebase.tools.copying.problems import BadValue

#: Called with the name of a table, the number of copied rows and the number of all rows.
Tell = Callable[[str, int, int], object]


@dataclass(frozen=True)
class CopyReport:
    """The result of a copy.

    Attributes:
        tables: the copied tables, with their number of rows and their checksum, the same on both sides.
        views: the names of the created views.
        left_out: descriptions of what the target lacks: triggers, and views and CHECKs whose SQL it does not accept.
        notes: descriptions of what is not as in the source: types chosen by the values, names, foreign keys that rows
            violate.
        bad_values: the first 100 values that could not be converted.
        bad_value_count: how many there are.
    """

    tables: tuple[CopiedTable, ...]
    views: tuple[str, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()
    bad_values: tuple[BadValue, ...] = ()
    bad_value_count: int = 0
