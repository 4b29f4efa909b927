"""The progress of a migration that runs in chunks, as the ledger stores it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Loop:
    """The position of one loop.

    Attributes:
        after: the cursor of the last row that is done; None before the first row and after the last one.
        rows: number of rows that are done.
        done: whether the loop has finished.
    """

    after: str | None = None
    rows: int = 0
    done: bool = False


@dataclass(frozen=True)
class ChunkProgress:
    """The positions of the loops of a migration.

    Attributes:
        direction: "up" or "down".
        loops: by name.
    """

    direction: Direction
    loops: Mapping[str, Loop] = field(default_factory=lambda: dict[str, Loop]())

    @classmethod
    def read(cls, text: str) -> ChunkProgress:
        """Return the progress of a ``text``."""
        found = json.loads(text)
        return cls(found["direction"], {name: Loop(*position) for name, position in found["loops"].items()})

    @property
    def text(self) -> str:
        """Its form in the ledger."""
        loops = {name: [loop.after, loop.rows, loop.done] for name, loop in self.loops.items()}
        return json.dumps({"direction": self.direction, "loops": loops})

    def loop(self, name: str) -> Loop:
        """Return the position of a loop."""
        return self.loops.get(name, Loop())

    def moved(self, name: str, after: str | None, rows: int) -> ChunkProgress:
        """Return the progress after a chunk.

        Args:
            name: the name of the loop.
            after: the cursor of the last row of the chunk; None after the last chunk.
            rows: number of rows of the chunk.
        """
        loop = Loop(after, self.loop(name).rows + rows, after is None)
        return replace(self, loops={**self.loops, name: loop})

    def __str__(self) -> str:
        counts = [f"{loop.rows:,} rows of {name}" for name, loop in self.loops.items()]
        return f"{' and '.join(counts) or 'nothing'} done"
