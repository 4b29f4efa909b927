"""How each database reads SQL text, as data: its tokens, its placeholders, its scripts.

The rules are those of SQLite's tokenize.c, and of PostgreSQL's scan.l with standard_conforming_strings on, its
default.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, eq=False, kw_only=True)
class TokenRules:
    """The rules of one database. Each is one object, compared by identity.

    Attributes:
        pattern: matches any token; the name of the group is its kind.
        numbers_parameters: a parameter is ``$1``, which may occur more than once; else it is ``?``.
        has_question_operators: ``?`` may be an operator (of jsonb).
        escapes_strings: ``E'...'`` is a string with backslash escapes.
        has_trigger_bodies: CREATE TRIGGER holds statements, up to ``; END``.
        has_authorizer: the database asks before each action of a statement, so that its text proves nothing.
        calls_change_sessions: a function may change the settings of its session.
        reading_commands: the commands beside queries that only read.
    """

    pattern: re.Pattern[str]
    numbers_parameters: bool
    has_question_operators: bool
    escapes_strings: bool
    has_trigger_bodies: bool
    has_authorizer: bool
    calls_change_sessions: bool
    reading_commands: frozenset[str]


# Both databases take every character beyond ASCII for a letter, no-break spaces and the like included.
_LETTER = r"[A-Za-z_\u0080-\U0010ffff]"
_NAME = r"[A-Za-z0-9_\u0080-\U0010ffff]"
_REST = rf"(?:{_NAME}|\$)"
_IN_STRING = r"[^']*+(?:''[^']*+)*+'"
_QUOTED = r'"[^"]*+(?:""[^"]*+)*+"'
_DIGITS = r"[0-9]++(?:_[0-9]++)*+"

# Underscores between digits are read since SQLite 3.46; before, such a number is an error.
_SQLITE_NUMBER = rf"""
    (?:0[xX][0-9a-fA-F]++(?:_[0-9a-fA-F]++)*+|(?:{_DIGITS}(?:\.(?:{_DIGITS})?+)?+|\.{_DIGITS})(?:[eE][+-]?+{_DIGITS})?+)
    (?!{_REST})"""
_SQLITE_NO_NUMBER = rf"""
    (?:0[xX][0-9a-fA-F][0-9a-fA-F_]*+|(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?+|\.[0-9][0-9_]*+)(?:[eE][+-]?+[0-9][0-9_]*+)?+)
    {_REST}*+"""
_VARIABLE = rf"[$@\#:](?:::)*+{_REST}(?:{_REST}|::)*+"

SQLITE = TokenRules(
    pattern=re.compile(
        rf"""
          (?P<space>\ufeff|[ \t\n\f\r][ \t\n\v\f\r]*+)
        | (?P<blob>[xX]'(?:[0-9a-fA-F]{{2}})*+')
        | (?P<illegal>[xX]'[^']*+')
        | (?P<string>'{_IN_STRING})
        | (?P<quoted>{_QUOTED}|`[^`]*+(?:``[^`]*+)*+`|\[[^\]]*+\])
        | (?P<comment>--[^\n]*+|/\*.*?\*/)
        | (?P<open_comment>/\*.*)
        | (?P<unclosed>(?:[xX]?'|["`\[]).*)
        | (?P<number>{_SQLITE_NUMBER})
        | (?P<no_number>{_SQLITE_NO_NUMBER})
        | (?P<word>{_LETTER}{_REST}*+)
        | (?P<named>:{_LETTER}{_NAME}*+(?!\$|::|\())
        | (?P<native>\?[0-9]+|{_VARIABLE}(?:\([^\ \t\n\v\f\r)]*+\)?+)?+)
        | (?P<escaped>\?\?)
        | (?P<mark>\?)
        # To SQLite an error; a name after two colons is not a parameter.
        | (?P<symbol>::|:=|->>|->|\|\||<>|<=|<<|>=|>>|==|!=|.)
        """,
        re.DOTALL | re.VERBOSE,
    ),
    numbers_parameters=False,
    has_question_operators=False,
    escapes_strings=False,
    has_trigger_bodies=True,
    has_authorizer=True,
    calls_change_sessions=False,
    reading_commands=frozenset({"EXPLAIN", "PRAGMA"}),
)

# A string goes on after a line break, by the rules of its first part.
_NEXT = r"(?:[ \t\f\v]|--[^\n\r]*+)*+[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*+[\n\r])*+'"
_IN_ESCAPES = r"[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
_IN_BITS = r"[^']*+'"
_POSTGRES_STRING = "|".join(
    f"{start}'{inside}(?:{_NEXT}{inside})*+(?!{_NEXT})"
    for start, inside in (("(?:[uU]&)?+", _IN_STRING), ("[eE]", _IN_ESCAPES))
)
_TAG = rf"(?:{_LETTER}{_NAME}*+)?+"
_POSTGRES_NUMBER = rf"""
    (?:0[xX](?:_?+[0-9a-fA-F])++|0[oO](?:_?+[0-7])++|0[bB](?:_?+[01])++
     |(?:{_DIGITS}(?:\.(?!\.)(?:{_DIGITS})?+)?+|\.{_DIGITS})(?:[eE][+-]?+{_DIGITS})?+)"""
# An operator ends where a comment begins, and does not end with a sign unless it has a character beyond arithmetic
# (manual, "Lexical Structure"). It has at most 63 characters. A question mark is left to the placeholders.
_ANY_SYMBOL = r"(?!--|/\*)[-+*/<>=~!@#%^&|`]"
_SYMBOL = rf"""
    (?:{_ANY_SYMBOL}){{0,62}}(?!--|/\*)[~!@#%^&|`](?:{_ANY_SYMBOL}){{0,62}}
    |(?:(?!--|/\*)[-+*/<>=]){{0,62}}(?!--|/\*)[*/<>=]"""

POSTGRES = TokenRules(
    pattern=re.compile(
        rf"""
          (?P<space>[ \t\n\r\f\v]+)
        | (?P<string>{_POSTGRES_STRING}|\$(?P<tag>{_TAG})\$.*?\$(?P=tag)\$)
        | (?P<blob>[bBxX]'{_IN_BITS}(?:{_NEXT}{_IN_BITS})*+(?!{_NEXT}))
        | (?P<quoted>(?:[uU]&)?+{_QUOTED})
        | (?P<comment>--[^\n\r]*+)
        | (?P<nested>/\*)
        # Versions differ in whether the e right after a number belongs to the string: an error in the newer.
        | (?P<unclosed>(?:[eEbBxX]?'|(?:[uU]&)?+['"]|\$(?:{_TAG})\$|{_POSTGRES_NUMBER}(?:{_NAME}{_REST}*+)?+').*)
        | (?P<number>{_POSTGRES_NUMBER}(?!{_NAME}))
        | (?P<no_number>{_POSTGRES_NUMBER}{_NAME}{_REST}*+)
        | (?P<word>{_LETTER}{_REST}*+)
        # Right after an operand a colon is that of a slice, as in a[lo:hi].
        | (?P<cast>::|:=|\.\.)
        | (?P<named>(?<![\w$\])"':\u0080-\U0010ffff]):{_LETTER}{_NAME}*+)
        | (?P<native>\$[0-9]+|\?[0-9]+)
        | (?P<escaped>\?\?)
        | (?P<mark>\?)
        | (?P<symbol>{_SYMBOL}|.)
        """,
        re.DOTALL | re.VERBOSE | re.ASCII,
    ),
    numbers_parameters=True,
    has_question_operators=True,
    escapes_strings=True,
    has_trigger_bodies=False,
    has_authorizer=False,
    calls_change_sessions=True,
    reading_commands=frozenset({"EXPLAIN"}),
)
