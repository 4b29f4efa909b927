"""The spellings of several hosts in a PostgreSQL URL: each is accepted, or refused before anything is opened."""

from __future__ import annotations

import pytest

from deebase import ConfigurationError, Database
from deebase._backends.postgres import tools
from deebase._backends.postgres.link.listed_hosts import addresses_of
from deebase._engine.core import core_of


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u@h1:5432,h2:5433/db", ["h1:5432", "h2:5433"]),
        ("postgres://u:p%40ss@h1,h2/db", ["h1:5432", "h2:5432"]),
        ("postgresql+asyncpg://u@h1,h2:5444/db", ["h1:5432", "h2:5444"]),
        ("postgresql://h1,h2", ["h1:5432", "h2:5432"]),
        ("postgresql://u:p/w?d@10.0.0.1,10.0.0.2/db?sslmode=disable", ["10.0.0.1:5432", "10.0.0.2:5432"]),
        ("postgresql://u@/db?host=a,b&port=1,2", ["a:1", "b:2"]),
        ("postgresql://u@/db?host=a,b&port=1,", ["a:1", "b:5432"]),
        ("postgresql://u@/db?host=a&host=b&port=3", ["a:3", "b:3"]),
        ("postgresql://u@/db?host=a:1&host=b", ["a:1", "b:5432"]),
        ("postgresql:///db?host=/a,/b&user=u", ["/a:5432", "/b:5432"]),
        ("postgresql://u@%2Frun%2Fpg,h2:7/db", ["/run/pg:5432", "h2:7"]),
        ("postgresql://u@/db?host=/a:6,b:7&target_session_attrs=prefer-standby", ["/a:6", "b:7"]),
    ],
)
def test_a_list_of_hosts_is_read_and_shown(url: str, hosts: list[str]) -> None:
    db = Database(url)
    engine_url = core_of(db).settings.sa_url
    assert [str(each) for each in addresses_of(engine_url)] == hosts
    # What SQLAlchemy hands to the driver.
    made = core_of(db).dialect.create_connect_args(engine_url)[1]
    assert [f"{host}:{port}" for host, port in zip(made["host"], made["port"], strict=True)] == hosts
    assert ",".join(hosts) in repr(db)
    assert "p%40ss" not in repr(db)
    assert "p/w" not in repr(db)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@h1,,h2/db",
        "postgresql://u@h1,h2/db?host=c",
        "postgresql://u@h1,h2/db?port=5",
        "postgresql://u@h1/db?host=a&host=b",
        "postgresql://u@/db?host=a,b&port=1,2,3",
        "postgresql://u@/db?host=a:1&host=b&port=3,4",
        "postgresql://u@/db?host=a&port=1,2",
        "postgresql://u@/db?host=::1,b",
        "postgresql://u@[::1]:5432,h2/db",
        "postgresql://u@h1,h1/db",
        "postgresql://u@h:0,b/db",
        "postgresql://u@h:99999,b/db",
        "postgresql://u@h:s3cret,b/db",
        "postgresql://u@a,b/db?target_session_attrs=master",
        "postgresql://u@a,b/db?target_session_attrs=standby&target_session_attrs=any",
        "postgresql://u@a,b/db?load_balance_hosts=yes",
    ],
)
def test_a_list_that_is_ambiguous_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Database(url)
    assert "s3cret" not in str(refused.value)


PRIMARY = "postgresql://u:s3cret@h1/db"


def test_replicas_are_named_without_passwords() -> None:
    db = Database(PRIMARY, replicas="postgresql://u:s3cret@h2,h3:7/db", replica_pool_size=3, reads="fresh")
    assert repr(db) == "<Database postgresql://u:***@h1/db with replicas h2:5432, h3:7>"
    replicas = core_of(db).settings.replicas
    assert replicas is not None
    assert [host.pool_size for host in replicas.hosts] == [3, 3]
    assert [(host.sa_url.host, host.sa_url.port) for host in replicas.hosts] == [("h2", 5432), ("h3", 7)]
    # They never write, whatever the server becomes.
    assert {host.connect_args["server_settings"]["default_transaction_read_only"] for host in replicas.hosts} == {"on"}


@pytest.mark.parametrize(
    ("target", "options"),
    [
        (PRIMARY, {"replicas": ""}),
        (PRIMARY, {"replicas": 7}),
        (PRIMARY, {"replicas": "app.db"}),
        (PRIMARY, {"replicas": "sqlite:///app.db"}),
        (PRIMARY, {"replicas": "postgresql:///db"}),
        (PRIMARY, {"replicas": "postgresql://h2/db?target_session_attrs=read-write"}),
        (PRIMARY, {"replicas": "postgresql://h2/db", "replica_pool_size": 0}),
        (PRIMARY, {"reads": "replica"}),
        (PRIMARY, {"max_lag": -1}),
        (PRIMARY, {"engine_options": {"connect_args": {"target_session_attrs": "read-write"}}}),
        ("app.db", {"replicas": "postgresql://h2/db"}),
    ],
)
def test_wrong_options_of_replicas_are_refused(target: str, options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        Database(target, **options)  # type: ignore[arg-type]


def test_programs_of_postgresql_get_the_same_list() -> None:
    one = core_of(Database("postgresql://u@h1/db")).settings.sa_url
    several = core_of(Database("postgresql://u@h1,h2:7/db?target_session_attrs=read-write")).settings.sa_url
    with tools._environment(one) as (_, arguments):  # pyright: ignore[reportPrivateUsage]
        assert {"--host=h1", "--port=5432"} <= {*arguments}
    with tools._environment(several) as (environment, arguments):  # pyright: ignore[reportPrivateUsage]
        assert {"--host=h1,h2", "--port=5432,7"} <= {*arguments}
        assert environment["PGTARGETSESSIONATTRS"] == "read-write"
