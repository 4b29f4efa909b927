"""What survives: syncs at each commit, and a log whose end was torn off by a power cut."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deebase import Database, DatabaseError
from tests.support.tree import ROOT

WRITER = """
import asyncio, sys
from deebase import Database

async def main(path, durability, commits):
    async with Database(path, durability=durability) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        print("start", file=sys.stderr, flush=True)
        for key in range(commits):
            if key % 2:
                await db.q("INSERT INTO t VALUES (?)", [key])
            else:
                async with db.transaction():
                    await db.q("INSERT INTO t VALUES (?)", [key])
        print("end", file=sys.stderr, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def syncs(path: Path, durability: str, commits: int) -> int:
    """Count the syncs of a process that commits one after the other, from the first commit to the last."""
    log = path.with_suffix(".strace")
    command = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,write",
        "-e",
        "signal=none",
        "-s",
        "8",
        "-o",
        str(log),
    ]
    done = subprocess.run(
        [*command, sys.executable, "-c", WRITER, str(path), durability, str(commits)],
        env={"PYTHONPATH": str(ROOT / "src")},
        stderr=subprocess.PIPE,
        timeout=100,
        check=False,
    )
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    if b"ptrace" in done.stderr or not text:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    between = text.partition('"start')[2].partition('"end')[0]
    return len(re.findall(r"\b(?:fsync|fdatasync)\(", between))


@pytest.mark.long
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_full_durability_syncs_at_every_commit(tmp_path: Path) -> None:
    assert syncs(tmp_path / "full.db", "full", 20) >= 20
    assert syncs(tmp_path / "normal.db", "normal", 20) < 20


async def write(path: Path, commits: int) -> list[set[int]]:
    """Commit rows one transaction at a time, copy file and log as they are, and return what each commit left."""
    states: list[set[int]] = [set()]
    async with Database(path) as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, filling TEXT)")
        await db.q("PRAGMA wal_checkpoint(TRUNCATE)")
        for n in range(commits):
            async with db.transaction():
                for key in (2 * n, 2 * n + 1):
                    await db.q("INSERT INTO t VALUES (?, ?)", [key, "x" * (137 * n % 5000)])
            states.append(states[-1] | {2 * n, 2 * n + 1})
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{path.parent / 'kept.db'}{suffix}")
    return states


def tear(log: Path, chance: random.Random) -> None:
    """Do to the end of a log what a power cut does: cut it off, leave zeroes, or leave what was there before."""
    data = bytearray(log.read_bytes())
    # Anywhere behind the header of the log, which is synced before anything is written behind it.
    cut = chance.randrange(32, len(data) + 1)
    way = chance.randrange(3)
    if way == 0:
        del data[cut:]
    elif way == 1:
        data[cut:] = bytes(len(data) - cut)
    else:
        data[cut : cut + 512] = chance.randbytes(min(512, len(data) - cut))
    log.write_bytes(data)


async def test_a_log_that_was_torn_holds_a_prefix_of_the_commits(tmp_path: Path, long_run: bool) -> None:
    states = await write(tmp_path / "written.db", 30)
    chance = random.Random(1)
    found: list[int] = []
    for round_ in range(300 if long_run else 25):
        path = tmp_path / f"{round_}.db"
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"kept.db{suffix}", f"{path}{suffix}")
        tear(Path(f"{path}-wal"), chance)
        async with Database(path, pool_size=1) as db:
            present = {row["id"] for row in await db.q("SELECT id FROM t")}
            assert present in states
            assert await db.item("PRAGMA integrity_check") == "ok"
            await db.q("INSERT INTO t VALUES (1000, '')")
        found.append(states.index(present))
        path.unlink()
    assert min(found) < 10
    assert max(found) > 20


async def test_what_is_no_longer_a_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    async with Database(tmp_path / "whole.db") as db:
        await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, filling TEXT)")
        await db.q("CREATE INDEX i ON t (filling)")
        for n in range(60):
            await db.q("INSERT INTO t VALUES (?, ?)", [n, str(n) * 300])
    data = (tmp_path / "whole.db").read_bytes()
    path.write_bytes(data[: len(data) // 2])
    async with Database(path) as db:
        with pytest.raises(DatabaseError, match="corrupt"):
            await asyncio.gather(*(db.q("SELECT filling FROM t ORDER BY filling") for _ in range(5)))
        assert db._core.executor.lanes_in_use == 0
