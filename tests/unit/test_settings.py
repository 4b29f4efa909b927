"""What a target and options mean, and which of them are refused before anything is opened."""

from __future__ import annotations

import logging
import os
import re
import traceback
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from deebase import ConfigurationError
from deebase._backends.protocols import Settings
from deebase._backends.schemes import settings_for

OPTIONS: dict[str, Any] = {
    "pool_size": None,
    "timeout": 10.0,
    "pragmas": None,
    "functions": None,
    "collations": None,
    "extensions": None,
    "foreign_keys": True,
    "durability": "full",
    "in_loop": None,
    "pgbouncer": False,
    "connect_timeout": 10.0,
    "command_timeout": 60.0,
    "lock_timeout": 10.0,
    "idle_timeout": 60.0,
    "engine_options": None,
}
PASSWORD = "canary-s3cret"


def settings(target: Any, **options: Any) -> Settings:
    return settings_for(target, {**OPTIONS, **options})


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("app.db", "app.db"),
        ("dir/app.db", "dir/app.db"),
        (Path("/abs/app.db"), "/abs/app.db"),
        ("sqlite:///app.db", "app.db"),
        ("sqlite:////abs/app.db", "/abs/app.db"),
        ("sqlite+aiosqlite:///app.db", "app.db"),
        ("SQLite:///app.db", "app.db"),
        ("a:b.db", "a:b.db"),
        ("with ? and #.db", "with ? and #.db"),
        ("~/app.db", os.path.expanduser("~/app.db")),
    ],
)
def test_a_path_or_a_sqlite_url_names_a_file(target: Any, path: str) -> None:
    found = settings(target)
    assert (found.name, found.path, found.memory) == ("sqlite", path, False)


@pytest.mark.parametrize("target", [":memory:", "sqlite://", "sqlite:///:memory:"])
def test_memory_databases_are_apart(target: str) -> None:
    one, other = settings(target), settings(target)
    assert one.memory
    assert one.path is None
    assert one.sa_url != other.sa_url
    assert one.display == ":memory:"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "PostgreSQL"])
def test_a_postgres_url_is_shown_without_its_password(scheme: str) -> None:
    found = settings(f"{scheme}://me:{PASSWORD}@db.example:5433/app")
    assert found.name == "postgresql"
    assert found.sa_url.drivername == "postgresql+asyncpg"
    assert found.sa_url.password == PASSWORD
    assert found.display == "postgresql://me:***@db.example:5433/app"


def test_a_password_in_the_query_is_taken_and_hidden_too() -> None:
    found = settings(f"postgresql://db.example/app?user=me&password={PASSWORD}&sslmode=require")
    assert (found.sa_url.username, found.sa_url.password) == ("me", PASSWORD)
    assert found.connect_args["ssl"] == "require"
    assert PASSWORD not in found.display


@pytest.mark.parametrize(
    "target",
    [
        "",
        "   ",
        "a\0b.db",
        "mysql://u@h/x",
        "postgresql+psycopg://u@h/x",
        f"postgresql://u:{PASSWORD}@h:port/x",
        f"postgresql://u:{PASSWORD}@h/x?sslmode=sometimes",
        f"my sql://u:{PASSWORD}@h/x",
        None,
        42,
        b"app.db",
    ],
)
def test_what_names_no_database_is_refused_without_a_password_in_the_text(target: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(target)
    error: BaseException | None = caught.value
    while error is not None:
        assert PASSWORD not in f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 0},
        {"pool_size": -1},
        {"pool_size": True},
        {"pool_size": 2.5},
        {"timeout": -1},
        {"timeout": "10"},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"command_timeout": True},
        {"connect_timeout": None},
        {"in_loop": True},
        {"in_loop": "200us"},
        {"in_loop": -0.1},
        {"in_loop": 2},
        {"in_loop": float("nan")},
        {"durability": "none"},
        {"pragmas": {"a; DROP TABLE x": 1}},
        {"pragmas": {"cache_size": "1; DROP TABLE x"}},
        {"pragmas": {1: 1}},
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        settings("app.db", **options)


@pytest.mark.parametrize(("given", "found"), [(None, None), (0, None), (0.0005, 0.0005), (1, 1)])
def test_the_budget_of_reads_in_the_event_loop(given: float | None, found: float | None) -> None:
    assert settings("app.db", in_loop=given).in_loop == found
    assert settings("postgresql://u@h/x", in_loop=given).in_loop is None


def test_pragmas_go_on_top_of_ours() -> None:
    found = dict(
        settings("app.db", pragmas={"Cache_Size": -1000, "foreign_keys": False, "temp_store": "memory"}).pragmas
    )
    assert found["cache_size"] == -1000
    assert found["foreign_keys"] == 0
    assert found["journal_mode"] == "WAL"
    assert found["synchronous"] == "FULL"
    assert dict(settings("app.db", durability="normal").pragmas)["synchronous"] == "NORMAL"
    assert dict(settings("app.db", foreign_keys=False).pragmas)["foreign_keys"] == "OFF"


def test_timeouts_reach_the_server_in_milliseconds_and_0_means_no_limit() -> None:
    found = settings("postgresql://h/x", command_timeout=1.5, lock_timeout=0, connect_timeout=0).connect_args
    assert found["command_timeout"] == 1.5
    assert found["timeout"] is None
    assert found["server_settings"]["statement_timeout"] == "1500"
    assert found["server_settings"]["lock_timeout"] == "0"
    assert found["server_settings"]["application_name"] == "deebase"


def test_pgbouncer_keeps_no_state_on_the_server() -> None:
    found = settings("postgresql://h/x", pgbouncer=True).connect_args
    assert (found["statement_cache_size"], found["prepared_statement_cache_size"]) == (0, 0)
    assert found["prepared_statement_name_func"]() == ""
    # PgBouncer itself gives these to every server that it lends.
    assert found["server_settings"] == {"standard_conforming_strings": "on", "DateStyle": "ISO"}


def test_pool_sizes() -> None:
    assert settings("app.db").pool_size == 4
    assert settings("postgresql://h/x").pool_size == 10
    assert settings("app.db", pool_size=1).pool_size == 1


@pytest.mark.parametrize("url", ["postgresql:u:secret@h/x", "postgres:/u:secret@h/x", "sqlite:app.db"])
def test_a_url_without_its_slashes_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings_for(url, OPTIONS)
    assert "secret" not in str(caught.value)


def test_options_of_libpq_in_the_url_are_translated() -> None:
    settings = settings_for("postgresql://h/x?application_name=shop&connect_timeout=3&sslmode=require", OPTIONS)
    assert settings.connect_args["server_settings"]["application_name"] == "shop"
    assert settings.connect_args["timeout"] == 3
    assert settings.connect_args["ssl"] == "require"
    with pytest.raises(ConfigurationError, match="colour"):
        settings_for("postgresql://h/x?colour=red", OPTIONS)


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("sqlite:///app.db?mode=ro", "app.db", {"mode": "ro"}),
        ("sqlite:////abs/app.db?mode=rw", "/abs/app.db", {"mode": "rw"}),
        ("sqlite+aiosqlite:///app.db?mode=rwc&vfs=unix-none", "app.db", {"mode": "rwc", "vfs": "unix-none"}),
        ("sqlite:///file:app.db?mode=ro&uri=true", "app.db", {"mode": "ro"}),
        ("file:app.db?immutable=1", "app.db", {"immutable": "1"}),
        ("file:a%20b%3f.db?mode=ro", "a b?.db", {"mode": "ro"}),
        ("file:///abs/a%23b.db?mode=ro#part", "/abs/a#b.db", {"mode": "ro"}),
        ("file://localhost/abs/app.db?mode=ro", "/abs/app.db", {"mode": "ro"}),
        ("FILE:app.db", "app.db", {}),
        ("file:app.db?cache=private", "app.db", {}),
        ("file:app.db?immutable=off", "app.db", {}),
    ],
)
def test_options_of_sqlite_reach_sqlite(target: str, path: str, query: dict[str, str]) -> None:
    found = settings(target)
    assert (found.path, found.memory) == (path, False)
    opened = dict(found.sa_url.query)
    assert opened == ({**query, "uri": "true"} if query else {})
    if query:
        assert found.sa_url.database == "file:" + quote(os.path.abspath(path))
    assert found.read_only == (query.get("mode") == "ro" or "immutable" in query)
    assert found.creates == (query.get("mode", "rwc") == "rwc" and "immutable" not in query)


@pytest.mark.parametrize("target", ["file::memory:", "file:x?mode=memory", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_uri_may_name_a_database_in_memory(target: str) -> None:
    one, other = settings(target), settings(target)
    assert (one.memory, one.path, one.sa_url == other.sa_url) == (True, None, False)
    shared = f"{target}{'&' if '?' in target else '?'}cache=shared"
    assert settings(shared).memory
    assert settings(shared).sa_url == settings(shared).sa_url


@pytest.mark.parametrize(
    "target",
    [
        "sqlite:///app.db?mode=readonly",
        "sqlite:///app.db?mod=ro",
        "sqlite:///app.db?timeout=5",
        "sqlite:///app.db?mode=ro&colour=red",
        "sqlite:///app.db?immutable=maybe",
        "sqlite:///app.db?cache=shared",
        "sqlite:///app.db?vfs=a/b",
        "sqlite:///:memory:?mode=ro",
        "file:app.db?nolock=1",
        "file://host/app.db",
        "file::memory:?immutable=1",
    ],
)
def test_options_of_sqlite_that_cannot_be_met_are_refused(target: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(target)
    assert refused.value.hint


def test_a_path_is_not_a_uri() -> None:
    assert settings(Path("file:app.db")).path == "file:app.db"
    assert settings("app.db?mode=ro").path == "app.db?mode=ro"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:canary@s3cret@db.example/app",
        "postgresql://me:canary@s3cret@db.example:5432/app",
        "postgresql://me:canary@s3/cret@db.example/app",
        "postgres://me:@s3cret@db.example/app",
        "postgresql://me:canary@s3cret@",
    ],
)
def test_an_at_sign_in_a_password_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="%40") as refused:
        settings(url)
    printed = "".join(traceback.format_exception(refused.value)[1:])
    assert not {"canary", "s3cret", "s3", "cret"} & set(re.findall(r"\w+", f"{printed} {refused.value!r}"))


def test_an_at_sign_elsewhere_is_what_it_was() -> None:
    found = settings("postgresql://me@server:p%40ss@db.example/app")
    assert (found.sa_url.username, found.sa_url.password, found.sa_url.host) == ("me@server", "p@ss", "db.example")
    assert found.display == "postgresql://me%40server:***@db.example/app"
    assert settings("postgresql://me@db.example/my@app").sa_url.database == "my@app"


@pytest.mark.parametrize(
    "url",
    ["postgresql://me@%2Frun%2Fpg/app", "postgresql:///app?host=/run/pg&user=me", "postgresql://me@/app?host=/run/pg"],
)
def test_a_directory_as_host_is_a_socket(url: str) -> None:
    found = settings(url).sa_url
    assert (found.host, found.query["host"], found.username, found.database) == (None, "/run/pg", "me", "app")


def test_harmless_options_of_libpq_are_left_out_with_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="deebase")
    names = ["channel_binding", "client_encoding", "gssencmode", "keepalives", "keepalives_idle", "tcp_user_timeout"]
    found = settings(f"postgresql://h/x?{'&'.join(f'{name}=prefer' for name in names)}&target_session_attrs=primary")
    assert dict(found.sa_url.query) == {"target_session_attrs": "primary"}
    assert all(name in caplog.text for name in names)
    options = settings("postgresql://h/x?options=-c%20search_path%3Dshop").connect_args["server_settings"]["options"]
    assert options == "-c search_path=shop"


@pytest.mark.parametrize(
    "option", ["target_session_attrs=writable", "gssencmode=require", "require_auth=none", "requirepeer=root"]
)
def test_options_of_libpq_that_cannot_be_met_are_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match=option.partition("=")[0]):
        settings(f"postgresql://h/x?{option}")
