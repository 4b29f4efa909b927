"""What can be done with each table that is served: given once, or asked again when tables were created since."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from deebase import Database
from deebase.web.access_rules import Access, rules_of

#: What can be done with each table or view, by its name, or a function that returns it.
Served = Mapping[str, Access] | Callable[[Database], Mapping[str, Access]]
#: How many times as long as a search for new tables takes, no other one begins.
_PAUSE: Final = 10


class ServedTables:
    """The tables that are served.

    Args:
        db: the database.
        tables: what can be done with each of them, or a function of the database that returns it.

    Attributes:
        access: what can be done with each of them, as far as is known.
    """

    def __init__(self, db: Database, tables: Served) -> None:
        self._db = db
        self._asked = tables if callable(tables) else None
        self.access: dict[str, Access] = rules_of(db, tables(db) if callable(tables) else tables)
        self._not_before = 0.0

    async def look_again(self) -> bool:
        """Look for tables that were created or dropped since, if they are not fixed, and not all the time.

        Returns:
            Whether others are served now.
        """
        begun = time.monotonic()
        if self._asked is None or begun < self._not_before:
            return False
        # Another request does not begin one beside this one.
        self._not_before = float("inf")
        try:
            await self._db.reflect()
            found = rules_of(self._db, self._asked(self._db))
        finally:
            ended = time.monotonic()
            self._not_before = ended + _PAUSE * (ended - begun)
        changed = found.keys() != self.access.keys()
        self.access = found
        return changed
