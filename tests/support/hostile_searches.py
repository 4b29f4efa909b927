"""Texts that strangers may type into a search: what FTS5, tsquery and SQL treat as syntax, and what text rarely has."""

from __future__ import annotations

_PIECES = [
    "", " ", '"', '""', '"""', "'", "''", "\\", "*", "**", "-", "--", "-*", '-"', '"-', "(", ")", "()", ")(",
    ":", "^", "+", "&", "|", "!", "<->", "~", "{", "}", "[", "]", "@", "#", "$1", "?", ":x", "%", "_", "/*",
    "*/", ";", ",", ".", "…", "AND", "OR", "NOT", "NEAR", "OR OR", "NOT NOT", "a AND", "a OR", "a NOT",
    "NEAR(a b, 5)", "title:a", "a:*", "a:ABCD", "'a' <2> 'b'", "a & b", "!a", "^a", "a*b", "*a", "a**", '"a*"',
    '"a" "b', 'a"b', 'a"b"c', "it's", "O'Brien's", "a''b", "x' OR '1'='1", "'; drop table article; --", "a\0b",
    "\0", "\0\0\0", "\ud800", "a\udfffb", "\ue000a\ue001", "\uffff", "😀", "a😀b", "👨\u200d👩\u200d👧", "e\u0301",
    "é", "ß", "İ", "全文", "عربى", "\u202eabc", "\u00a0", "\u200b", "\t\r\n", "a" * 499, "a" * 501, "a" * 10_000,
    "a " * 5_000, '"' * 10_000, "(" * 10_000, "-" * 10_000, "* " * 5_000, "a OR " * 2_000, "\0" * 10_000,
    "😀" * 10_000, "'" * 9_999, "\\" * 9_999, "a" * 1_000_000, '"a" OR ' * 900, "-a " * 3_000,
]  # fmt: skip

HOSTILE = [*_PIECES, *[f"title {piece} body" for piece in _PIECES if len(piece) < 4]]
