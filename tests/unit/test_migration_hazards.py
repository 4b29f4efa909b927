"""Lint of migrations: what is found in their text, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from deebase.migrations.files import MigrationFile
from deebase.migrations.hazards import hazards_of
from deebase.migrations.rules import RULES
from tests.support.tree import ROOT

PYTHON = '''"""A step."""


class Made:
    id: int


async def upgrade(db):
    await db.create(Made)
    {up}


async def downgrade(db):
    await db.t["other"].drop()
'''


def found(up: str, dialect: str = "postgresql", *, sql: bool = False) -> list[tuple[str, str | None, str | None]]:
    text = (
        f"-- upgrade\nCREATE TABLE made (id integer);\n{up}\n-- downgrade\nDROP TABLE other;\n"
        if sql
        else PYTHON.format(up=up)
    )
    file = MigrationFile(Path("0001-a.sql" if sql else "0001-a.py"), text, None)
    return [(hazard.rule, hazard.table, hazard.column) for hazard in hazards_of(file, dialect)]


SQL = {
    'DROP TABLE IF EXISTS public."a ""b"': ("M101", 'a "b', None),
    "ALTER TABLE ONLY t DROP COLUMN IF EXISTS x": ("M102", "t", "x"),
    "alter table t drop x": ("M102", "t", "x"),
    "TRUNCATE TABLE t": ("M103", "t", None),
    "DELETE FROM t": ("M103", "t", None),
    "ALTER TABLE t ADD COLUMN x integer NOT NULL": ("M201", "t", "x"),
    "ALTER TABLE t ALTER COLUMN x SET NOT NULL": ("M202", "t", "x"),
    "ALTER TABLE t RENAME COLUMN x TO y": ("M301", "t", "x"),
    'ALTER TABLE t RENAME "x y" TO z': ("M301", "t", "x y"),
    "ALTER TABLE t RENAME TO u": ("M301", "t", None),
    "ALTER TABLE t ALTER COLUMN x TYPE bigint": ("M401", "t", "x"),
    "CREATE UNIQUE INDEX i ON t (x)": ("M402", "t", None),
    "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (x) REFERENCES u (id)": ("M403", "t", None),
}
HARMLESS = [
    "DELETE FROM t WHERE id = 3",
    "ALTER TABLE t DROP CONSTRAINT k",
    "ALTER TABLE t ALTER COLUMN x DROP NOT NULL",
    "ALTER TABLE t ALTER COLUMN x DROP DEFAULT",
    "ALTER TABLE t ADD COLUMN x integer NOT NULL DEFAULT 3",
    "ALTER TABLE t ADD FOREIGN KEY (x) REFERENCES u (id) NOT VALID",
    "CREATE INDEX CONCURRENTLY i ON t (x)",
    "CREATE INDEX i ON made (id)",
    "INSERT INTO t VALUES ('DROP TABLE t; DELETE FROM t')",
    "-- DROP TABLE t\nSELECT 1",
    "DROP VIEW v",
]


@pytest.mark.parametrize("statement", SQL)
def test_statements_are_read(statement: str) -> None:
    assert found(f"{statement};", sql=True) == [SQL[statement]]
    assert found(f"await db.q({statement!r})") == [SQL[statement]]


@pytest.mark.parametrize("statement", HARMLESS)
def test_others_are_left_alone(statement: str) -> None:
    assert found(f"{statement};", sql=True) == []
    assert found(f"await db.script({statement!r})") == []


CALLS = {
    'await db.t["a b"].drop()': [("M101", "a b", None)],
    "await db.t.t.drop()": [("M101", "t", None)],
    "await table.drop()": [("M101", None, None)],
    "await db.create(Other, replace=True)": [("M101", "other", None)],
    'await db.create(Made, name="x", replace=True)': [("M101", "x", None)],
    'await db.t["t"].drop_column("x")': [("M102", "t", "x")],
    'await db.t["t"].transform(drop=["x", "y"])': [("M102", "t", "x"), ("M102", "t", "y")],
    'await db.t["t"].transform(drop="x", rename={"a": "b"})': [("M102", "t", "x"), ("M301", "t", None)],
    'await db.t["t"].truncate()': [("M103", "t", None)],
    'await db.t["t"].delete_where(all=True)': [("M103", "t", None)],
    'await db.t["t"].delete_where({"a": 1})': [],
    'await db.t["t"].add_column("x", int)': [("M201", "t", "x")],
    'await db.t["t"].add_column("x", int | None)': [],
    'await db.t["t"].add_column("x", int, default=3)': [],
    'await db.t["t"].add_column("x", ForeignKey[int, "u"] | None)': [("M403", "t", "x")],
    'await db.t["t"].transform(not_null={"a": True, "b": False})': [("M202", "t", "a")],
    'await db.t["t"].transform(types={"a": int})': [("M401", "t", None)],
    'await db.t["t"].rename("u")': [("M301", "t", None)],
    'await db.t["t"].create_index("x")': [("M402", "t", None)],
    'await db.t["made"].create_index("x")': [],
    'await db.v["v"].drop()': [],
}


@pytest.mark.parametrize("call", CALLS)
def test_calls_are_read(call: str) -> None:
    assert found(call) == CALLS[call]


def test_lines_are_those_of_the_file_with_its_seal() -> None:
    text = PYTHON.format(up='await db.t["t"].drop()')
    for seal, line in ((None, 10), ("0" * 64, 11)):
        (hazard,) = hazards_of(MigrationFile(Path("0001-a.py"), text, seal), "sqlite")
        assert (hazard.line, hazard.destructive) == (line, True)
        assert str(hazard) == f"M101 t: drops a table with its rows (line {line})"


def test_what_was_renamed_is_looked_for_by_its_old_name() -> None:
    up = """await db.t.note.rename_column("text", "body")
    await db.t.note.rename("memo")
    await db.t.memo.rename_column("body", "content")
    await db.t.memo.drop_column("content")"""
    assert ("M102", "note", "text") in found(up)


def test_locks_are_no_matter_on_sqlite() -> None:
    assert found("CREATE INDEX i ON t (x);", "sqlite", sql=True) == []
    assert found('await db.t["t"].transform(types={"a": int})', "sqlite") == []


def test_each_rule_is_explained() -> None:
    text = (ROOT / "docs" / "migrations.md").read_text(encoding="utf-8")
    assert [rule.id for rule in RULES if f'<a id="{rule.id.lower()}"></a>' not in text] == []
