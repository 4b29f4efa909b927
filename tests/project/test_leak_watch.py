"""The leak check that runs after every test detects each kind of leak."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from tests.support.leaks import Snapshot

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_an_open_file_is_seen(tmp_path: Path) -> None:
    before = Snapshot.take()
    with (tmp_path / "left").open("w"):
        assert any("left" in line for line in before.leaks())
    assert before.leaks() == []


def test_a_thread_that_goes_on_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.leaks.THREAD_GRACE", 0.01)
    before = Snapshot.take()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="lingering")
    thread.start()
    assert before.leaks() == ["thread lingering"]
    end.set()
    thread.join()
    assert before.leaks() == []


async def test_an_unfinished_task_is_seen() -> None:
    loop = asyncio.get_running_loop()
    before = Snapshot.take(loop)
    end = asyncio.Event()
    task = asyncio.create_task(end.wait(), name="unfinished")
    assert any("unfinished" in line for line in before.leaks(loop))
    end.set()
    await task
    assert before.leaks(loop) == []
