"""How far a migration has come that is applied in chunks, as the ledger keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Loop:
    """The place of one loop.

    Attributes:
        after: the cursor of the last row that is done, None before the first and behind the last one.
        rows: how many are done.
        done: whether it has come to its end.
    """

    after: str | None = None
    rows: int = 0
    done: bool = False


@dataclass(frozen=True)
class ChunkProgress:
    """The places of the loops of a migration.

    Attributes:
        direction: "up" or "down".
        loops: by name.
    """

    direction: Direction
    loops: Mapping[str, Loop] = field(default_factory=lambda: dict[str, Loop]())

    @classmethod
    def read(cls, text: str) -> ChunkProgress:
        """Read what ``text`` has written."""
        found = json.loads(text)
        return cls(found["direction"], {name: Loop(*place) for name, place in found["loops"].items()})

    @property
    def text(self) -> str:
        """What the ledger keeps."""
        loops = {name: [loop.after, loop.rows, loop.done] for name, loop in self.loops.items()}
        return json.dumps({"direction": self.direction, "loops": loops})

    def loop(self, name: str) -> Loop:
        """Return the place of a loop."""
        return self.loops.get(name, Loop())

    def moved(self, name: str, after: str | None, rows: int) -> ChunkProgress:
        """Return what holds when a chunk is done.

        Args:
            name: of the loop.
            after: the cursor of its last row; None if there are no more.
            rows: how many it has.
        """
        loop = Loop(after, self.loop(name).rows + rows, after is None)
        return replace(self, loops={**self.loops, name: loop})

    def __str__(self) -> str:
        counts = [f"{loop.rows:,} rows of {name}" for name, loop in self.loops.items()]
        return f"{' and '.join(counts) or 'nothing'} done"
