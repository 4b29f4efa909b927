"""`deebase sql` and `deebase view`, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.worlds import capabilities_at


def test_sql_shows_its_rows(users: Commands) -> None:
    assert users.ok("sql", 'SELECT name, age FROM "user" WHERE id = :id', "-p", "id=1") == [{"name": "Ada", "age": 36}]
    assert users.ok("sql", 'SELECT name FROM "user" WHERE name = :n OR email = :e', "-p", "n=Bob", "-p", "e=c@x") == [
        {"name": "Bob"},
        {"name": "Cy"},
    ]
    assert users.ok("sql", "-", stdin="SELECT 1 AS a") == [{"a": 1}]


def test_a_parameter_is_what_it_looks_like(cli: Commands, db_url: str) -> None:
    # PostgreSQL wants the type of a parameter to be declared, which hides what was bound.
    if not capabilities_at(db_url).checks_types:
        for text, kind in {"30": "integer", "1.5": "real", "null": "null", '"30"': "text", "030": "text"}.items():
            assert cli.ok("sql", "SELECT typeof(:v) AS t", "-p", f"v={text}") == [{"t": kind}]
    assert cli.ok("sql", "SELECT :v AS v WHERE 'NaN' = :w", "-p", "v=x", "-p", "w=NaN") == [{"v": "x"}]
    assert "-p" in cli.fails("sql", "SELECT 1", "-p", "nothing")


CHANGING = [
    'DELETE FROM "user"',
    'WITH a AS (SELECT 1) DELETE FROM "user"',
    "CREATE TABLE x (y int)",
    'DROP TABLE "post"',
    'SELECT 1; DELETE FROM "user"',
    "INSERT INTO \"user\" (name, email) VALUES ('q', 'q') RETURNING id",
    "COMMIT",
    'COMMIT; DELETE FROM "user"',
    "ATTACH 'new.db' AS other",
    "VACUUM INTO 'new.db'",
    "PRAGMA writable_schema = ON",
    "COPY (SELECT 1) TO PROGRAM 'touch new.db'",
    "COPY (SELECT 1) TO '/new.db'",
    "SELECT load_extension('x')",
    "SELECT lo_export(1, 'new.db')",
]


def test_what_would_change_something_needs_write(users: Commands, directory: Path) -> None:
    before = (users.ok("data", "list", "user"), users.ok("table", "list"))
    for statement in CHANGING:
        result = users.run("sql", statement)
        assert result.exit_code in (1, 2)
        assert len(result.stderr.splitlines()) == 1
        assert (users.ok("data", "list", "user"), users.ok("table", "list")) == before
        assert not (directory / "new.db").exists()


def test_what_is_refused_tells_how_it_is_allowed(users: Commands) -> None:
    for statement in ('DELETE FROM "user"', "CREATE TABLE x (y int)", "COMMIT"):
        assert "--write allows it" in users.fails("sql", statement)
    assert "--write" not in users.fails("sql", "SELECT * FROM missing")


def test_a_plan_runs_nothing(users: Commands, directory: Path) -> None:
    assert users.run("sql", "--explain", 'DELETE FROM "user"').exit_code == 0
    for text in ('ANALYZE DELETE FROM "user"', 'SELECT 1; DELETE FROM "user"', "ATTACH 'new.db' AS x"):
        assert users.run("sql", "--explain", text).exit_code == 1
    assert len(users.ok("data", "list", "user")) == 3
    assert not (directory / "new.db").exists()


def test_write_changes_something_all_or_nothing(users: Commands, directory: Path) -> None:
    users.ok("sql", "--write", 'UPDATE "user" SET age = 1')
    assert users.ok("sql", "--write", 'DELETE FROM "user" WHERE id = 3 RETURNING id') == [{"id": 3}]
    (directory / "change.sql").write_text('DELETE FROM "user" WHERE id = 2; CREATE TABLE x (y int);')
    users.ok("sql", "--write", "-f", "change.sql")
    assert [row["name"] for row in users.ok("table", "list")] == ["post", "user", "x"]
    assert users.fails("sql", "--write", 'DELETE FROM "user"; SELECT nonsense FROM nowhere')
    assert len(users.ok("data", "list", "user")) == 1
    assert users.fails("sql", "--write", "SELECT 1; SELECT 2", "-p", "a=1", code=2)
    shown = users.ok("sql", "--write", "--dry-run", 'DELETE FROM "user"; DROP TABLE x')
    assert shown == 'DELETE FROM "user";\nDROP TABLE x;\n'
    assert len(users.ok("data", "list", "user")) == 1


def test_a_plan_is_shown_and_nothing_run(users: Commands) -> None:
    assert users.ok("sql", "--explain", "--write", 'DELETE FROM "user" WHERE id = :i', "-p", "i=1")
    assert len(users.ok("data", "list", "user")) == 3


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_a_file_that_cannot_be_read_is_one_line(cli: Commands, directory: Path) -> None:
    assert "gone.sql" in cli.fails("sql", "-f", "gone.sql", code=2)
    (directory / "bad.sql").write_bytes(b"\xff")
    assert "UTF-8" in cli.fails("sql", "-f", "bad.sql", code=2)
    assert cli.fails("sql", code=2)
    assert cli.fails("sql", "SELECT 1", "-f", "bad.sql", code=2)
    assert "syntax" in cli.fails("sql", "SELEC 1")


def test_views_are_made_shown_replaced_and_dropped(users: Commands) -> None:
    users.ok("view", "create", "a view", "--sql", "-", stdin='SELECT id, name FROM "user"')
    assert "--replace" in users.fails("view", "create", "a view", "--sql", 'SELECT id FROM "user"')
    assert "another name" in users.fails("view", "create", "user", "--sql", "SELECT 1 AS a")
    users.ok("view", "create", "a view", "--replace", "--sql", 'SELECT id, name FROM "user" WHERE age > 1')
    assert users.ok("view", "list") == [{"name": "a view", "columns": ["id", "name"]}]
    shown = users.ok("view", "show", "a view")
    assert (shown["name"], shown["rows"]) == ("a view", 1)
    assert [column["name"] for column in shown["columns"]] == ["id", "name"]
    assert "age > 1" in shown["sql"]
    assert users.fails("view", "create", "b", "--sql", 'DELETE FROM "user"')
    users.ok("view", "drop", "a view", "--yes")
    assert users.ok("view", "list") == []
    assert "table" in users.fails("view", "show", "user")


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
def test_a_materialized_view_is_refreshed(users: Commands) -> None:
    users.ok("view", "create", "totals", "--materialized", "--key", "id", "--sql", 'SELECT id, name FROM "user"')
    users.ok("data", "insert", "user", "-f", "name=D", "-f", "email=d@x")
    assert users.ok("view", "show", "totals")["rows"] == 3
    users.ok("view", "refresh", "totals", "--concurrently")
    assert users.ok("view", "show", "totals")["rows"] == 4


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_other_views_are_always_current(users: Commands) -> None:
    users.ok("view", "create", "v", "--sql", 'SELECT id FROM "user"')
    assert "--materialized" in users.fails("view", "refresh", "v")
    assert "materialized" in users.fails("view", "create", "w", "--materialized", "--sql", "SELECT 1 AS a")


def test_a_long_result_is_given_out_as_it_comes(cli: Commands) -> None:
    rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT x FROM n"
    assert cli.run("sql", rows, "-o", "ndjson").stdout.splitlines()[-1] == '{"x": 5000}'
    assert cli.ok("sql", rows)[-1] == {"x": 5000}
