"""`deebase studio`: it serves a database on this machine until it is interrupted."""

from __future__ import annotations

import importlib.util
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.commands import PROGRAM, Commands
from tests.support.worlds import only_on

backend_name = only_on("sqlite-file", "postgres")


def test_it_prints_an_address_that_shows_the_database(db_url: str) -> None:
    Commands(db_url).ok("sql", "--write", "CREATE TABLE flight (id INTEGER PRIMARY KEY, origin TEXT)")
    Commands(db_url).ok("sql", "--write", "INSERT INTO flight VALUES (1, 'JFK')")
    process = subprocess.Popen([*PROGRAM, "studio", db_url, "--no-open"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        # A warning about the rights of the role may come first.
        lines = iter(process.stderr.readline, "")
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line) for line in lines)), None)
        assert found is not None
        with httpx.Client(follow_redirects=True, trust_env=False) as client:
            page = client.get(found[0])
            assert "flight" in page.text
            assert "token" not in str(page.url)
            assert "JFK" in client.get(page.url.join("/table/flight")).text
            assert httpx.get(page.url, trust_env=False).status_code == 403
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        # Nothing of a request is logged, and no traceback is shown.
        assert said.strip() in ("", "Interrupted.")
    finally:
        process.kill()
        process.communicate()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "does not exist" in Commands(None).fails("studio", str(tmp_path / "none.db"), "--no-open")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr("deebase.web.find_spec", lambda name: None if name == "jinja2" else find(name))
    said = Commands(None).fails("studio", "app.db")
    assert "jinja2" in said
    assert "pip install 'deebase[web]'" in said


def test_the_package_loads_no_web_framework_before_it_is_used() -> None:
    code = "import sys, deebase.web; assert not {'starlette', 'jinja2', 'uvicorn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
