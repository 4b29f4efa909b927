"""Any change of any SQLite table keeps everything that the change does not name, to the byte."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from deebase import Database, DeeBaseError
from deebase._sqltext.quoting import identifier
from tests.support.snapshots import Snapshot, opened, snapshot

NAMES = ["a", "b c", 'qu"ote', "select", "x;--", "ünï", "[d]", "e'f", "/*g*/", "h--i", "check", "UNIQUE", ":j", "%s"]
GAPS = [" ", "\n    ", " /* , ) ( */ ", "\t", " -- it's a , comment (\n"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "INTEGER": st.integers(0, 50),
    "TEXT": st.sampled_from(["", "x", "it's", "Ä", "x ", "7"]),
    "REAL": st.sampled_from([0.0, 1.5, 1e300]),
    "VARCHAR(10)": st.sampled_from(["", "v", "(", ","]),
    "DECIMAL(10, 2)": st.integers(0, 9),
    "": st.one_of(st.integers(0, 5), st.binary(max_size=3), st.just("any")),
}
STRICT = ("INTEGER", "TEXT", "REAL")


@dataclass
class Column:
    name: str
    type: str
    clauses: list[str] = field(default_factory=list[str])
    computed: bool = False
    not_null: bool = False
    unique: bool = False

    @property
    def sql(self) -> str:
        return " ".join([identifier(self.name), self.type, *self.clauses]).rstrip()


@dataclass
class Made:
    """A table with everything around it, as one script; ``columns`` are those that a change may name."""

    columns: list[Column]
    pks: list[str]
    script: str
    rows: list[list[Any]]
    refers: bool


@st.composite
def columns(draw: st.DrawFn, name: str, strict: bool) -> Column:
    made = Column(name, draw(st.sampled_from(STRICT if strict else list(VALUES))))
    text = "CHAR" in made.type or made.type == "TEXT"
    for clause in draw(st.lists(st.sampled_from(["null", "default", "collate", "check", "unique"]), unique=True)):
        if clause == "null":
            made.not_null = True
            made.clauses.append(draw(st.sampled_from(["NOT NULL", "CONSTRAINT nn NOT NULL ON CONFLICT ABORT"])))
        elif clause == "default":
            made.clauses.append(draw(st.sampled_from(["DEFAULT 3", "DEFAULT (1 + (2))", "DEFAULT '7'", "DEFAULT -1"])))
        elif clause == "collate" and text:
            made.clauses.append(draw(st.sampled_from(["COLLATE NOCASE", "COLLATE RTRIM"])))
        elif clause == "check":
            made.clauses.append(f"CHECK ({identifier(name)} IS NULL OR {identifier(name)} <> ') --')")
        elif clause == "unique":
            made.unique = True
            made.clauses.append(draw(st.sampled_from(["UNIQUE", 'CONSTRAINT "u q" UNIQUE ON CONFLICT ABORT'])))
    return made


@st.composite
def tables(draw: st.DrawFn) -> Made:
    strict = draw(st.booleans())
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    made = [draw(columns(name, strict)) for name in names]
    key = draw(st.sampled_from(["rowid", "counted", "text", "composite", "none"]))
    parts: list[str] = []
    pks: list[str] = []
    options = ["STRICT"] if strict else []
    if key in ("rowid", "counted"):
        pks = ["id"]
        parts = ["id INTEGER PRIMARY KEY AUTOINCREMENT" if key == "counted" else "id INTEGER PRIMARY KEY"]
    elif key == "text":
        pks, parts = ["id"], ["id TEXT PRIMARY KEY NOT NULL"]
    elif key == "composite":
        pks, parts = ["id", "no"], ["id INTEGER NOT NULL", "\"no\" TEXT NOT NULL DEFAULT 'n'"]
    if key in ("text", "composite") and draw(st.booleans()):
        options.append("WITHOUT ROWID")
    parts += [column.sql for column in made]
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["VIRTUAL", "STORED"]))
        parts.append(f"computed INTEGER GENERATED ALWAYS AS (length({identifier(names[0])})) {kind}")
    refers = draw(st.booleans())
    if refers:
        how = draw(st.sampled_from(["", " ON DELETE CASCADE ON UPDATE SET NULL", " DEFERRABLE INITIALLY DEFERRED"]))
        parts.append(f"parent_id INTEGER REFERENCES parent (id){how}")
    if key == "composite":
        parts.append('PRIMARY KEY ("no" DESC, id)')
        pks = ["no", "id"]
    if draw(st.booleans()):
        parts.append(f"CONSTRAINT pair UNIQUE ({identifier(names[0])}, {identifier(names[1])})")
    if draw(st.booleans()):
        parts.append(f"CHECK (length({identifier(names[1])}) < 400)")
    gap = st.sampled_from(GAPS)
    body = "".join(f"{draw(gap)}{part}{draw(gap)}," for part in parts)[:-1]
    script = f"CREATE TABLE t{draw(gap)}({body}{draw(gap)}){draw(gap)}{', '.join(options)};\n"
    script += around(draw, names, pks, "WITHOUT ROWID" not in options)
    rows = draw(st.lists(st.tuples(*[VALUES[column.type] for column in made]).map(list), max_size=6))
    return Made(made, pks, script, rows, refers)


def around(draw: st.DrawFn, names: list[str], pks: list[str], rowid: bool) -> str:
    first, last = identifier(names[0]), identifier(names[-1])
    choices = [
        f"CREATE INDEX ix1 ON t ({first} DESC, {last} COLLATE BINARY);",
        f"CREATE INDEX ix2 ON t (lower({last}));",
        f"CREATE INDEX ix3 ON t ({first}) WHERE {last} IS NOT NULL;",
        f"CREATE TRIGGER added AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.{first}); END;",
        "CREATE TRIGGER gone AFTER DELETE ON t BEGIN INSERT INTO log SELECT 'gone ' || count(*) FROM t; END;",
        f"CREATE VIEW seen AS SELECT {first} AS one FROM t;",
    ]
    if pks == ["id"]:
        choices.append(
            "CREATE TABLE child (id INTEGER PRIMARY KEY, t_id REFERENCES t (id) ON DELETE CASCADE);"
            "INSERT INTO child (t_id) SELECT id FROM t;"
        )
    return "\n".join(draw(st.lists(st.sampled_from(choices), unique=True)))


@st.composite
def changes(draw: st.DrawFn, made: Made) -> dict[str, Any]:
    names = st.sampled_from([column.name for column in made.columns])
    result: dict[str, Any] = {}
    for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True)):
        if kind == "not_null":
            result[kind] = {draw(names): draw(st.booleans())}
        elif kind == "defaults":
            result[kind] = {draw(names): None}
        elif kind == "types":
            result[kind] = {draw(names): draw(st.sampled_from([str, int, float]))}
        elif kind == "drop":
            result[kind] = draw(names)
        elif kind == "rename":
            result[kind] = {draw(names): draw(st.sampled_from(["renamed", 'new "name"', *NAMES[:3]]))}
        elif kind == "column_order":
            result[kind] = draw(st.lists(names, min_size=1, unique=True))
        elif kind == "drop_foreign_keys" and made.refers:
            result[kind] = "parent_id"
        elif kind == "pk":
            result[kind] = draw(st.sampled_from([None, ["id", made.columns[0].name]]))
    return result or {"defaults": {made.columns[0].name: None}}


KINDS = ("not_null", "defaults", "types", "drop", "rename", "column_order", "drop_foreign_keys", "pk")


def fill(path: Path, made: Made) -> None:
    """Make the table, with those of its rows that its own constraints take."""
    connection = opened(path)
    table, _, rest = made.script.partition(";\n")
    connection.executescript(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); INSERT INTO parent VALUES (1), (2); CREATE TABLE log (x);"
        + table
    )
    listed = ", ".join([identifier(column.name) for column in made.columns])
    for number, row in enumerate(made.rows):
        values, places = list(row), listed
        if made.pks and not ("AUTOINCREMENT" in table and number % 2):
            values, places = [number * 3 + 1, *values], f"id, {listed}"
        if made.refers:
            values, places = [*values, number % 2 + 1], f"{places}, parent_id"
        marks = ", ".join("?" * len(values))
        connection.execute(f"INSERT OR IGNORE INTO t ({places}) VALUES ({marks})", values)
    connection.execute(
        "DELETE FROM t WHERE rowid = 4" if "WITHOUT ROWID" not in table else "DELETE FROM t WHERE id = 4"
    )
    connection.executescript(rest)
    connection.close()


def described(path: Path) -> dict[str, Any]:
    """What SQLite itself says of the table."""
    connection = opened(path)
    columns = {row[1]: row[2:] for row in connection.execute("PRAGMA table_xinfo(t)")}
    indexes: dict[Any, Any] = {}
    for _, name, unique, origin, partial in connection.execute("PRAGMA index_list(t)").fetchall():
        parts = [row[2:] for row in connection.execute(f'PRAGMA index_xinfo("{name}")') if row[5]]
        indexes[name if origin == "c" else (origin, repr(parts))] = (unique, partial, parts)
    keys = [row[2:] for row in connection.execute("PRAGMA foreign_key_list(t)")]
    kind = connection.execute("SELECT type, wr, strict FROM pragma_table_list WHERE name = 't'").fetchall()
    connection.close()
    return {"columns": columns, "indexes": indexes, "foreign keys": keys, "kind": kind}


def values(path: Path, names: list[str]) -> list[Any]:
    connection = opened(path)
    listed = ", ".join(map(identifier, names)) or "1"
    try:
        return sorted(map(repr, connection.execute(f"SELECT {listed} FROM t").fetchall()))
    finally:
        connection.close()


async def change(path: Path, arguments: dict[str, Any]) -> bool:
    async with Database(path) as db:
        await db.reflect()
        try:
            await db.t["t"].transform(**arguments)
        except DeeBaseError:
            return False
        return True


def others(shot: Snapshot, *, renamed: bool) -> Snapshot:
    """What the change does not name: other tables, counters, and the texts of what belongs to the table."""
    kept = {name: rows for name, rows in shot.items() if name not in ("t", "schema") and rows is not None}
    texts = [row[:3] if renamed else row for row in shot["schema"] if row[1] != "t" and row[3] is not None]
    return {**kept, "schema": texts}


def check(path: Path, made: Made, arguments: dict[str, Any]) -> bool:
    before, old = snapshot(path), described(path)
    unchanged = dict(before)
    named: set[str] = set()
    for argument in ("not_null", "defaults", "types", "rename"):
        named |= set(arguments.get(argument, {}))
    named |= {arguments["drop"]} if "drop" in arguments else set()
    untouched = [name for name in old["columns"] if name not in named]
    if "types" in arguments:
        # What is computed from a converted value is another value.
        untouched = [name for name in untouched if name != "computed"]
        before.pop("seen", None)
    rows = values(path, untouched)
    if not asyncio.run(change(path, arguments)):
        assert described(path) == old
        assert snapshot(path) == unchanged
        return False
    after, new = snapshot(path), described(path)
    if "types" in arguments:
        after.pop("seen", None)
    renamed = "rename" in arguments
    if "pk" in arguments:
        # A table without a counting key has no counter.
        before["sqlite_sequence"] = after.get("sqlite_sequence")
    assert others(after, renamed=renamed) == others(before, renamed=renamed)
    assert values(path, untouched) == rows
    assert len(after["t"]) == len(before["t"])
    assert new["kind"] == old["kind"]
    if "drop_foreign_keys" not in arguments:
        assert new["foreign keys"] == old["foreign keys"]
    if "pk" not in arguments:
        assert {name: new["columns"][name] for name in untouched} == {name: old["columns"][name] for name in untouched}
        if not renamed and "drop" not in arguments:
            assert new["indexes"] == old["indexes"]
    if set(arguments) <= {"not_null", "defaults"}:
        assert after["t"] == before["t"]
    return True


@st.composite
def cases(draw: st.DrawFn) -> tuple[Made, dict[str, Any]]:
    made = draw(tables())
    return made, draw(changes(made))


def run(case: tuple[Made, dict[str, Any]]) -> None:
    made, arguments = case
    note(made.script)
    note(repr(arguments))
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "any.db"
        fill(path, made)
        event("changed" if check(path, made, arguments) else "refused")


@given(cases())
@settings(max_examples=60)
def test_what_a_change_does_not_name_stays(case: tuple[Made, dict[str, Any]]) -> None:
    run(case)


@pytest.mark.long
@given(cases())
@settings(max_examples=500)
def test_what_hundreds_of_changes_do_not_name_stays(case: tuple[Made, dict[str, Any]]) -> None:
    run(case)
