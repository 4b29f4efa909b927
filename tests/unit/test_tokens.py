"""The tokens of SQL text: what each database takes for one, and what SQLite says to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deebase._sqltext.dialects import POSTGRES, SQLITE, TokenRules
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import BLANK, UNCLOSED, Token, code_tokens, joined, mentions, spliced, tokens
from tests.support.token_cases import CUT, POSTGRES_CUT, POSTGRES_TOKENS, SQLITE_CUT, SQLITE_TOKENS


def shown(value: object) -> str:
    """Return an id that is the same in every process; the rules hold sets."""
    return "sqlite" if value is SQLITE else "postgres" if value is POSTGRES else repr(value)


BOTH = pytest.mark.parametrize("rules", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
ONE = [
    *[(text, kind, SQLITE) for kind, texts in SQLITE_TOKENS.items() for text in texts],
    *[(text, kind, POSTGRES) for kind, texts in POSTGRES_TOKENS.items() for text in texts],
]
MANY = [
    *[(pieces, rules) for pieces in CUT for rules in (SQLITE, POSTGRES)],
    *[(pieces, SQLITE) for pieces in SQLITE_CUT],
    *[(pieces, POSTGRES) for pieces in POSTGRES_CUT],
]


def test_the_table_is_long() -> None:
    assert len(ONE) + len(MANY) > 300


def test_one_token() -> None:
    for text, kind, rules in ONE:
        assert tokens(text, rules) == [Token(kind, text, 0)], shown(rules)  # type: ignore[arg-type]


def test_several_tokens() -> None:
    for pieces, rules in MANY:
        assert [token.text for token in tokens("".join(pieces), rules)] == pieces, shown(rules)


def answer(sql: str) -> object:
    """Return the value that SQLite gives, or its message."""
    with closing(sqlite3.connect(":memory:")) as connection:
        try:
            return connection.execute(sql).fetchone()[0]
        except sqlite3.Error as error:
            return str(error)


def of(*kinds: str) -> list[tuple[str, str]]:
    return [(text, kind) for kind in kinds for text in SQLITE_TOKENS[kind]]


@pytest.mark.parametrize(("text", "kind"), of("blob", "string", "number"), ids=shown)
def test_sqlite_takes_it_for_a_value(text: str, kind: str) -> None:
    types = {"blob": ("blob",), "string": ("text",), "number": ("integer", "real")}[kind]
    if "_" in text and sqlite3.sqlite_version_info < (3, 46):
        assert "unrecognized" in str(answer(f"SELECT {text}")) or "syntax" in str(answer(f"SELECT {text}"))
    else:
        assert answer(f"SELECT typeof({text})") in types


@pytest.mark.parametrize(("text", "kind"), of("quoted", "word"), ids=shown)
def test_sqlite_takes_it_for_a_name(text: str, kind: str) -> None:
    (token,) = tokens(text, SQLITE)
    assert answer(f"SELECT {text} FROM (SELECT 7 AS {identifier(token.name)})") == 7
    assert token.means(token.name)
    assert kind == token.kind


@pytest.mark.parametrize(("text", "kind"), of("mark", "named", "native"), ids=shown)
def test_sqlite_takes_it_for_a_placeholder(text: str, kind: str) -> None:
    # A number after # is for the nested statements of SQLite itself.
    refused = f'near "{text}": syntax error' if text == "#1" else "Incorrect number of bindings supplied"
    assert refused in str(answer(f"SELECT {text}")), kind


@pytest.mark.parametrize(("text", "kind"), of("illegal", "unclosed"), ids=shown)
def test_sqlite_refuses_it_as_a_whole(text: str, kind: str) -> None:
    if text.startswith("0x") and sqlite3.sqlite_version_info < (3, 46):
        assert answer(f"SELECT {text}") == 255  # To older versions, a number and its alias.
        return
    assert answer(f"SELECT {text}") == f'unrecognized token: "{text}"', kind
    if kind == "unclosed":
        assert answer(f"SELECT {text}\n);") == f'unrecognized token: "{text}\n);"'


@pytest.mark.parametrize(("text", "kind"), of("space", "comment", "open_comment"), ids=shown)
def test_to_sqlite_it_means_nothing(text: str, kind: str) -> None:
    assert answer(f"SELECT 1 {text} ") == 1
    # A byte order mark in a word is part of it.
    if kind != "open_comment" and text != "\ufeff":
        assert answer(f"SELECT{text}\n7") == 7


@pytest.mark.parametrize("text", [text for text in SQLITE_TOKENS["symbol"] if len(text) > 1 and text[0] != ":"])
def test_to_sqlite_it_is_one_operator(text: str) -> None:
    assert answer(f"SELECT {text}") == f'near "{text}": syntax error'


# Pieces that mean something to one of the databases, so that they meet in every order.
PIECES = st.lists(
    st.one_of(
        st.sampled_from([
            *"'\"`[]()?:;$\\-+/*eExXuUbB&.10_ \n\r\t\v#@|<>=!a\u00a0\ufeff", "--", "/*", "*/", "$$", "$a$", "::", "??",
            ":a", "E'", "''", "x'", "U&'", "->>", "||", "..", "0x", "1e", "1.5e-3",
        ]),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=16,
).map("".join)  # fmt: skip


@BOTH
@given(sql=PIECES)
def test_joined_the_tokens_are_the_text(rules: TokenRules, sql: str) -> None:
    found = tokens(sql, rules)
    assert "".join([token.text for token in found]) == sql
    assert all(token.text and sql[token.start : token.end] == token.text for token in found)
    assert all(token.kind not in UNCLOSED for token in found[:-1])
    assert code_tokens(sql, rules) == [token for token in found if token.kind not in BLANK]


@given(sql=PIECES)
@example("x'a''")
@example("[a")
@example("/*/")
@example("'a' -- '")
def test_sqlite_finds_the_same_quotes_and_comments_open(sql: str) -> None:
    found = tokens(sql, SQLITE)
    # sqlite3_complete() knows no placeholders, which may hold quotes in parentheses.
    if any(token.kind == "native" and "(" in token.text for token in found):
        return
    ends_open = bool(found) and found[-1].kind in UNCLOSED
    assert sqlite3.complete_statement(f"{sql}\n;") is not ends_open


@given(sql=PIECES, spaces=st.sampled_from([" ", "\n", "/**/"]))
def test_blanks_between_tokens_change_none_of_them(sql: str, spaces: str) -> None:
    found = code_tokens(sql, SQLITE)
    # A vertical tab is blank after another blank alone.
    if "\v" in sql or any(token.kind in ("unclosed", "illegal", "escaped") for token in found):
        return
    apart = spaces.join([token.text for token in found])
    again = code_tokens(apart, SQLITE)
    assert [token[:2] for token in again] == [token[:2] for token in found]


@BOTH
@given(sql=PIECES, mark=st.sampled_from(["?", ":x"]))
def test_an_edit_leaves_everything_else(rules: TokenRules, sql: str, mark: str) -> None:
    found = tokens(sql, rules)
    words = [token for token in found if token.kind == "word"]
    edited = spliced(sql, *[(token.start, token.end, mark) for token in words])
    assert edited == "".join([mark if token.kind == "word" else token.text for token in found])


def test_what_a_token_says() -> None:
    found = code_tokens("""select "a""b", [c d], `e``f`, 'g''h', U&"i" + 5""", SQLITE)
    assert [token.name for token in found if token.kind == "quoted"] == ['a"b', "c d", "e`f", "i"]
    assert [token.word for token in found if token.word] == ["SELECT", "U"]
    assert "".join([token.syntax for token in found]) == "SELECT,,,,U&+"
    assert [token.name for token in tokens('U&"i""j"', POSTGRES)] == ['i"j']


def test_names_are_found_by_the_rules_of_the_database() -> None:
    assert mentions("SELECT A FROM t -- b", SQLITE, "a", "T")
    assert not mentions("SELECT a FROM t -- b", SQLITE, "b")
    assert not mentions("SELECT E'\\' a ' FROM t", POSTGRES, "a")
    assert mentions("SELECT E'\\' a FROM t", SQLITE, "a")
    assert not mentions("SELECT $$ a $$", POSTGRES, "a")


def test_texts_of_one_meaning_are_joined_alike() -> None:
    one, other = code_tokens('CHECK ( "A">1.5e-3 )', SQLITE), code_tokens("CHECK (a > 1.5e-3)", SQLITE)
    assert joined(one) == joined(other).replace("CHECK", "check") == "check ( a > 1.5e-3 )"
