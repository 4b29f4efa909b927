"""The names of the columns of a new table, by those of the file: each once, and as the database keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from deebase._sqltext.capabilities import Capabilities
from deebase._sqltext.tokens import folded


class ColumnNames:
    """Gives each column of a file its name in the table.

    Args:
        can: what the database can do; None for a table that exists, whose names are its own.
    """

    def __init__(self, can: Capabilities | None) -> None:
        self._can = can
        self._names: dict[tuple[str, int], str] = {}
        self._taken: set[str] = set()
        #: Names in the file of the columns whose name in the table is another one.
        self.changed: dict[str, str] = {}

    def all(self, names: list[str]) -> list[str]:
        """Return the names of the columns of a delimited file, in which a name may come twice."""
        seen: dict[str, int] = {}
        made: list[str] = []
        for place, name in enumerate(names, 1):
            seen[name] = seen.get(name, 0) + 1
            made.append(self.one(name, seen[name], place))
        return made

    def one(self, name: str, occurrence: int = 1, place: int | None = None) -> str:
        """Return the name of one column.

        Args:
            name: in the file.
            occurrence: which column of this name it is, from 1.
            place: its number, which a column without a name gets.
        """
        if self._can is None:
            return name
        known = self._names.get((name, occurrence))
        if known is None:
            known = self._new(name or f"column_{place or len(self._names) + 1}")
            self._names[name, occurrence] = known
            if known != name:
                self.changed[known] = name
        return known

    def _new(self, wanted: str) -> str:
        can = self._can
        if can is None:
            return wanted
        for made in self._candidates(wanted, can.max_name_bytes):
            key = folded(made) if can.ignores_case_of_names else made
            if key not in self._taken and made not in can.system_columns:
                self._taken.add(key)
                return made
        raise AssertionError

    @staticmethod
    def _candidates(wanted: str, most: int | None) -> Iterator[str]:
        for number in count(1):
            suffix = "" if number == 1 else f"_{number}"
            data = wanted.encode("utf-8", "surrogatepass")
            if most is not None and len(data) + len(suffix) > most:
                yield data[: most - len(suffix)].decode("utf-8", "ignore") + suffix
            else:
                yield wanted + suffix

    def added(self, *wanted: str) -> str:
        """Return the first of some names that no column of the file has, for a column that is added."""
        taken = {folded(name) for name in self._names.values()}
        return next((name for name in wanted if name not in taken), f"{wanted[-1]}_{len(taken)}")
