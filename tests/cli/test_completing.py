"""The completion of a shell knows the tables and columns, and is silent where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from deebase.cli import main
from tests.support.commands import Commands


class Shell(ShellComplete):
    """What a shell asks, without its script."""

    name = "any"
    source_template = ""


def offered(*words: str) -> list[str]:
    """The completions of the last word."""
    *before, begun = words
    return [item.value for item in Shell(main, {}, "deebase", "_DEEBASE_COMPLETE").get_completions(before, begun)]


def test_tables_and_columns_are_offered(users: Commands, db_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    users.ok("view", "create", "names", "--sql", 'SELECT name FROM "user"')
    monkeypatch.setenv("DATABASE_URL", db_url)
    assert offered("data", "list", "") == ["names", "post", "user"]
    assert offered("table", "show", "u") == ["user"]
    assert offered("data", "list", "user", "--order-by", "a") == ["age"]
    assert offered("data", "insert", "user", "-f", "na") == ["name="]
    assert offered("table", "rename-column", "post", "t") == ["title"]
    assert offered("data", "list", "nix", "--column", "") == []
    assert offered("table", "create", "u") == []


def test_the_database_of_the_line_is_the_one_that_is_read(nowhere: Commands, directory: Path) -> None:
    nowhere.ok("table", "create", "book", "id:int", "--url", "app.db")
    for words in (["app.db", "schema", "b"], ["--url", "app.db", "schema", "b"], ["schema", "--url", "app.db", "b"]):
        assert offered(*words) == ["book"]
    assert offered("app.db", "tab") == ["table", "tables"]


@pytest.mark.parametrize("url", ["missing.db", "broken.db", "nothing://x", "postgresql://127.0.0.1:1/x", None])
def test_nothing_is_offered_or_said_where_nothing_can_be_read(
    directory: Path, url: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (directory / "broken.db").write_bytes(b"no database" * 100)
    if url is None:
        monkeypatch.delenv("DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("DATABASE_URL", url)
    assert offered("data", "list", "") == []
    assert offered("data", "list", "user", "--column", "") == []
    assert capfd.readouterr() == ("", "")
    assert not (directory / "missing.db").exists()
