"""Names that other programs gave to columns of a SQLite file: all of them are read and written, also the empty one."""

from __future__ import annotations

from pathlib import Path

import pytest

from deebase import Database, DeeBaseError, ForeignKeyViolationError
from deebase.queries import count
from tests.support.worlds import case

NAMES = ["", " ", "a b", '"', "'", "]", "a.b", ":a", "?", "%s", "\t\n", "\x01\x1b[31m", "\u202eé", "x" * 5000, "select"]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.filterwarnings("error")
async def test_a_column_has_any_name(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        with case(name[:20]):
            path, column = tmp_path / f"{number}.db", quoted(name)
            async with Database(path) as db:
                await db.script(
                    f"CREATE TABLE parent ({column} INTEGER PRIMARY KEY, z text);"
                    f"CREATE TABLE child (y INTEGER PRIMARY KEY, {column} int REFERENCES parent ({column}));"
                    f"CREATE VIEW seen AS SELECT {column} FROM parent"
                )
            async with Database(path) as db:
                await db.reflect()
                parents, children = db.t.parent, db.t.child
                assert (parents.columns, parents.pks) == ((name, "z"), (name,))
                assert await parents.insert({name: 7, "z": "p"}) == {name: 7, "z": "p"}
                assert await children.insert({name: 7}) == {"y": 1, name: 7}
                assert await parents.update({"z": "q"}, pk=7) == {name: 7, "z": "q"}
                assert await children(where={name: 7}, select=[name, f"{name}.z"], order_by=name) == [
                    {name: 7, f"{name}.z": "q"}
                ]
                assert await children(select=[f"{name}.{name}"]) == [{f"{name}.{name}": 7}]
                assert await children.group(name, n=count()) == [{name: 7, "n": 1}]
                assert (await parents.page(order_by=f"-{name}", size=1)).rows == [{name: 7, "z": "q"}]
                assert await db.v.seen() == [{name: 7}]
                assert children.describe(name)[0].references == ("parent", name)
                assert await db.q(f"SELECT {column} FROM parent") == [{name: 7}]
                assert "parent" in db.diagram().svg
                with pytest.raises(ForeignKeyViolationError, match="a row of parent that does not exist"):
                    await children.insert({name: 8})
                with pytest.raises(DeeBaseError, match="no column"):
                    await children(where={f"{name}!": 8})
