"""The cost of a piece of work: wall time, CPU time of a process, CPU time of the database server.

Other programs on the machine prolong the wall time. The CPU time hardly depends on them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """Seconds that a piece of work took.

    Attributes:
        wall: Wall time.
        cpu: CPU time of all threads of the process that did the work.
        server: CPU time of the database server; None if there is no server, or if the system does not tell.
    """

    wall: float
    cpu: float
    server: float | None = None

    def per(self, count: int) -> Cost:
        """Return the cost of one of so many calls, rows or requests."""
        return Cost(self.wall / count, self.cpu / count, None if self.server is None else self.server / count)


def cpu_seconds(process: int) -> float:
    """Return the CPU time of all threads of another process.

    Raises:
        OSError: The process has ended, or the system has no such clock (Linux has).
    """
    # The id of the clock as clock_getcpuclockid(3) computes it.
    return time.clock_gettime((~process << 3) | 2)


def server_seconds(postmaster: int | None) -> float | None:
    """Return the CPU time of the running processes of a PostgreSQL server.

    A process that ends takes its time along, so connections must stay open during a measurement.
    """
    if postmaster is None:
        return None
    try:
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text(encoding="ascii")
        return sum(cpu_seconds(int(process)) for process in children.split())
    except OSError:
        return None


class Clock:
    """Measures work of this process, or of another one.

    Args:
        postmaster: First process of the PostgreSQL server that takes part.
        process: The process that works; this one by default.
    """

    def __init__(self, postmaster: int | None = None, process: int | None = None) -> None:
        self._postmaster = postmaster
        self._process = process
        self._begin = Cost(0, 0)

    def start(self) -> None:
        """Begin a measurement."""
        server, cpu = server_seconds(self._postmaster), self._cpu()
        self._begin = Cost(time.perf_counter(), cpu, server)

    def stop(self) -> Cost:
        """Return the cost since the start."""
        wall, cpu, begin = time.perf_counter(), self._cpu(), self._begin
        server = server_seconds(self._postmaster)
        both = server is not None and begin.server is not None
        return Cost(wall - begin.wall, cpu - begin.cpu, server - begin.server if both else None)

    def _cpu(self) -> float:
        return time.process_time() if self._process is None else cpu_seconds(self._process)
