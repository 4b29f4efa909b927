"""Builds of SQLite with a known bug, and unverified servers."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import ConfigurationError, ConnectionError, Database
from deebase._backends.postgres.connections import unverified_host
from deebase._backends.sqlite import connections
from deebase._backends.sqlite.connections import refuse_old_sqlite, wal_reset_notice


@pytest.mark.parametrize("version", [(3, 7, 0), (3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)])
def test_builds_of_sqlite_that_may_lose_commits_are_known(version: tuple[int, int, int]) -> None:
    notice = wal_reset_notice(version)
    assert notice is not None
    assert ".".join(map(str, version)) in notice


@pytest.mark.parametrize("version", [(3, 6, 23), (3, 44, 6), (3, 44, 7), (3, 50, 7), (3, 51, 3), (3, 52, 0), (4, 0, 0)])
def test_other_builds_are_not_complained_of(version: tuple[int, int, int]) -> None:
    assert wal_reset_notice(version) is None


@pytest.mark.parametrize("version", [(3, 6, 23), (3, 35, 5), (3, 36, 0)])
def test_a_sqlite_that_is_too_old_is_refused(version: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigurationError, match=rf"SQLite {'.'.join(map(str, version))}, and 3.37.0 is needed"):
        refuse_old_sqlite(version)


@pytest.mark.parametrize("version", [(3, 37, 0), (3, 40, 1), (4, 0, 0)])
def test_a_sqlite_that_has_what_is_needed_is_taken(version: tuple[int, int, int]) -> None:
    refuse_old_sqlite(version)


async def test_the_bug_is_noted_once_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="deebase")
    monkeypatch.setattr(connections.sqlite3, "sqlite_version_info", (3, 51, 2))
    connections._log_sqlite_bugs.cache_clear()
    for name in (":memory:", str(tmp_path / "a.db"), str(tmp_path / "b.db")):
        async with Database(name) as db:
            await db.q("SELECT 1")
    connections._log_sqlite_bugs.cache_clear()
    assert [record.levelname for record in caplog.records if "3.51.2" in record.message] == ["INFO"]


CONTEXT = ssl.create_default_context()
BLIND = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
BLIND.check_hostname = False
BLIND.verify_mode = ssl.CERT_NONE


@pytest.mark.parametrize(
    ("url", "arguments", "host"),
    [
        ("postgresql://u@db.example.com/x", {}, "db.example.com"),
        ("postgresql://u@db.example.com/x", {"ssl": "require"}, "db.example.com"),
        ("postgresql://u@db.example.com/x", {"ssl": "verify-full"}, None),
        ("postgresql://u@db.example.com/x", {"ssl": True}, None),
        ("postgresql://u@db.example.com/x", {"ssl": CONTEXT}, None),
        ("postgresql://u@db.example.com/x", {"ssl": BLIND}, "db.example.com"),
        ("postgresql://u@10.0.0.7:6432/x", {"ssl": "disable"}, "10.0.0.7"),
        ("postgresql://u@localhost/x", {}, None),
        ("postgresql://u@127.0.0.1:5433/x", {}, None),
        ("postgresql://u@[::1]/x", {}, None),
        ("postgresql://u@/x", {}, None),
        ("postgresql://u@/x?host=/var/run/postgresql", {}, None),
        ("postgresql://u@/x?host=127.0.0.1:1&host=db2.example.com:5432", {}, "db2.example.com:5432"),
    ],
)
def test_an_unverified_server_is_known(url: str, arguments: dict[str, Any], host: str | None) -> None:
    assert unverified_host(sa.make_url(url), arguments) == host


async def test_the_log_warns_of_an_unverified_server(caplog: pytest.LogCaptureFixture) -> None:
    # An address of a network for documentation (RFC 5737), at which no host answers.
    url = "postgresql://ann:s3cret@192.0.2.1/x"
    for arguments, warned in (({}, True), ({"ssl": True}, False)):
        caplog.clear()
        async with Database(url, connect_timeout=0.05, engine_options={"connect_args": arguments}) as db:
            with pytest.raises(ConnectionError):
                await db.q("SELECT 1")
        assert ("192.0.2.1 is not verified" in caplog.text) is warned
        assert "s3cret" not in caplog.text
