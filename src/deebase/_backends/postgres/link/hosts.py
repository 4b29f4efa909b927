"""Chooses the server of a new connection: by its role, and never one that another server has replaced."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from deebase._backends.postgres.catalog_queries import qualified
from deebase._backends.postgres.error_texts import MEANINGS, by_state
from deebase._backends.postgres.link.listed_hosts import Address, default_port
from deebase.errors import ConnectionError

#: Seconds after which the next host is tried, too, while one does not answer.
STAGGER = 0.5
#: Seconds that the first connection waits for the other hosts, once one can be used.
GRACE = 1.0

#: The highest timeline shows which of two primaries was promoted last (manual, "Timelines").
_ROLE = qualified("""
SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
  CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END
""")


class Role(NamedTuple):
    """What a server is at the moment."""

    standby: bool
    read_only: bool
    timeline: int

    def __str__(self) -> str:
        return "a standby" if self.standby else f"a primary that {'rejects' if self.read_only else 'accepts'} writes"


async def role_of(driver: Any) -> Role:
    """Return the role of the server of a connection."""
    standby, read_only, timeline = await driver.fetchrow(_ROLE)
    return Role(standby, read_only, int(timeline, 16) if timeline else 0)


class HostChoice:
    """Opens connections of the driver to the host that has the wanted role.

    A server that was replaced may come back and accept writes. No connection to it is used once a connection to its
    successor was open, or if the first search finds both.

    Args:
        wanted: ``target_session_attrs`` of libpq.
        shuffles: try the hosts in random order (``load_balance_hosts=random``).
    """

    def __init__(self, wanted: str, *, shuffles: bool = False) -> None:
        self.wanted: str = wanted
        self._shuffles = shuffles
        self._last: Address | None = None
        self._timeline = 0

    @property
    def wants_primary(self) -> bool:
        """Whether the connections are to accept writes."""
        return self.wanted in ("primary", "read-write")

    def refused(self, role: Role) -> str | None:
        """Return why a server is not used; None if it is."""
        fits = {
            "any": True,
            "primary": not role.standby,
            "standby": role.standby,
            "read-write": not role.read_only and not role.standby,
            "read-only": role.read_only or role.standby,
            "prefer-standby": role.standby,
        }[self.wanted]
        if not fits:
            return f"is {role}"
        if self.wants_primary and role.timeline < self._timeline:
            return f"is a former primary (timeline {role.timeline}, replaced by {self._timeline})"
        return None

    async def still_fits(self, driver: Any) -> bool:
        """Whether the server of a connection still has the wanted role."""
        return self.wanted == "any" or self.refused(await role_of(driver)) is None

    def accept(self, address: Address, role: Role) -> None:
        """Record the server that a connection goes to."""
        self._last = address
        if self.wants_primary:
            self._timeline = max(self._timeline, role.timeline)

    async def __call__(self, *args: Any, **options: Any) -> Any:
        """Return a connection of the driver; the arguments are those of ``asyncpg.connect``.

        Raises:
            ConnectionError: no host can be used; the message gives the reason of each.
        """
        if "host" not in options:
            # From a service file or the environment, which the driver reads.
            return await _driver().connect(*args, **options)
        hosts, ports = _listed(options.pop("host")), _listed(options.pop("port", default_port()))
        options.pop("target_session_attrs", None)
        pairs = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=True)
        addresses = [Address(host, int(port)) for host, port in pairs]
        searches_all = self.wants_primary and len(addresses) > 1 and not self._timeline
        return await _Search(self, options, searches_all=searches_all).run(self._ordered(addresses))

    def _ordered(self, addresses: list[Address]) -> list[Address]:
        if self._shuffles:
            random.shuffle(addresses)
        elif self.wanted != "prefer-standby":
            # The last one that was used is likely to be right. ``prefer-standby`` returns to the first standby.
            addresses.sort(key=lambda address: address != self._last)
        return addresses


class _Search:
    """One search among hosts: each is tried if the one before it cannot be used, or does not answer soon."""

    def __init__(self, choice: HostChoice, options: dict[str, Any], *, searches_all: bool) -> None:
        self._choice = choice
        self._options = options
        self._searches_all = searches_all
        self._reasons: dict[Address, str] = {}
        self._errors: list[Exception] = []
        self._running: dict[asyncio.Task[tuple[Any, Role]], Address] = {}
        #: Connections that can be used: the server with the highest timeline is the last one that was promoted.
        self._found: list[tuple[Role, Address, Any]] = []
        #: Those to a primary where a standby is preferred.
        self._spare: list[tuple[Role, Address, Any]] = []

    async def run(self, addresses: Sequence[Address]) -> Any:
        waiting = deque(addresses)
        chosen: tuple[Role, Address, Any] | None = None
        try:
            while (waiting or self._running) and (not self._found or self._searches_all):
                if waiting and (self._searches_all or not self._is_patient):
                    self._start(waiting.popleft())
                    continue
                limit = STAGGER if waiting else GRACE if self._found else None
                done, _ = await asyncio.wait(self._running, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    self._take(done)
                elif waiting:
                    self._start(waiting.popleft())
                else:
                    break
            chosen = max(self._found or self._spare, key=lambda one: one[0].timeline, default=None)
        finally:
            await self._leave(chosen)
        if chosen is None:
            raise self._failure(addresses)
        self._choice.accept(chosen[1], chosen[0])
        return chosen[2]

    @property
    def _is_patient(self) -> bool:
        return bool(self._running)

    def _start(self, address: Address) -> None:
        self._running[asyncio.get_running_loop().create_task(self._connect(address))] = address

    async def _connect(self, address: Address) -> tuple[Any, Role]:
        driver = await _driver().connect(host=address.host, port=address.port, **self._options)
        try:
            # A server that is not asked is used as it is.
            asks = self._choice.wanted != "any"
            return driver, await role_of(driver) if asks else Role(standby=False, read_only=False, timeline=0)
        except BaseException:
            driver.terminate()
            raise

    def _take(self, done: set[asyncio.Task[tuple[Any, Role]]]) -> None:
        for task in done:
            address = self._running.pop(task)
            try:
                driver, role = task.result()
            except Exception as error:
                self._errors.append(error)
                self._reasons[address] = f"{address}: {_reason(error)}"
                continue
            reason = self._choice.refused(role)
            if reason is None:
                self._found.append((role, address, driver))
            elif self._choice.wanted == "prefer-standby":
                self._spare.append((role, address, driver))
            else:
                self._reasons[address] = f"{address} {reason}"
                driver.terminate()

    async def _leave(self, chosen: tuple[Role, Address, Any] | None) -> None:
        """Close all connections but the chosen one."""
        for one in (*self._found, *self._spare):
            if chosen is None or one[2] is not chosen[2]:
                one[2].terminate()
        running = list(self._running)
        for task in running:
            task.cancel()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            if isinstance(outcome, tuple):
                outcome[0].terminate()

    def _failure(self, addresses: Sequence[Address]) -> Exception:
        answers = {getattr(error, "sqlstate", None) for error in self._errors}
        if len(self._errors) == len(addresses) and len(answers) == 1 and None not in answers:
            # All servers give the same answer, such as that of a wrong password, which says more.
            return self._errors[0]
        if len(addresses) == 1 and self._errors:
            return self._errors[0]
        reasons = "; ".join(self._reasons[address] for address in addresses)
        return ConnectionError(
            f"no host meets target_session_attrs={self._choice.wanted}: {reasons}",
            hint="during a failover try again in a moment; otherwise correct the hosts, or target_session_attrs",
            retryable=True,
        )


def _driver() -> Any:
    # Imported here, because a Database that opens no connection does not need it; it has no types.
    return import_module("asyncpg")


def _listed(value: Any) -> list[Any]:
    several: list[Any] = value
    return several if isinstance(value, list) else [value]


def _reason(error: Exception) -> str:
    """Return why a host cannot be used, without values."""
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "the database cannot be reached (refused)"
    if isinstance(error, TimeoutError):
        return "the server did not accept a connection in time"
    if isinstance(error, OSError):
        return f"the database cannot be reached ({error.strerror or type(error).__name__})"
    return by_state(MEANINGS, getattr(error, "sqlstate", None) or "") or "the connection failed"
