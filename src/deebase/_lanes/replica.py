"""A replica of a database: how far it has replayed the changes of the primary, and whether it may answer a read."""

from __future__ import annotations

import asyncio
import logging
import re
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from deebase._lanes.interface import Lanes
from deebase.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("deebase")

#: Seconds for which the role of a replica is trusted.
ROLE_CHECK = 5.0
#: Seconds after which a replica that cannot be reached, or is a primary now, is asked again; twice as long each time.
RETRY, LONGEST_RETRY = 1.0, 8.0
#: Seconds for the answer of a replica; one that takes longer is left out.
ANSWER = 2.0
#: The position before the first change: each replica has it.
BEGINNING = "0/0"

_POSITION = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


def position_number(position: object) -> int:
    """Return a position as a number, to compare it.

    Raises:
        ValidationError: it is not a position.
    """
    found = _POSITION.fullmatch(position) if isinstance(position, str) else None
    if found is None:
        raise ValidationError(
            "after is a position that db.position() returned", field="after", hint="after=await db.position()"
        )
    return (int(found[1], 16) << 32) | int(found[2], 16)


class ReplayState(NamedTuple):
    """How far a replica has come.

    Attributes:
        standby: whether it still follows a primary.
        replayed: the position up to which its rows are those of the primary.
        is_complete: it is connected, and has replayed all that it received.
        age: seconds since the last transaction that it replayed was committed; None if it replayed none.
    """

    standby: bool
    replayed: int
    is_complete: bool
    age: float | None


class ReplicaLanes(Lanes, Protocol):
    """The lanes of a replica."""

    async def replay_state(self) -> ReplayState:
        """Return how far the replica has come."""
        ...


@dataclass(frozen=True)
class Freshness:
    """What a read asks of a replica.

    Attributes:
        max_lag: how many seconds its rows may be behind; None for any number.
        after: the position that it must have replayed.
        wait: seconds to wait for a replica that meets both.
        otherwise: "primary" to read there if none does, "error" for an error.
    """

    max_lag: float | None = 2.0
    after: int = 0
    wait: float = 0.5
    otherwise: str = "primary"


class Replica:
    """One replica, and what is known about it.

    Args:
        name: its host and port.
        lanes: its connections.
        describe: returns the message for an error.
    """

    def __init__(self, name: str, lanes: ReplicaLanes, describe: Callable[[BaseException], str]) -> None:
        self.name = name
        self.lanes = lanes
        self._describe = describe
        self._loop = asyncio.get_running_loop()
        self._replayed = 0
        self._is_standby = False
        #: When it was asked last, and until when it is not used.
        self._asked = -ROLE_CHECK
        self._away_until = 0.0
        #: The moment of which it certainly has all changes.
        self._current_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._asking_since = 0.0
        #: The position at which it stood still during a whole wait.
        self._stalled_at = -1
        #: The pause until the next question; that of the first failure is logged.
        self._pause = RETRY

    def serves(self, wanted: Freshness, since: float) -> bool:
        """Whether the replica may answer a read that was asked for at a time."""
        if not self._is_standby or self.is_away() or self._replayed < wanted.after:
            return False
        if self._loop.time() - self._asked > ROLE_CHECK:
            return False
        return wanted.max_lag is None or self._current_at >= since - wanted.max_lag

    def is_away(self) -> bool:
        """Whether the replica was found to be unusable a moment ago."""
        return self._loop.time() < self._away_until

    def is_silent(self, seconds: float) -> bool:
        """Whether the replica has not answered for longer than this."""
        return self._asking is not None and self._loop.time() - self._asking_since > seconds

    def is_stalled(self) -> bool:
        """Whether it stands where it stood still during a whole wait."""
        return self._replayed == self._stalled_at

    @property
    def replayed(self) -> int:
        """The position up to which it has replayed the changes."""
        return self._replayed

    def stood_still_at(self, position: int) -> None:
        """Record that it was at the same position at the beginning of a whole wait."""
        if self._replayed == position:
            self._stalled_at = position

    def ask(self) -> asyncio.Task[None]:
        """Return the task that asks how far the replica has come; all that wait share it."""
        if self._asking is None:
            self._asking_since = self._loop.time()
            # All that wait share the question, which acts for none of them.
            self._asking = self._loop.create_task(self._ask(), context=Context())
            self._asking.add_done_callback(self._asked_all)
        return self._asking

    def _asked_all(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()

    async def _ask(self) -> None:
        started = self._loop.time()
        try:
            async with asyncio.timeout(ANSWER):
                state = await self.lanes.replay_state()
        except Exception as error:
            self.failed(error)
            return
        self._asked, self._is_standby, self._replayed = started, state.standby, state.replayed
        if not state.standby:
            self._leave_out("it is a primary now")
            return
        self._pause = RETRY
        if state.is_complete:
            self._current_at = started
        elif state.age is not None:
            self._current_at = max(self._current_at, started - state.age)

    def failed(self, error: BaseException) -> None:
        """Record that the replica cannot be reached."""
        self._is_standby = False
        self._leave_out(self._describe(error))

    def _leave_out(self, reason: str) -> None:
        self._away_until = self._loop.time() + self._pause
        if self._pause == RETRY:
            log.warning("the replica %s is not used for now: %s", self.name, reason)
        self._pause = min(2 * self._pause, LONGEST_RETRY)

    async def close(self, timeout: float) -> None:
        """Close its connections."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
        await self.lanes.close(timeout)


async def first_answer(replicas: list[Replica], seconds: float) -> None:
    """Ask replicas, and wait for the first answer, but not longer than this."""
    tasks: list[Any] = [replica.ask() for replica in replicas]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
