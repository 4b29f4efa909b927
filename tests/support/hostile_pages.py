"""Names and values that a page must show as text: for pages as text, and for a real browser."""

from __future__ import annotations

from typing import Any

from deebase import Database
from tests.support.browser import HOSTILE

#: Names of tables and columns. A dialog is what a script would show; an address is what a page would load.
NAMES = [
    HOSTILE,
    "a/b ~.%2F?#",
    "-sorted",
    "ünï cödé",
    "{{ 7*7 }}",
    "x" * 50,
]
#: Values of texts.
VALUES = [
    HOSTILE,
    "</textarea></title></pre></td></table><svg onload=alert(3)>",
    "javascript:alert(4)",
    "<iframe src=https://evil.example/frame></iframe><base href=https://evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css><style>@import 'https://evil.example/y.css'</style>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'><form action=https://evil.example/><button>x",
    "' onmouseover='alert(5)' autofocus onfocus='alert(6)' x='",
    "<a href=javascript:alert(7) id=content>x</a><dialog open data-row data-search data-edit>",
    "{{ 7*7 }} {% raise %} ${alert(8)} <%= 1 %>",
    "<!-- --!><script src=https://evil.example/z.js></script><!--",
    "\u202eright to left\u2028line\u2029\u0000zero".replace("\u0000", ""),
]
#: Texts that a spreadsheet would run.
FORMULAS = ["=1+1", "+1+1", "-1+1|x", "@SUM(A1)", "\t=1+1", "\r=1+1", '=HYPERLINK("https://evil.example")']


def quoted(name: str) -> str:
    """Return a name as it stands in SQL."""
    return '"' + name.replace('"', '""') + '"'


async def make_hostile(db: Database) -> None:
    """Create tables whose names, columns and values are hostile, and a table of formulas."""
    columns = ", ".join([f"{quoted(each)} TEXT" for each in NAMES[:5]])
    for name in NAMES:
        await db.q(f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, {columns})")
    await db.q(
        f"CREATE TABLE {quoted('child ' + HOSTILE)} (id INTEGER PRIMARY KEY,"
        f" {quoted('of ' + HOSTILE)} INTEGER REFERENCES {quoted(HOSTILE)} (id), name TEXT)"
    )
    await db.q("CREATE TABLE formula (id INTEGER PRIMARY KEY, cell TEXT)")
    await db.q(f"CREATE VIEW {quoted('view ' + HOSTILE)} AS SELECT * FROM {quoted(HOSTILE)}")
    await db.reflect()
    for name in NAMES:
        rows: list[dict[str, Any]] = [
            {"id": n} | {column: VALUES[(n + at) % len(VALUES)] for at, column in enumerate(NAMES[:5])}
            for n in range(len(VALUES))
        ]
        await db.t[name].insert_all(rows)
    await db.t["child " + HOSTILE].insert_all(
        {"id": n, "of " + HOSTILE: 0, "name": value} for n, value in enumerate(VALUES)
    )
    await db.t.formula.insert_all({"id": n, "cell": text} for n, text in enumerate(FORMULAS))
