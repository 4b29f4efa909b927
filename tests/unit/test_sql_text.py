"""SQL text: placeholders, kinds of statement, scripts and fragments."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict, defaultdict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deebase._sql.binding import bind_text, check_fragment, template
from deebase._sqltext.dialects import POSTGRES, SQLITE, TokenRules
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.quoting import literal
from deebase._sqltext.splitting import split_script
from deebase._sqltext.tokens import UNCLOSED, tokens
from deebase.errors import ValidationError

BOTH = pytest.mark.parametrize("rules", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])


@pytest.mark.parametrize(
    ("sql", "params", "rules", "text", "values"),
    [
        ("a = ? AND b = ?", [1, 2], SQLITE, "a = ? AND b = ?", [1, 2]),
        ("a = ? AND b = ?", [1, 2], POSTGRES, "a = $1 AND b = $2", [1, 2]),
        ("a = :x OR b = :x AND c = :y", {"x": 1, "y": 2}, SQLITE, "a = ? OR b = ? AND c = ?", [1, 1, 2]),
        ("a = :x OR b = :x AND c = :y", {"x": 1, "y": 2}, POSTGRES, "a = $1 OR b = $1 AND c = $2", [1, 2]),
        ("a::int = :x", {"x": 1}, POSTGRES, "a::int = $1", [1]),
        ("a[1:2] = :x", {"x": 1}, POSTGRES, "a[1:2] = $1", [1]),
        ("'12:30' = ? -- what? :x", [1], POSTGRES, "'12:30' = $1 -- what? :x", [1]),
        ("a ?? 'k' AND b = ?", [1], POSTGRES, "a ? 'k' AND b = $1", [1]),
        ("a ? 'k' AND b = :x", {"x": 1}, POSTGRES, "a ? 'k' AND b = $1", [1]),
        ("a ? 'k'", None, POSTGRES, "a ? 'k'", []),
        ("$$ ? :x $$ || ?", [1], POSTGRES, "$$ ? :x $$ || $1", [1]),
        ("$tag$ ? $$ $tag$ || ?", [1], POSTGRES, "$tag$ ? $$ $tag$ || $1", [1]),
        ("E'it\\'s ?' || ?", [1], POSTGRES, "E'it\\'s ?' || $1", [1]),
        ("'\\' || ?", [1], POSTGRES, "'\\' || $1", [1]),
        ("/* /* ? */ ? */ ?", [1], POSTGRES, "/* /* ? */ ? */ $1", [1]),
        ("/* /* ? */ ?", [1], SQLITE, "/* /* ? */ ?", [1]),
        ("[a?] = ? AND `b:c` = ?", [1, 2], SQLITE, "[a?] = ? AND `b:c` = ?", [1, 2]),
        ('"a ""?"" :b" = ?', [1], POSTGRES, '"a ""?"" :b" = $1', [1]),
        ("a[lo:hi] = ?", [1], POSTGRES, "a[lo:hi] = $1", [1]),
        ("a['1':b], a[\"x\":b], a[f(1):b], a[b[1]:b]", None, POSTGRES, None, []),
        ("a[:lo:hi]", {"lo": 1}, POSTGRES, "a[$1:hi]", [1]),
        ("f(a := :x, b => :y)", {"x": 1, "y": 2}, POSTGRES, "f(a := $1, b => $2)", [1, 2]),
        ("a ??:k", {"k": 1}, POSTGRES, "a ?$1", [1]),
        ("a ??| b ??& c @?? d", None, POSTGRES, "a ?| b ?& c @? d", []),
        ("a ???", [1], POSTGRES, "a ?$1", [1]),
        ("a ? 'k' -- ?", None, POSTGRES, None, []),
        ("LIMIT?OFFSET ?", [1, 2], POSTGRES, "LIMIT $1 OFFSET $2", [1, 2]),
        ("LIMIT?OFFSET ?", [1, 2], SQLITE, "LIMIT?OFFSET ?", [1, 2]),
        (":é = :_a1", {"é": 1, "_a1": 2}, SQLITE, "? = ?", [1, 2]),
        ("-- ?\r ?", [1], POSTGRES, "-- ?\r $1", [1]),
        ("-- ?\r ?\n ?", [1], SQLITE, "-- ?\r ?\n ?", [1]),
        ("e'a' -- b\n '\\':x' || ?", [1], POSTGRES, "e'a' -- b\n '\\':x' || $1", [1]),
        ("fe'\\' || ?", [1], POSTGRES, "fe'\\' || $1", [1]),
        ("\u00a0E'\\' || ?", [1], POSTGRES, "\u00a0E'\\' || $1", [1]),
        ("U&'\\' || N'\\' || ?", [1], POSTGRES, "U&'\\' || N'\\' || $1", [1]),
        ("E'\\' || ?", [1], SQLITE, "E'\\' || ?", [1]),
        ("$é$ ? $é$ || a$$ || ? || $$", [1], POSTGRES, "$é$ ? $é$ || a$$ || $1 || $$", [1]),
        ("/*/ ? */ ?", [1], POSTGRES, "/*/ ? */ $1", [1]),
        ("/*/ ? */ ?", [1], SQLITE, "/*/ ? */ ?", [1]),
        ("'100%' || ?", [1], SQLITE, "'100%' || ?", [1]),
        ("SELECT 1", [], SQLITE, "SELECT 1", []),
        ("SELECT 1", {}, POSTGRES, "SELECT 1", []),
    ],
)
def test_placeholders(sql: str, params: Any, rules: TokenRules, text: str | None, values: list[Any]) -> None:
    assert bind_text(sql, params, rules) == (sql if text is None else text, values)


@pytest.mark.parametrize("params", [(1, 2), range(1, 3), [1, 2]])
def test_any_sequence_is_a_list_of_values(params: Any) -> None:
    assert bind_text("? ?", params, POSTGRES) == ("$1 $2", [1, 2])


@pytest.mark.parametrize("kind", [dict, OrderedDict, MappingProxyType])
def test_any_mapping_holds_named_values(kind: Any) -> None:
    assert bind_text(":b :a :b", kind({"a": 1, "b": 2}), SQLITE) == ("? ? ?", [2, 1, 2])


def test_a_defaultdict_is_neither_asked_for_a_value_it_lacks_nor_changed() -> None:
    params: defaultdict[str, int] = defaultdict(int, a=1)
    with pytest.raises(ValidationError):
        bind_text(":a :b", params, SQLITE)
    assert params == {"a": 1}


def test_the_values_of_one_call_are_not_those_of_another() -> None:
    given = [1]
    values = bind_text("SELECT ?", given, SQLITE)[1]
    values.append(2)
    assert given == [1]
    assert bind_text("SELECT ?", ["x"], SQLITE)[1] == ["x"]
    assert bind_text("SELECT :x", {"x": "y"}, SQLITE)[1] == ["y"]


@BOTH
@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("a = ?", 30),
        ("a = ?", "x"),
        ("a = ?", {1}),
        ("a = ?", b"x"),
        ("a = ?", memoryview(b"x")),
        ("a = ?", (n for n in [1])),
        ("a = ?", {"x": 1}),
        ("a = ?", 0),
        ("a = ?", ""),
        ("SELECT 1", [1]),
        ("SELECT 1", {"x": 1}),
        ("a = ? AND b = :x", [1]),
        ("a = ?", [1, 2]),
        ("a = ?", []),
        ("a = :x", {}),
        ("a = :x", {"x": 1, "y": 2}),
        ("a = :x", [1]),
        ("a = :x", None),
    ],
)
def test_parameters_that_do_not_match_are_refused(sql: str, params: Any, rules: TokenRules) -> None:
    with pytest.raises(ValidationError) as caught:
        bind_text(sql, params, rules)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("sql", "params", "message", "field"),
    [
        (":a :b :c :b", {"a": 1}, "no value is given for :b, :c", "b"),
        (":a :b", None, "no value is given for :a, :b", "a"),
        (":a", {"a": 1, "d": 2, "e": 3}, "the text has no :d, :e", "d"),
        (":a", [1], "the text has :a, but the parameters are a list", "params"),
        ("? ?", [1], "2 placeholder(s), 1 value(s)", "params"),
        ("?", 30, "not int", "params"),
    ],
)
@BOTH
def test_the_message_says_what_does_not_match(
    sql: str, params: Any, message: str, field: str, rules: TokenRules
) -> None:
    with pytest.raises(ValidationError) as caught:
        bind_text(sql, params, rules)
    assert message in caught.value.message
    assert caught.value.field == field


@pytest.mark.parametrize("placeholder", ["?1", "$x", "@x", "#x", ":1", "$1", "@1", ":$x", "$::x"])
def test_placeholders_that_sqlite_alone_knows_are_refused(placeholder: str) -> None:
    for params in (None, [1], {"x": 1}):
        with pytest.raises(ValidationError):
            bind_text(f"SELECT {placeholder}", params, SQLITE)
    with pytest.raises(ValidationError):
        check_fragment(f"a = {placeholder}", SQLITE)


def test_placeholders_that_postgresql_alone_knows_are_refused_next_to_values() -> None:
    assert bind_text("SELECT a$1, $1", None, POSTGRES) == ("SELECT a$1, $1", [])
    for sql, params in (("$1 ?", [1]), ("$1 :x", {"x": 1}), ("$1", [1])):
        with pytest.raises(ValidationError, match=r"write \? or :name"):
            bind_text(sql, params, POSTGRES)
    # A condition becomes part of a statement that has parameters of its own.
    with pytest.raises(ValidationError):
        check_fragment("a = $1", POSTGRES)


@BOTH
@pytest.mark.parametrize("sql", ["SELECT 1\0", "SELECT '\0'", "SELECT '\ud800'"])
def test_characters_that_end_or_break_a_text_on_its_way_are_refused(sql: str, rules: TokenRules) -> None:
    with pytest.raises(ValidationError):
        bind_text(sql, None, rules)


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
        ("\ufeffSELECT 1", StatementKind.READ),
        ("(SELECT 1) UNION (SELECT 2)", StatementKind.READ),
        ("; SELECT 1", StatementKind.READ),
        ("SHOW search_path", StatementKind.READ),
        ("TABLE t", StatementKind.READ),
        ("SELECT replace(a, 'x', 'y'), \"delete\", 'FOR UPDATE' FROM t -- INTO x", StatementKind.READ),
        ("SELECT substring(a FROM 1 FOR 2) FROM t", StatementKind.READ),
        ("WITH a AS (SELECT replace(b, 'x', 'y') AS c FROM t) SELECT c FROM a", StatementKind.READ),
        ("WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a", StatementKind.WRITE),
        ("WITH a AS (SELECT 1) MERGE INTO t USING a ON true", StatementKind.WRITE),
        ("WITH a AS (SELECT 1) SELECT * INTO x FROM a", StatementKind.WRITE),
        ("SELECT * INTO TEMP x FROM t", StatementKind.OTHER),
        ("SELECT * FROM t FOR SHARE", StatementKind.WRITE),
        ("SELECT * FROM t FOR NO KEY UPDATE", StatementKind.WRITE),
        ("SELECT * FROM t FOR /* x */ KEY SHARE", StatementKind.WRITE),
        ("EXPLAIN QUERY PLAN DELETE FROM t", StatementKind.READ),
        ("EXPLAIN DELETE FROM t", StatementKind.READ),
        ("EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1", StatementKind.WRITE),
        ("EXPLAIN ANALYZE SELECT 1", StatementKind.READ),
        ("EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", StatementKind.WRITE),
        ("REPLACE INTO t VALUES (1)", StatementKind.WRITE),
        ("PRAGMA main.table_info('a=b')", StatementKind.READ),
        ("PRAGMA/**/cache_size/**/(5);", StatementKind.SESSION),
        ("PRAGMA main.cache_size -- =\n;", StatementKind.READ),
        ("PRAGMA foreign_keys=ON", StatementKind.SESSION),
        ("PRAGMA user_version = 5", StatementKind.WRITE),
        ("PRAGMA user_version", StatementKind.READ),
        ("PRAGMA wal_checkpoint(TRUNCATE)", StatementKind.OTHER),
        ("PRAGMA optimize", StatementKind.OTHER),
        ("CREATE TEMP TABLE x (a int)", StatementKind.OTHER),
        ("CREATE OR REPLACE TEMP VIEW x AS SELECT 1", StatementKind.OTHER),
        ("VACUUM", StatementKind.SCHEMA),
        ("PREPARE x AS SELECT 1", StatementKind.SESSION),
        ("CALL f()", StatementKind.OTHER),
        ("COPY t FROM STDIN", StatementKind.OTHER),
    ],
)
def test_kinds_of_statement(sql: str, kind: StatementKind) -> None:
    assert classify(sql, SQLITE) is kind


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("-- x\r COMMIT", StatementKind.TRANSACTION),
        ("/* /* */ DELETE */ SELECT 1", StatementKind.READ),
        ("WITH a AS (SELECT E'it\\'s') DELETE FROM t", StatementKind.WRITE),
        ("SELECT $$it's$$ FROM t FOR UPDATE", StatementKind.WRITE),
        ("SELECT a[1] FROM t", StatementKind.READ),
    ],
)
def test_kinds_of_statement_follow_the_rules_of_the_database(sql: str, kind: StatementKind) -> None:
    assert classify(sql, POSTGRES) is kind


def test_scripts_are_cut_between_statements() -> None:
    assert split_script("a; b ';' ; -- c;\n d;;", SQLITE) == ["a", "b ';'", "-- c;\n d"]
    assert split_script("DO $$ a; b $$; c", POSTGRES) == ["DO $$ a; b $$", "c"]
    assert split_script(" ; -- nothing\n", SQLITE) == []


def test_the_body_of_a_trigger_is_one_statement() -> None:
    trigger = "CREATE TRIGGER x AFTER INSERT ON t BEGIN UPDATE t SET a = CASE WHEN 1 THEN 2 END; DELETE FROM u; END"
    assert split_script(f"{trigger}; SELECT 1", SQLITE) == [trigger, "SELECT 1"]
    function = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"
    assert split_script(f"{function}; SELECT 1", POSTGRES) == [function, "SELECT 1"]


@pytest.mark.parametrize("head", ["CREATE TRIGGER", "create temp trigger", "CREATE TEMPORARY TRIGGER IF NOT EXISTS"])
def test_a_trigger_ends_as_sqlite_says(head: str) -> None:
    trigger = f'{head} x AFTER INSERT ON "end" BEGIN INSERT INTO u (begin, end) VALUES (1, 2); SELECT 1 ; /**/ END'
    assert split_script(f"{trigger} ;SELECT 1;", SQLITE) == [trigger, "SELECT 1"]
    assert sqlite3.complete_statement(f"{trigger};")


def test_keywords_that_are_names_open_no_body() -> None:
    table = "CREATE TABLE log (trigger TEXT, begin TEXT, end TEXT)"
    assert split_script(f"{table}; {table}", SQLITE) == [table, table]
    trigger = "CREATE TRIGGER begin AFTER INSERT ON t EXECUTE FUNCTION f()"
    assert split_script(f"{trigger}; {trigger}", POSTGRES) == [trigger, trigger]


def test_bodies_of_postgresql() -> None:
    rule = "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)"
    function = (
        "CREATE OR REPLACE PROCEDURE p(a int) BEGIN ATOMIC "
        "SELECT CASE WHEN (a = 1) THEN CASE a WHEN 1 THEN 2 END ELSE 3 END; SELECT 2; END"
    )
    quoted = "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN 1; END; $f$"
    assert split_script(f"{rule}; {function};{quoted};", POSTGRES) == [rule, function, quoted]
    assert split_script("SELECT 1 -- x\r; SELECT 2", POSTGRES) == ["SELECT 1 -- x", "SELECT 2"]
    assert split_script("BEGIN; SELECT 1; END;", POSTGRES) == ["BEGIN", "SELECT 1", "END"]


@BOTH
def test_a_script_with_an_open_quote_is_refused(rules: TokenRules) -> None:
    with pytest.raises(ValidationError):
        split_script("SELECT 'a; SELECT 1", rules)


@BOTH
@pytest.mark.parametrize(
    "sql",
    ["a = 'x", 'a = "x', "a = 1) OR (1 = 1", "(a = 1", "a = 1; DROP TABLE t", "a = 1 /* x", ")(", "", " ", "-- x"],
)
def test_fragments_that_reach_out_are_refused(sql: str, rules: TokenRules) -> None:
    with pytest.raises(ValidationError):
        check_fragment(sql, rules)


@BOTH
@pytest.mark.parametrize("sql", ["a = 1 -- x", "a = 1 /* x */", "a = '(' -- '"])
def test_comments_are_refused_on_scoped_handles_alone(sql: str, rules: TokenRules) -> None:
    check_fragment(sql, rules)
    with pytest.raises(ValidationError):
        check_fragment(sql, rules, scoped=True)


@BOTH
@pytest.mark.parametrize("sql", ["a = '('", "a IN (1, 2)", "a = ';'", "a LIKE '%--%'", "(a) = (b)"])
def test_plain_fragments_pass(sql: str, rules: TokenRules) -> None:
    check_fragment(sql, rules, scoped=True)


def test_what_only_one_database_takes_for_a_quote_is_one_only_there() -> None:
    check_fragment("a = [)]", SQLITE)
    with pytest.raises(ValidationError):
        check_fragment("a = [)]", POSTGRES)
    check_fragment("a = $$)$$", POSTGRES)
    with pytest.raises(ValidationError):
        check_fragment("a = $$)$$", SQLITE)
    check_fragment("a = E'\\')'", POSTGRES)
    with pytest.raises(ValidationError):
        check_fragment("a = E'\\')'", SQLITE)


@pytest.mark.parametrize(
    "sql",
    [
        # Read as code where PostgreSQL sees a string, or the other way round, these reach out of their parentheses,
        # alone or together with a second condition.
        "false -- \r) OR (true",
        "x = E'a'\n'\\' || ') OR (true) OR (x = E'\\''",
        "x = e'a'-- b\r\n '\\' || ') OR (true) OR (x = E'\\''",
        "x = E'a'\n'\\'",
        "x = $$",
        "x = $a$ $$ $A$",
        "x = $\u00a0$ '",
        "x = 1e'\\' OR ('",
        "x = /* /* */ 1",
        "x = '\0'",
    ],
)
def test_what_postgresql_reads_otherwise_than_it_looks_is_refused(sql: str) -> None:
    for scoped in (False, True):
        with pytest.raises(ValidationError):
            check_fragment(sql, POSTGRES, scoped=scoped)


def test_a_question_mark_that_is_not_a_placeholder_is_refused_in_a_condition_of_sqlite() -> None:
    check_fragment("a ?? 'k'", POSTGRES)
    with pytest.raises(ValidationError):
        check_fragment("a ?? 'k'", SQLITE)


def test_fragments_are_cut_at_their_values() -> None:
    cut = template("a = ? OR b = ?", "listed", SQLITE, scoped=False)
    assert cut.pieces == ("a = ", " OR b = ", "")
    assert cut.values("", "listed", [1, "x"]) == [1, "x"]
    cut = template("a = :x OR b = :x", "named", POSTGRES, scoped=False)
    assert cut.pieces == ("a = ", " OR b = ", "")
    assert cut.values("", "named", {"x": 1}) == [1, 1]
    cut = template("a ? 'k' AND b = :x", "named", POSTGRES, scoped=False)
    assert cut.pieces == ("a ? 'k' AND b = ", "")
    assert template("a ? 'k'", "none", POSTGRES, scoped=False).pieces == ("a ? 'k'",)
    for mark in ("%(x)s", "__[POSTCOMPILE_x]"):
        with pytest.raises(ValidationError):
            template(f"a LIKE '{mark}'", "none", SQLITE, scoped=False).values("", "none", None)


@pytest.mark.parametrize(
    ("sql", "compared"),
    [
        ("a = ?", [True]),
        ("a<? AND b >= ? or (c <> ?)", [True, True, True]),
        ("a BETWEEN ? AND ?", [True, True]),
        ("a IN (?, ?) AND f(?, a)", [True, True, False]),
        ("a NOT IN (lower(?), ?)", [False, True]),
        ("a = ? || 'x'", [False]),
        ("a = ?::int", [False]),
        ("a LIKE ? OR ? IS NULL", [False, False]),
        ("a -> ? = b AND a @> ?", [False, False]),
        ("a = '?' AND b = /* ( */ ? -- )", [True]),
    ],
)
def test_a_value_alone_on_one_side_of_a_comparison_is_told_apart(sql: str, compared: list[bool]) -> None:
    assert list(template(sql, "listed", POSTGRES, scoped=False).compared) == compared


QUIET = st.text(alphabet="ab1 '\":;?-/*()[]`$\\", max_size=12)


@given(QUIET, QUIET)
def test_strings_are_never_looked_into(first: str, second: str) -> None:
    left, right = literal(first, SQLITE), literal(second, SQLITE)
    text, values = bind_text(f"SELECT {left}, ?, {right}", [7], SQLITE)
    connection = sqlite3.connect(":memory:")
    try:
        assert connection.execute(text, values).fetchone() == (first, 7, second)
    finally:
        connection.close()


@given(st.text(alphabet="ab1 ;-/*()'\"[]`$\n", max_size=30))
def test_a_fragment_that_passes_stays_inside_of_its_parentheses(fragment: str) -> None:
    try:
        check_fragment(fragment, SQLITE)
    except ValidationError:
        return
    # The text is one operand: the AND after it still applies.
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


# Pieces that mean something to one of the databases, so that they meet in every order.
PIECES = st.lists(
    st.sampled_from(
        [
            *"'\"`[]()?:;$\\-/*eEx1 \n\r\u00a0\ufeff",
            "--",
            "/*",
            "*/",
            "$$",
            "$a$",
            "::",
            ":=",
            "??",
            ":a",
            "E'",
            "''",
            "BEGIN",
            "END",
        ]
    ),
    max_size=14,
).map("".join)


@BOTH
@given(sql=PIECES)
def test_the_tokens_are_the_text(rules: TokenRules, sql: str) -> None:
    found = list(tokens(sql, rules))
    assert "".join(token.text for token in found) == sql
    assert all(token.text for token in found)
    assert all(token.kind not in UNCLOSED for token in found[:-1])


@BOTH
@given(sql=PIECES)
def test_a_text_without_placeholders_is_sent_as_it_is(rules: TokenRules, sql: str) -> None:
    if any(token.kind in ("mark", "named", "native", "escaped") for token in tokens(sql, rules)):
        return
    assert bind_text(sql, None, rules) == (sql, [])


@BOTH
@given(sql=PIECES)
def test_quotes_and_comments_are_never_altered(rules: TokenRules, sql: str) -> None:
    kept = [token.text for token in tokens(sql, rules) if token.kind in ("string", "quoted", "comment")]
    holes = [token for token in tokens(sql, rules) if token.kind in ("mark", "named")]
    params: Any = (
        {token.text[1:]: 1 for token in holes} if any(token.text != "?" for token in holes) else [1] * len(holes)
    )
    try:
        text, _ = bind_text(sql, params, rules)
    except ValidationError:
        return
    at = 0
    for piece in kept:
        at = text.index(piece, at) + len(piece)


@given(sql=PIECES)
@example("CREATE TRIGGER a BEGIN ; END")
@example("\xa0")
def test_a_script_is_cut_where_sqlite_says_a_statement_is_complete(sql: str) -> None:
    sql = sql.replace("\ufeff", "")  # complete_statement() takes it for a letter.
    try:
        statements = split_script(sql, SQLITE)
    except ValidationError:
        return
    for statement in statements:
        assert sqlite3.complete_statement(statement + "\n;")
    assert all(split_script(statement, SQLITE) == [statement] for statement in statements)


LITERALS = st.lists(st.one_of(QUIET, st.integers(-9, 9), st.none()), min_size=1, max_size=5)


@given(values=LITERALS, named=st.booleans(), data=st.data())
def test_a_select_of_strings_and_placeholders_returns_them(values: list[Any], named: bool, data: st.DataObject) -> None:
    columns, params = [], {}
    for n, value in enumerate(values):
        if isinstance(value, str) and data.draw(st.booleans()):
            columns.append(f"{literal(value, SQLITE)} /* ? :x ' */")
        else:
            columns.append(f":p{n}" if named else "?")
            params[f"p{n}"] = value
    sql = "SELECT " + ", -- ? :y '\n".join(columns)
    text, bound = bind_text(sql, params if named else list(params.values()), SQLITE)
    connection = sqlite3.connect(":memory:")
    try:
        assert connection.execute(text, bound).fetchone() == tuple(values)
    finally:
        connection.close()
