"""The scanner of SQL text: placeholders, kinds of statement, scripts and fragments."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deebase._sql.text import (
    BoundValue,
    StatementKind,
    bind_text,
    check_fragment,
    classify,
    fragment_parts,
    split_script,
)
from deebase.errors import ValidationError

DIALECTS = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])


@pytest.mark.parametrize(
    ("sql", "params", "dialect", "text", "values"),
    [
        ("a = ? AND b = ?", [1, 2], "sqlite", "a = ? AND b = ?", [1, 2]),
        ("a = ? AND b = ?", [1, 2], "postgresql", "a = $1 AND b = $2", [1, 2]),
        ("a = :x OR b = :x AND c = :y", {"x": 1, "y": 2}, "sqlite", "a = ? OR b = ? AND c = ?", [1, 1, 2]),
        ("a = :x OR b = :x AND c = :y", {"x": 1, "y": 2}, "postgresql", "a = $1 OR b = $1 AND c = $2", [1, 2]),
        ("a::int = :x", {"x": 1}, "postgresql", "a::int = $1", [1]),
        ("a[1:2] = :x", {"x": 1}, "postgresql", "a[1:2] = $1", [1]),
        ("'12:30' = ? -- what? :x", [1], "postgresql", "'12:30' = $1 -- what? :x", [1]),
        ("a ?? 'k' AND b = ?", [1], "postgresql", "a ? 'k' AND b = $1", [1]),
        ("a ? 'k' AND b = :x", {"x": 1}, "postgresql", "a ? 'k' AND b = $1", [1]),
        ("a ? 'k'", None, "postgresql", "a ? 'k'", []),
        ("$$ ? :x $$ || ?", [1], "postgresql", "$$ ? :x $$ || $1", [1]),
        ("$tag$ ? $$ $tag$ || ?", [1], "postgresql", "$tag$ ? $$ $tag$ || $1", [1]),
        ("E'it\\'s ?' || ?", [1], "postgresql", "E'it\\'s ?' || $1", [1]),
        ("'\\' || ?", [1], "postgresql", "'\\' || $1", [1]),
        ("/* /* ? */ ? */ ?", [1], "postgresql", "/* /* ? */ ? */ $1", [1]),
        ("/* /* ? */ ?", [1], "sqlite", "/* /* ? */ ?", [1]),
        ("[a?] = ? AND `b:c` = ?", [1, 2], "sqlite", "[a?] = ? AND `b:c` = ?", [1, 2]),
        ('"a ""?"" :b" = ?', [1], "postgresql", '"a ""?"" :b" = $1', [1]),
        ("SELECT 1", [], "sqlite", "SELECT 1", []),
        ("SELECT 1", {}, "postgresql", "SELECT 1", []),
    ],
)
def test_placeholders(sql: str, params: Any, dialect: str, text: str, values: list[Any]) -> None:
    assert bind_text(sql, params, dialect) == (text, values)


@DIALECTS
@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("a = ?", 30),
        ("a = ?", "x"),
        ("a = ?", {1}),
        ("a = ?", [1, 2]),
        ("a = ?", []),
        ("a = :x", {}),
        ("a = :x", {"x": 1, "y": 2}),
        ("a = :x", [1]),
        ("a = :x", None),
    ],
)
def test_parameters_that_do_not_match_are_refused(sql: str, params: Any, dialect: str) -> None:
    with pytest.raises(ValidationError):
        bind_text(sql, params, dialect)


@pytest.mark.parametrize(("sql", "dialect"), [("a = ?1", "sqlite"), ("a = $x", "sqlite"), ("a = @x", "sqlite")])
def test_placeholders_of_one_database_are_refused(sql: str, dialect: str) -> None:
    with pytest.raises(ValidationError):
        bind_text(sql, None, dialect)
    with pytest.raises(ValidationError):
        bind_text("a = $1 AND b = ?", [1], "postgresql")


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", StatementKind.READ),
        (" -- x\n select 1", StatementKind.READ),
        ("/* DELETE */ VALUES (1)", StatementKind.READ),
        ("WITH a AS (SELECT 'insert') SELECT * FROM a", StatementKind.READ),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", StatementKind.WRITE),
        ("SELECT * FROM t FOR UPDATE", StatementKind.WRITE),
        ("SELECT * INTO x FROM t", StatementKind.WRITE),
        ("EXPLAIN SELECT 1", StatementKind.READ),
        ("EXPLAIN ANALYZE DELETE FROM t", StatementKind.WRITE),
        ("insert into t values (1)", StatementKind.WRITE),
        ("PRAGMA table_info(t)", StatementKind.READ),
        ("PRAGMA journal_mode", StatementKind.READ),
        ("PRAGMA cache_size = 5", StatementKind.SESSION),
        ("PRAGMA cache_size(5)", StatementKind.SESSION),
        ("ATTACH 'x' AS y", StatementKind.SESSION),
        ("SET search_path = x", StatementKind.SESSION),
        ("CREATE TABLE t (a int)", StatementKind.SCHEMA),
        ("BEGIN", StatementKind.TRANSACTION),
        ("end", StatementKind.TRANSACTION),
        ("ROLLBACK TO x", StatementKind.TRANSACTION),
        ("PREPARE TRANSACTION 'x'", StatementKind.TRANSACTION),
        ("DO $$ BEGIN END $$", StatementKind.OTHER),
        ("", StatementKind.OTHER),
    ],
)
def test_kinds_of_statement(sql: str, kind: StatementKind) -> None:
    assert classify(sql) is kind


def test_scripts_are_cut_between_statements() -> None:
    assert split_script("a; b ';' ; -- c;\n d;;", "sqlite") == ["a", "b ';'", "-- c;\n d"]
    assert split_script("DO $$ a; b $$; c", "postgresql") == ["DO $$ a; b $$", "c"]
    assert split_script(" ; -- nothing\n", "sqlite") == []


def test_the_body_of_a_trigger_is_one_statement() -> None:
    trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET a = CASE WHEN 1 THEN 2 END; DELETE FROM u; END"
    assert split_script(f"{trigger}; SELECT 1", "sqlite") == [trigger, "SELECT 1"]
    function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"
    assert split_script(f"{function}; SELECT 1", "postgresql") == [function, "SELECT 1"]


@DIALECTS
def test_a_script_with_an_open_quote_is_refused(dialect: str) -> None:
    with pytest.raises(ValidationError):
        split_script("SELECT 'a; SELECT 1", dialect)


@DIALECTS
@pytest.mark.parametrize(
    "sql",
    ["a = 'x", 'a = "x', "a = 1) OR (1 = 1", "(a = 1", "a = 1; DROP TABLE t", "a = 1 /* x", ")(", "", " ", "-- x"],
)
def test_fragments_that_reach_out_are_refused(sql: str, dialect: str) -> None:
    with pytest.raises(ValidationError):
        check_fragment(sql, dialect)


@DIALECTS
@pytest.mark.parametrize("sql", ["a = 1 -- x", "a = 1 /* x */", "a = '(' -- '"])
def test_comments_are_refused_on_scoped_handles_alone(sql: str, dialect: str) -> None:
    check_fragment(sql, dialect)
    with pytest.raises(ValidationError):
        check_fragment(sql, dialect, scoped=True)


@DIALECTS
@pytest.mark.parametrize("sql", ["a = '('", "a IN (1, 2)", "a = ';'", "a LIKE '%--%'", "(a) = (b)"])
def test_plain_fragments_pass(sql: str, dialect: str) -> None:
    check_fragment(sql, dialect, scoped=True)


def test_what_only_one_database_takes_for_a_quote_is_one_only_there() -> None:
    check_fragment("a = [)]", "sqlite")
    with pytest.raises(ValidationError):
        check_fragment("a = [)]", "postgresql")
    check_fragment("a = $$)$$", "postgresql")
    with pytest.raises(ValidationError):
        check_fragment("a = $$)$$", "sqlite")
    check_fragment("a = E'\\')'", "postgresql")
    with pytest.raises(ValidationError):
        check_fragment("a = E'\\')'", "sqlite")


def test_fragments_are_cut_at_their_values() -> None:
    assert fragment_parts("a = ? OR b = ?", [1, "x"], "sqlite") == [
        "a = ",
        BoundValue(1),
        " OR b = ",
        BoundValue("x"),
        "",
    ]
    assert fragment_parts("a = :x OR b = :x", {"x": 1}, "postgresql") == [
        "a = ",
        BoundValue(1),
        " OR b = ",
        BoundValue(1),
        "",
    ]
    with pytest.raises(ValidationError):
        fragment_parts("a LIKE '%(x)s'", None, "sqlite")


QUIET = st.text(alphabet="ab1 '\":;?-/*()[]`$\\", max_size=12)


@given(QUIET, QUIET)
def test_strings_are_never_looked_into(first: str, second: str) -> None:
    left, right = first.replace("'", "''"), second.replace("'", "''")
    text, values = bind_text(f"SELECT '{left}', ?, '{right}'", [7], "sqlite")
    connection = sqlite3.connect(":memory:")
    try:
        assert connection.execute(text, values).fetchone() == (first, 7, second)
    finally:
        connection.close()


@given(st.text(alphabet="ab1 ;-/*()'\"[]`$\n", max_size=30))
def test_a_fragment_that_passes_stays_inside_of_its_parentheses(fragment: str) -> None:
    try:
        check_fragment(fragment, "sqlite")
    except ValidationError:
        return
    # Whatever it says, it is one operand: the AND behind it still holds.
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE t (a, b)")
        connection.execute("INSERT INTO t VALUES (1, 1)")
        try:
            rows = connection.execute(f"SELECT * FROM t WHERE 0 AND ({fragment}\n)").fetchall()
        except sqlite3.Error:
            return
        assert rows == []
    finally:
        connection.close()
