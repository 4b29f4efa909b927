"""The scope matrix: what every public method of a scoped handle may see and touch.

Each case runs one method through a handle that is scoped to one of two owners. The rows of the other owner hold the
word THEIRS; a result or an error that holds it is a leak, and the other rows are compared before and after.
"""

from __future__ import annotations

import enum
import importlib
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
import sqlalchemy as sa

from deebase import (
    Database,
    ForeignKey,
    Index,
    IntegrityError,
    InvalidOperationError,
    NotFoundError,
    ScopeError,
    Table,
    Text,
    UTCDateTime,
    ValidationError,
    queries,
)

THEIRS = "theirs"


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True)
class Kind:
    """A type of scope column, and the values of the two owners."""

    annotation: Any
    mine: Any
    theirs: Any


KINDS = {
    "int": Kind(int, 7, 8),
    "largest int": Kind(int, 2**63 - 1, -(2**63)),
    "zero": Kind(int | None, 0, None),
    "text": Kind(str, "ann", "bob"),
    "quotes": Kind(str, "o'neil\"; --", "' OR 1=1 --"),
    "empty text": Kind(Text, "", " "),
    "null": Kind(int | None, None, 1),
    "null text": Kind(str | None, None, ""),
    "bytes": Kind(bytes, b"\x00\xff'", b"\x00\xff"),
    "bool": Kind(bool, False, True),
    "enum": Kind(Level, Level.LOW, Level.HIGH),
    "literal": Kind(Literal["a", "b"], "a", "b"),
    "float": Kind(float, 0.1, 0.2),
    "decimal": Kind(Decimal, Decimal("1.10"), Decimal("1.1001")),
    "uuid": Kind(UUID, UUID(int=1), UUID(int=2)),
    "date": Kind(date, date(2024, 2, 29), date(2024, 3, 1)),
    "time": Kind(time, time(1, 2, 3, 4), time(1, 2, 3)),
    "datetime": Kind(datetime, datetime(2024, 1, 1, 0, 0, 0, 1), datetime(2024, 1, 1)),
    "aware datetime": Kind(UTCDateTime, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
    "timedelta": Kind(timedelta, timedelta(seconds=1), timedelta(seconds=2)),
}


@dataclass
class World:
    """Two tables with rows of two owners, and handles that are scoped to one of them."""

    db: Database
    kind: Kind
    notes: Table[Any]
    folders: Table[Any]
    mine: Table[Any]
    my_folders: Table[Any]
    #: Keys by owner.
    my_ids: list[int]
    their_ids: list[int]
    my_folder: int
    their_folder: int

    async def others(self) -> list[Any]:
        """Return the rows of the other owner, in both tables, as they are stored."""
        mine = {"owner": self.kind.mine}
        return [
            await table(table.c.owner.is_not(None) if mine["owner"] is None else self._not_mine(table), order_by="id")
            for table in (self.notes, self.folders)
        ]

    def _not_mine(self, table: Table[Any]) -> Any:
        return sa.or_(table.c.owner != self.kind.mine, table.c.owner.is_(None))

    async def count_all(self) -> int:
        """Return the number of all notes."""
        return await self.notes.count()


async def make_world(db: Database, kind: Kind) -> World:
    """Create the tables."""
    folder: Any = type("Folder", (), {"__annotations__": {"id": int, "owner": kind.annotation, "name": str}})
    note: Any = type(
        "Note",
        (),
        {
            "__annotations__": {
                "id": int,
                "owner": kind.annotation,
                "title": str,
                "n": int,
                "folder_id": ForeignKey[int, "folder"] | None,
            }
        },
    )
    folders = await db.create(folder)
    notes = await db.create(note, indexes=[Index("ux_note_title", "title", unique=True)])
    return await fill(db, kind, notes, folders)


async def fill(db: Database, kind: Kind, notes: Table[Any], folders: Table[Any]) -> World:
    """Put the rows that every case starts from."""
    await notes.delete_where(all=True)
    await folders.delete_where(all=True)
    mine_folder = await folders.insert(owner=kind.mine, name="my folder")
    their_folder = await folders.insert(owner=kind.theirs, name=f"{THEIRS} folder")
    rows = []
    for n in range(3):
        rows.append({"owner": kind.mine, "title": f"mine {n}", "n": n, "folder_id": mine_folder["id"]})
        rows.append({"owner": kind.theirs, "title": f"{THEIRS} {n}", "n": n, "folder_id": their_folder["id"]})
    # A note of mine in a folder of theirs, and the other way round.
    rows.append({"owner": kind.mine, "title": "mine astray", "n": 9, "folder_id": their_folder["id"]})
    rows.append({"owner": kind.theirs, "title": f"{THEIRS} astray", "n": 9, "folder_id": mine_folder["id"]})
    stored = await notes.insert_all(rows, returning=True)
    return World(
        db,
        kind,
        notes,
        folders,
        notes.xtra(owner=kind.mine),
        folders.xtra(owner=kind.mine),
        [row["id"] for row in stored if THEIRS not in row["title"]],
        [row["id"] for row in stored if THEIRS in row["title"]],
        mine_folder["id"],
        their_folder["id"],
    )


Case = Callable[[World], Awaitable[Any]]
#: The cases by the public name they cover: "Table.get", "Query.first".
CASES: dict[str, list[Case]] = {}


def covers(*names: str) -> Callable[[Case], Case]:
    """Register a case of public names."""

    def register(case: Case) -> Case:
        for name in names:
            CASES.setdefault(name, []).append(case)
        return case

    return register


async def refused(*kinds: type[BaseException], by: Awaitable[Any]) -> str:
    """Await what must fail with one of these errors, and return the text of the error."""
    with pytest.raises(kinds) as caught:
        await by
    return f"{caught.value} {getattr(caught.value, 'hint', '')} {vars(caught.value)}"


def same_text(one: str, other: str) -> bool:
    """Compare the texts of two errors, apart from the keys that they name."""
    import re

    return re.sub(r"\d+", "#", one) == re.sub(r"\d+", "#", other)


# -- reading ---------------------------------------------------------------------------------------


@covers("Table.get", "View.get")
async def get(w: World) -> Any:
    absent = await refused(NotFoundError, by=w.mine.get(10**9))
    foreign = await refused(NotFoundError, by=w.mine.get(w.their_ids[0]))
    assert same_text(absent, foreign)
    assert await w.mine.get(w.their_ids[0], default=None) is None
    return [await w.mine.get(pk) for pk in w.my_ids]


@covers("Table.__getitem__", "View.__getitem__")
async def item(w: World) -> Any:
    import asyncio

    keys = [*w.my_ids, *w.their_ids]
    # Together, so that the reads share a statement, with those of the handle without a scope among them.
    found = await asyncio.gather(*(w.mine[pk] for pk in keys), return_exceptions=True)
    everything, again = await asyncio.gather(
        asyncio.gather(*(w.notes[pk] for pk in keys)),
        asyncio.gather(*(w.mine[pk] for pk in keys), return_exceptions=True),
    )
    assert len(everything) == len(keys)
    # Two scopes in one turn: each has its own outcome.
    theirs = w.notes.xtra(owner=w.kind.theirs)
    for _ in range(2):
        pairs = await asyncio.gather(
            *(handle[pk] for pk in keys for handle in (w.mine, theirs)), return_exceptions=True
        )
        assert [isinstance(row, NotFoundError) for row in pairs] == [
            (pk in w.their_ids) != one for pk in keys for one in (False, True)
        ]
    for outcome in (found, again):
        assert [isinstance(row, NotFoundError) for row in outcome] == [pk in w.their_ids for pk in keys]
    return [row for row in [*found, *again] if not isinstance(row, NotFoundError)]


@covers("Table.get")
async def get_for_update(w: World) -> Any:
    async with w.db.transaction():
        assert await w.mine.get(w.their_ids[0], default=None, for_update=True) is None
        return await w.mine.get(w.my_ids[0], for_update=True)


@covers("Table.lookup", "View.lookup")
async def lookup(w: World) -> Any:
    await refused(NotFoundError, by=w.mine.lookup(title=f"{THEIRS} 0"))
    await refused(NotFoundError, by=w.mine.lookup("title = ? OR title = ?", [f"{THEIRS} 0", f"{THEIRS} 1"]))
    return await w.mine.lookup("title = 'mine 0' OR 1 = 1")


@covers("Table.__call__", "Query.__await__", "View.__call__")
async def call(w: World) -> Any:
    t = w.mine
    results = [
        await t(),
        await t(n=[0, 1, 2, 9]),
        await t("1 = 1 OR 1 = 1"),
        await t("title <> ? or ? = ?", ["x", 1, 1]),
        await t(where="n >= 0 OR n < 0 OR n IS NULL"),
        await t((t.c.n >= 0) | (t.c.n < 0)),
        await t(t.c.title.like(f"{THEIRS}%") | (t.c.n > -1)),
        await t(order_by="-n", limit=100, offset=0),
        await t(select=["title"]),
        await t(with_pk=True),
    ]
    async with w.db.transaction():
        results += [await t(for_update=True), await t(skip_locked=True)]
    assert all(len(rows) == len(w.my_ids) for rows in results)
    assert await t(w.notes.c.owner == w.kind.theirs) == []
    if w.kind.theirs is not None:
        assert await t(owner=w.kind.theirs) == []
    return results


@covers("Table.__call__")
async def call_with_hostile_text(w: World) -> Any:
    for text in (
        "1 = 1) OR (1 = 1",
        "1 = 1 OR 1 = 1) --",
        "n = 0 -- ",
        "/* */ 1 = 1",
        "n = 0; SELECT 1",
        "n = 0 /*",
        "title = 'a",
        ") OR (",
        "((n = 0)",
        "",
    ):
        await refused(ValidationError, by=_awaited(lambda text=text: w.mine(text)))
        if text:
            await refused(ValidationError, by=_awaited(lambda text=text: w.mine(sa.literal_column(text, sa.Boolean()))))
    expression: Any = w.notes.c.n.op("= 0) OR (1 =")(1)
    await refused(ValidationError, by=_awaited(lambda: w.mine(expression)))
    return await w.mine(sa.literal_column("1 = 1 OR 1 = 1", sa.Boolean()))


async def _awaited(make: Callable[[], Any]) -> Any:
    return await make()


@covers("Query.__aiter__", "Query.stream", "View.__call__", "Table.__aiter__")
async def iterate(w: World) -> Any:
    rows = [row async for row in w.mine("1 = 1 OR n = 0", order_by="id")]
    streamed = [row async for row in w.mine("1 = 1 OR n = 0").stream()]
    everything = [row async for row in w.mine]
    assert len(rows) == len(streamed) == len(everything) == len(w.my_ids)
    return rows, streamed, everything


@covers("Query.arrow", "Query.polars", "Query.pandas")
async def arrow(w: World) -> Any:
    query = w.mine("1 = 1 OR n = 0", order_by="id")
    tables = [await query.arrow(), await query.arrow(json="struct")]
    async with w.db.transaction(read_only=True):
        tables.append(await query.arrow())
    frames = [await query.polars(), await query.pandas()]
    assert [len(each) for each in (*tables, *frames)] == [len(w.my_ids)] * 5
    return [table.to_pylist() for table in tables]


@covers("Query.send", "Query.throw", "Query.close")
async def as_tasks(w: World) -> Any:
    import asyncio

    mine, all_of_it = w.mine(order_by="id"), w.notes(order_by="id")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(query) for query in (mine, all_of_it, mine)]
    assert len(tasks[1].result()) == len(w.my_ids) + len(w.their_ids)
    cancelled = asyncio.create_task(mine)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    mine.close()
    return [tasks[0].result(), tasks[2].result(), await mine]


@covers("Query.first")
async def first(w: World) -> Any:
    assert await w.mine(title=f"{THEIRS} 0").first() is None
    return [await w.mine(order_by="-title").first(), await w.mine(order_by="title").first()]


@covers("Query.one")
async def one(w: World) -> Any:
    absent = await refused(NotFoundError, by=w.mine(title="nobody's").one())
    foreign = await refused(NotFoundError, by=w.mine(title=f"{THEIRS} 0").one())
    assert absent == foreign
    return await w.mine(title="mine 0").one()


@covers("Query.count", "Table.count", "View.count")
async def count(w: World) -> Any:
    assert await w.mine.count() == len(w.my_ids)
    assert await w.mine.count("n = 0 OR 1 = 1") == len(w.my_ids)
    assert await w.mine().count() == len(w.my_ids)
    assert await w.mine.count(title=f"{THEIRS} 0") == 0
    return None


@covers("Query.exists", "Table.exists", "View.exists")
async def exists(w: World) -> Any:
    assert await w.mine.exists(w.my_ids[0])
    assert not await w.mine.exists(w.their_ids[0])
    assert not await w.mine.exists(title=f"{THEIRS} 0")
    assert not await w.mine("title = ?", [f"{THEIRS} 0"]).exists()
    assert await w.mine(title="mine 0").exists()
    return None


@covers("Query.scalars")
async def scalars(w: World) -> Any:
    values = await w.mine("1 = 1 OR 1 = 1", order_by="id").scalars("title")
    assert len(values) == len(w.my_ids)
    return values


@covers("Table.search")
async def search(w: World) -> Any:
    await w.notes.enable_search("title")
    try:
        assert await w.mine.search(THEIRS).count() == 0
        assert await w.mine.search(f"{THEIRS} OR mine", "1 = 1 OR 1 = 1").count() == len(w.my_ids)
        hits = await w.mine.search(f"{THEIRS[:3]}* OR 0 OR 1 OR mine", limit=len(w.my_ids), highlight="title")
        assert sorted(hit.row["id"] for hit in hits) == w.my_ids
        return [hits, await w.mine.search("mine -x", limit=1, offset=1, rows=True)]
    finally:
        await w.notes.disable_search()


@covers("Query.explain")
async def explain(w: World) -> Any:
    return await w.mine(title="x").explain()


@covers("Table.export_file", "View.export_file", "Query.export")
async def export_file(w: World) -> Any:
    texts: list[str] = []
    for form in ("csv", "json"):
        file = io.StringIO()
        # Without the column of the scope, the rows are distinguished by their number.
        count = await w.mine.export_file(file, "1 = 1 OR 1 = 1", format=form, select=["id", "title"])
        assert count == len(w.my_ids)
        texts.append(file.getvalue())
    return texts


@covers("Table.page", "View.page", "Query.page")
async def page(w: World) -> Any:
    rows: list[Any] = []
    for order in (None, "n", ["-n", "title"]):
        cursor: str | None = None
        found: list[Any] = []
        while True:
            part = await w.mine.page("1 = 1 OR 1 = 1", size=2, order_by=order, after=cursor)
            found += part.rows
            cursor = part.next
            if cursor is None:
                break
        assert len(found) == len(w.my_ids)
        # A cursor of the handle without a scope shows nothing that this one would not.
        stranger = await w.notes.page(size=2, order_by=order)
        rows += found + (await w.mine.page(size=50, order_by=order, after=stranger.next)).rows
        end = await w.notes.page(size=50, order_by=order)
        assert len(end.rows) == len(w.my_ids) + len(w.their_ids)
    return rows


@covers("Table.rows_as", "View.rows_as")
async def rows_as(w: World) -> Any:
    @dataclass
    class Short:
        id: int
        title: str

    handle = w.mine.rows_as(Short)
    assert await handle.get(w.their_ids[0], default=None) is None
    return await handle("1 = 1 OR 1 = 1")


@covers("Table.dataclass", "View.dataclass")
async def make_dataclass(w: World) -> Any:
    # On handles of its own: the class stays with the table.
    rows = await w.mine.rows_as(w.mine.dataclass())()
    w.mine._model.row_type = dict
    assert len(rows) == len(w.my_ids)
    return rows


@covers("Table.xtra", "View.xtra")
async def narrow(w: World) -> Any:
    narrower = w.mine.xtra(n=0)
    assert [row["n"] for row in await narrower()] == [0]
    assert [row["n"] for row in await narrower("1 = 1 OR 1 = 1")] == [0]
    await refused(ScopeError, by=_awaited(lambda: w.mine.xtra(owner=w.kind.theirs)))
    await refused(ScopeError, by=_awaited(lambda: narrower.xtra(n=1)))
    same = w.mine.xtra(owner=w.kind.mine)
    return [await narrower(), await same(), repr(w.mine)]


# -- related columns, sums and groups -----------------------------------------------------------------


@covers("Table.__call__", "Query.__await__", "Query.__aiter__", "Query.scalars", "Query.arrow", "Table.fk")
async def paths(w: World) -> Any:
    t, folder = w.mine, w.mine.fk.folder_id.c
    shown = ["id", "folder_id.name", "folder_id.owner"]
    results = [
        await t(select=shown, order_by="-folder_id.name"),
        await t("1 = 1 OR n = 0", select=shown),
        await t(select={"title": "title", "folder": "folder_id.name", "size": sa.func.length(folder.name)}),
        await t((folder.name.is_(None)) | (folder.name != ""), select=shown),
        [row async for row in t(select=shown, order_by=folder.name)],
        await t(select=shown, distinct=True),
        (await t(select=shown).arrow()).to_pylist(),
    ]
    assert [len(rows) for rows in results] == [len(w.my_ids)] * 7
    async with w.db.transaction():
        assert len(await t(folder.name == "my folder", select=shown, for_update=True)) == 3
    # The folder of the stray note is one of theirs: as if there were none.
    for theirs in ({"folder_id.name": f"{THEIRS} folder"}, {"folder_id.owner": w.kind.theirs, "n": 9}):
        assert await t(where=theirs) == [] or w.kind.theirs is None
        assert await t(**theirs).count() == len(await t(where=theirs))
        assert await t.exists(**theirs) == bool(await t(where=theirs))
    assert await t(folder.name.like(f"{THEIRS}%")) == []
    assert await t(where={"folder_id.name": None}).count() == 1
    await refused(ValidationError, by=_awaited(lambda: t(folder.id > 0, select={"a": _text("n) FROM note --")})))
    names = await t(order_by="id").scalars("folder_id.name")
    assert names == ["my folder"] * 3 + [None]
    return [results, names]


@covers("Table.page", "View.page")
async def pages_by_path(w: World) -> Any:
    rows: list[Any] = []
    after = None
    while True:
        page = await w.mine.page(select=["id", "folder_id.name"], order_by="-folder_id.name", size=2, after=after)
        rows += page.rows
        after = page.next
        if after is None:
            break
    assert [row["id"] for row in rows if row["folder_id.name"] is None] == [w.my_ids[-1]]
    assert len(rows) == len(w.my_ids)
    return rows


@covers("Table.update_where", "Table.delete_where", "Table.lookup", "Table.count", "Table.exists", "Query.count")
async def writes_by_path(w: World) -> Any:
    t, folder = w.mine, w.mine.fk.folder_id.c
    theirs = {"folder_id.name": f"{THEIRS} folder"}
    assert await t.update_where({"n": 60}, **theirs) == 0
    assert await t.delete_where(**theirs) == 0
    await refused(NotFoundError, by=t.lookup(**theirs))
    assert not await t.exists(**theirs)
    assert await t.update_where({"n": 61}, "1 = 1 OR n = 0", folder.name == "my folder") == 3
    assert await t.count(folder.name == "my folder") == 3
    assert await t.delete_where((folder.name == "my folder") | (folder.name.is_(None))) == len(w.my_ids)
    return await t()


@covers("Table.__call__", "Table.group", "Table.max", "Table.values", "Table.count", "Table.fk", "Table.update_where")
async def columns_of_other_handles(w: World) -> Any:
    t, theirs = w.mine, w.notes.xtra(owner=w.kind.theirs)
    # Paths of a handle with another scope, or none, keep to the scope of the call.
    for other in (w.notes, theirs):
        name = other.fk.folder_id.c.name
        assert await t.values(name, counts=True) == {"my folder": 3, None: 1}
        assert await t.max(name) == "my folder"
        assert await t.count(name.like(f"{THEIRS}%")) == 0
        assert await t.update_where({"n": 50}, name.like(f"{THEIRS}%")) == 0
        assert len(await t.group({"x": name})) == 2
    alias: Any = w.notes.sa_table.alias()
    folder: Any = w.folders.c.name
    for column in (alias.c.title, folder, sa.func.max(alias.c.title), sa.select(folder).subquery().c.name):
        calls: list[Callable[[], Any]] = [
            lambda column=column: t(select={"x": column}),
            lambda column=column: t(column.like("%")),
            lambda column=column: t(order_by=column),
            lambda column=column: t.group({"x": column}),
            lambda column=column: t.group("owner", x=sa.func.min(column)),
            lambda column=column: t.group("owner", n=queries.count(), having=sa.func.min(column) > ""),
            lambda column=column: t.max(column),
            lambda column=column: t.values(column),
            lambda column=column: t.count(distinct=column),
            lambda column=column: t.update_where({"title": w.db.sql(column)}, all=True),
            lambda column=column: t.delete_where(column != ""),
        ]
        for call in calls:
            await refused(ValidationError, by=_awaited(lambda call=call: call()))
    return await t(order_by="id")


def _text(text: str) -> Any:
    return sa.literal_column(text, sa.Integer())


@covers(
    *[f"{kind}.{name}" for kind in ("Table", "View") for name in ("sum", "avg", "min", "max", "count", "values")],
    "Query.count",
)
async def sums(w: World) -> Any:
    view = await w.db.create_view("sum_view", "SELECT id, owner, title, n FROM note", replace=True)
    own = w.kind.mine.value if isinstance(w.kind.mine, Level) else w.kind.mine
    results: list[Any] = []
    for t in (w.mine, view.xtra(owner=own)):
        assert [await t.sum("n"), await t.avg("n"), await t.min("n"), await t.max("n")] == [12, 3.0, 0, 9]
        assert await t.sum("n", "1 = 1 OR n = 0") == await t.sum("n", (t.c.n > 0) | (t.c.n < 1)) == 12
        assert await t.sum("n", title=f"{THEIRS} 0") is None
        assert await t.count(distinct="title") == await t().count(distinct="title") == len(w.my_ids)
        assert sum((await t.values("title", counts=True)).values()) == len(w.my_ids)
        results += [await t.min("title"), await t.max("title"), await t.values("title"), await t.values("owner")]
        for call in (t.sum, t.avg, t.min, t.values):
            await refused(ValidationError, by=call(_text("n) FROM note --")))
    folder = w.mine.fk.folder_id.c
    assert await w.mine.count(distinct="folder_id.name") == 1
    assert await w.mine.values("folder_id.name", counts=True) == {"my folder": 3, None: 1}
    return [results, await w.mine.max(folder.name), await w.mine.values("folder_id.name")]


@covers("Table.group", "View.group")
async def groups(w: World) -> Any:
    t = w.mine
    rows = await t.group(
        "folder_id.name", "owner", n=queries.count(), total=queries.sum_("n"), last=queries.max_("title"), order_by="-n"
    )
    assert [row["n"] for row in rows] == [3, 1]
    assert [row["folder_id.name"] for row in rows] == ["my folder", None]
    some = await t.group("title", where="1 = 1 OR 1 = 1", having=queries.count() > 0)
    assert len(some) == len(await t.group("title", where=["n >= ? OR 1 = 1", [0]])) == len(w.my_ids)
    assert await t.group("title", where={"folder_id.name": f"{THEIRS} folder"}) == []
    for hostile in ("1 = 1) OR (1 = 1", "1 = 1 --", "1; SELECT 1"):
        condition = sa.literal_column(hostile, sa.Boolean())
        await refused(ValidationError, by=t.group("title", having=condition))
        await refused(ValidationError, by=t.group("title", where=condition))
        await refused(ValidationError, by=t.group({"x": _text(hostile)}))
        await refused(ValidationError, by=t.group("title", x=_text(hostile)))
    view = await w.db.create_view("group_view", "SELECT id, owner, title, n FROM note", replace=True)
    own = w.kind.mine.value if isinstance(w.kind.mine, Level) else w.kind.mine
    return [rows, some, await view.xtra(owner=own).group("title", n=queries.count())]


@covers("Table.json", "View.json", "Table.update_where", "Table.update", "Table.page", "Table.group")
async def json_parts(w: World) -> Any:
    hints = {
        "id": int,
        "owner": w.kind.annotation,
        "folder_id": ForeignKey[int, "folder"] | None,
        "doc": dict[str, Any],
    }
    papers = (await w.db.create(type("Paper", (), {"__annotations__": hints}))).rows_as(dict)
    for owner, word in ((w.kind.mine, "mine"), (w.kind.theirs, THEIRS)):
        await papers.insert(owner=owner, folder_id=w.their_folder, doc={"word": word, "list": [word]})
    t = papers.xtra(owner=w.kind.mine)
    view = (await w.db.create_view("paper_view", "SELECT id, owner, doc FROM paper", replace=True)).rows_as(dict)
    word, doc = t.json("doc", "word", as_=str), t.json("doc")
    assert await t.count(doc["list"].contains(THEIRS) | (word == THEIRS) | doc.contains({"word": THEIRS})) == 0
    assert await t.update_where({"doc": queries.merge({"n": 1})}, doc.has_key("word") | (word == THEIRS)) == 1
    await refused(NotFoundError, by=t.update({"id": 2, "doc": queries.merge({"n": 1})}))
    results = [await t(select=[word, doc]), await t.values(word), await t.max(word), await t.group(word)]
    results.append((await t.page(order_by=word.desc(), size=5)).rows)
    assert view.json("doc", "word", as_=str).type
    assert await papers.count(papers.json("doc").has_key("n")) == 1
    await w.db.v.paper_view.drop()
    await papers.drop()
    return results


# -- writing ---------------------------------------------------------------------------------------


@covers("Table.insert")
async def insert(w: World) -> Any:
    made = await w.mine.insert(title="new", n=1)
    assert made["owner"] == w.kind.mine
    given = await w.mine.insert({"title": "newer", "n": 1, "owner": w.kind.mine})
    before = await w.count_all()
    await refused(ScopeError, by=w.mine.insert(title="moved", n=1, owner=w.kind.theirs))
    await refused(IntegrityError, by=w.mine.insert(title=f"{THEIRS} 0", n=1))
    await refused(IntegrityError, by=w.mine.insert(id=w.their_ids[0], title="x", n=1))
    assert await w.count_all() == before
    return [made, given]


@covers("Table.insert_all")
async def insert_all(w: World) -> Any:
    assert await w.mine.insert_all([{"title": "a", "n": 1}, {"title": "b", "n": 2, "owner": w.kind.mine}]) == 2
    assert await w.mine.count(title=["a", "b"]) == 2
    before = await w.count_all()
    await refused(
        ScopeError, by=w.mine.insert_all([{"title": "c", "n": 1}, {"title": "d", "n": 1, "owner": w.kind.theirs}])
    )
    assert await w.count_all() == before
    return await w.mine.insert_all([{"title": "e", "n": 1}], returning=True)


@covers("Table.insert_all", "Table.upsert_all")
async def insert_arrow(w: World) -> Any:
    pa: Any = importlib.import_module("pyarrow")
    assert await w.mine.insert_all(pa.table({"title": ["a"], "n": [1]})) == 1
    theirs = await w.notes(title=f"{THEIRS} 0").arrow()
    await refused(ScopeError, by=w.mine.insert_all(theirs.drop_columns(["id"])))
    await refused(ScopeError, by=w.mine.upsert_all(theirs))
    return None


@covers("Table.insert_all")
async def insert_all_on_conflict(w: World) -> Any:
    rows = [{"title": "new", "n": 5}, {"title": f"{THEIRS} 0", "n": 5}]
    ignored = await w.mine.insert_all(rows, on_conflict="ignore", on="title", returning=True)
    assert [row["title"] for row in ignored] == ["new"]
    before = await w.count_all()
    await refused(IntegrityError, by=w.mine.insert_all(rows, on_conflict="update", on="title"))
    await refused(IntegrityError, by=w.mine.insert_all(rows, on_conflict="update", on="title", returning=True))
    assert await w.count_all() == before
    return ignored


@covers("Table.upsert")
async def upsert(w: World) -> Any:
    changed = await w.mine.upsert({"title": "mine 0", "n": 50}, on="title")
    made = await w.mine.upsert({"id": 10**6, "title": "made", "n": 1})
    before = await w.count_all()
    await refused(IntegrityError, by=w.mine.upsert({"id": w.their_ids[0], "title": "taken", "n": 1}))
    await refused(IntegrityError, by=w.mine.upsert({"title": f"{THEIRS} 0", "n": 1}, on="title"))
    await refused(IntegrityError, by=w.mine.upsert({"title": f"{THEIRS} 0", "n": 1}, on="title", update=["n"]))
    await refused(ScopeError, by=w.mine.upsert({"id": w.my_ids[0], "title": "x", "n": 1, "owner": w.kind.theirs}))
    assert await w.count_all() == before
    return [changed, made]


@covers("Table.upsert_all")
async def upsert_all(w: World) -> Any:
    assert await w.mine.upsert_all([{"title": "mine 0", "n": 1}, {"title": "fresh", "n": 2}], on="title") == 2
    before = await w.count_all()
    foreign = [{"title": "mine 1", "n": 70}, {"title": f"{THEIRS} 1", "n": 70}]
    await refused(IntegrityError, by=w.mine.upsert_all(foreign, on="title"))
    await refused(IntegrityError, by=w.mine.upsert_all([{"id": w.their_ids[1], "title": "y", "n": 1}]))
    await refused(ScopeError, by=w.mine.upsert_all([{"title": "z", "n": 1, "owner": w.kind.theirs}], on="title"))
    assert await w.count_all() == before
    assert await w.mine.count(n=70) == 0
    return await w.mine.upsert_all([{"title": "mine 2", "n": 3}], on="title", returning=True)


@covers("Table.update")
async def update(w: World) -> Any:
    row = await w.mine.update({"id": w.my_ids[0], "n": 100})
    again = await w.mine.update(pk=w.my_ids[0], n=w.db.sql(w.notes.c.n + 1))
    kept = await w.mine.update({"id": w.my_ids[0], "n": 1, "owner": w.kind.mine})
    absent = await refused(NotFoundError, by=w.mine.update({"id": 10**9, "n": 1}))
    foreign = await refused(NotFoundError, by=w.mine.update({"id": w.their_ids[0], "n": 1}))
    assert same_text(absent, foreign)
    await refused(NotFoundError, by=w.mine.update(pk=w.their_ids[0], n=w.db.sql(w.notes.c.n + 1)))
    await refused(ScopeError, by=w.mine.update({"id": w.my_ids[0], "owner": w.kind.theirs}))
    await refused(ScopeError, by=w.mine.update(pk=w.my_ids[0], owner=w.db.sql(w.notes.c.owner)))
    return [row, again, kept]


@covers("Table.update_all")
async def update_all(w: World) -> Any:
    assert await w.mine.update_all([{"id": w.my_ids[0], "n": 5}, {"id": w.my_ids[1], "n": 6}]) == 2
    both = [{"id": w.my_ids[0], "n": 77}, {"id": w.their_ids[0], "n": 77}]
    foreign = await refused(NotFoundError, by=w.mine.update_all(both))
    await refused(ScopeError, by=w.mine.update_all([{"id": w.my_ids[0], "owner": w.kind.theirs}]))
    assert await w.notes.count(n=77) == 0
    return foreign


@covers("Table.convert")
async def convert(w: World) -> Any:
    seen: list[Any] = []

    def changed(n: int, title: str) -> tuple[int, str]:
        seen.append(title)
        return n + 50, title

    assert await w.mine.convert(["n", "title"], changed) == len(w.my_ids)
    assert await w.mine.convert("n", lambda n: n, "1 = 1 OR 1 = 1") == 0
    await refused(ScopeError, by=w.mine.convert("owner", lambda _: w.kind.theirs))
    foreign = await refused(IntegrityError, by=w.mine.convert("title", lambda _: f"{THEIRS} 0", id=w.my_ids[0]))
    assert await w.mine.convert("title", lambda _: "x", id=w.their_ids[0]) == 0
    return [seen, str(foreign).replace(THEIRS, "")]


@covers("Table.import_file")
async def import_file(w: World) -> Any:
    assert await (await w.mine.import_file(b"title,n\na,1\nb,2\n")).count(title=["a", "b"]) == 2
    before = await w.count_all()
    file = w.notes(title=f"{THEIRS} 0", select=["owner", "title", "n"])
    target = io.BytesIO()
    await file.export(target, format="json")
    await refused(ScopeError, by=w.mine.import_file(target.getvalue()))
    await refused(ScopeError, by=w.mine.import_file(b"title,n\nc,1\n", extra={"owner": w.kind.theirs}))
    taken = b"title,n\n" + f"{THEIRS} 0,1\n".encode()
    await refused(IntegrityError, by=w.mine.import_file(taken, on_conflict="update", on="title"))
    assert await w.count_all() == before
    return await w.mine(title=["a", "b"])


@covers("Table.update_where")
async def update_where(w: World) -> Any:
    assert await w.mine.update_where({"n": 40}, "1 = 1 OR 1 = 1") == len(w.my_ids)
    assert await w.mine.update_where({"n": 41}, all=True) == len(w.my_ids)
    assert await w.mine.update_where({"n": 42}, title=f"{THEIRS} 0") == 0
    await refused(ScopeError, by=w.mine.update_where({"owner": w.kind.theirs}, all=True))
    await refused(ScopeError, by=w.mine.update_where({"owner": w.db.sql(w.notes.c.owner)}, all=True))
    return None


@covers("Table.get_or_create")
async def get_or_create(w: World) -> Any:
    found, made = await w.mine.get_or_create({"title": "mine 0"}, defaults={"n": 1})
    assert not made
    new, made = await w.mine.get_or_create({"title": "brand new"}, defaults={"n": 1})
    assert made
    before = await w.count_all()
    await refused(IntegrityError, by=w.mine.get_or_create({"title": f"{THEIRS} 0"}, defaults={"n": 1}))
    await refused(ScopeError, by=w.mine.get_or_create({"title": "x"}, defaults={"n": 1, "owner": w.kind.theirs}))
    assert await w.count_all() == before
    return [found, new]


@covers("Table.delete")
async def delete(w: World) -> Any:
    absent = await refused(NotFoundError, by=w.mine.delete(10**9))
    foreign = await refused(NotFoundError, by=w.mine.delete(w.their_ids[0]))
    assert same_text(absent, foreign)
    await w.mine.delete(w.my_ids[0])
    assert await w.mine.count() == len(w.my_ids) - 1
    return None


@covers("Table.delete_all")
async def delete_all(w: World) -> Any:
    assert await w.mine.delete_all([*w.my_ids, *w.their_ids]) == len(w.my_ids)
    return await w.mine()


@covers("Table.delete_where")
async def delete_where(w: World) -> Any:
    assert await w.mine.delete_where(title=f"{THEIRS} 0") == 0
    assert await w.mine.delete_where("n = 0 OR 1 = 1") == len(w.my_ids)
    assert await w.mine.delete_where(all=True) == 0
    return await w.mine()


# -- navigation ------------------------------------------------------------------------------------


@covers("Table.fk")
async def fk(w: World) -> Any:
    own = await w.mine.get(w.my_ids[0])
    astray = await w.mine.lookup(title="mine astray")
    assert await w.mine.fk.folder_id(astray) is None
    foreign = await w.notes.get(w.their_ids[0])
    assert await w.mine.fk.folder_id(foreign) is None
    return await w.mine.fk.folder_id(own)


@covers("Table.get_parent")
async def get_parent(w: World) -> Any:
    astray = await w.mine.lookup(title="mine astray")
    assert await w.mine.get_parent(astray, "folder_id") is None
    return await w.mine.get_parent(await w.mine.get(w.my_ids[0]), "folder_id")


@covers("Table.get_children")
async def get_children(w: World) -> Any:
    mine, theirs = await w.folders.get(w.my_folder), await w.folders.get(w.their_folder)
    results = [
        await w.my_folders.get_children(mine, "note", "folder_id"),
        await w.my_folders.get_children(mine, w.notes, "folder_id"),
        await w.folders.get_children(mine, w.mine, "folder_id"),
        await w.my_folders.get_children(mine, "note", "folder_id", "1 = 1 OR 1 = 1"),
        await w.my_folders.get_children(theirs, "note", "folder_id"),
    ]
    assert [len(rows) for rows in results] == [3, 3, 3, 3, 1]
    other = w.notes.xtra(owner=w.kind.theirs)
    await refused(ScopeError, by=_awaited(lambda: w.my_folders.get_children(mine, other, "folder_id")))
    return results


@covers("Table.with_parents")
async def with_parents(w: World) -> Any:
    pairs = await w.mine.with_parents(w.mine(order_by="id"), "folder_id")
    assert [parent is None for _, parent in pairs] == [False, False, False, True]
    foreign = await w.notes(id=w.their_ids, order_by="id")
    assert [parent for _, parent in await w.mine.with_parents(foreign, "folder_id")][:3] == [None] * 3
    return pairs


@covers("Table.with_children")
async def with_children(w: World) -> Any:
    groups = await w.my_folders.with_children(w.my_folders(), "note", "folder_id")
    assert [len(notes) for _, notes in groups] == [3]
    unscoped = await w.folders(order_by="id")
    found = await w.my_folders.with_children(unscoped, w.notes, "folder_id")
    assert [len(notes) for _, notes in found] == [3, 1]
    narrowed = await w.folders.with_children(unscoped, w.mine, "folder_id")
    return [groups, [notes for _, notes in found], [notes for _, notes in narrowed]]


@covers("Table.children")
async def children(w: World) -> Any:
    for handle in (w.folders, w.my_folders):
        notes = handle.children("note", "folder_id")
        assert await w.my_folders.count(notes.any(title=f"{THEIRS} astray")) == 0
        assert await w.my_folders.count(notes.any("1 = 1 OR 1 = 1")) == 1
        assert await w.my_folders.count(notes.none("n = 9")) == 1
        assert await w.my_folders.count(notes.count == 3) == 1
        assert await w.my_folders.sum(notes.count) == 3
    theirs = w.folders.xtra(owner=w.kind.theirs).children("note", "folder_id")
    await refused(ScopeError, by=_awaited(lambda: w.my_folders(theirs.any())))
    number = w.folders.children("note", "folder_id").count
    return [
        await w.my_folders(select={"name": "name", "notes": number}, order_by=number.desc()),
        await w.my_folders.group("name", notes=queries.sum_(number)),
        await w.folders(select={"n": w.folders.children(w.mine, "folder_id").count}, order_by="id"),
    ]


@covers("Table.with_related")
async def with_related(w: World) -> Any:
    link: Any = type(
        "Link", (), {"__annotations__": {"note_id": ForeignKey[int, "note"], "folder_id": ForeignKey[int, "folder"]}}
    )
    links = await w.db.create(link, pk=["note_id", "folder_id"])
    try:
        ids = [*w.my_ids[:2], *w.their_ids[:2]]
        await links.insert_all({"note_id": note, "folder_id": f} for note in ids for f in (w.my_folder, w.their_folder))
        unscoped = await w.folders(order_by="id")
        found = await w.my_folders.with_related(unscoped, through="link", to=w.notes, order_by="title")
        back = await w.mine.with_related(
            w.mine(order_by="id"), through=links, to="folder", order_by="-name", links=True
        )
        assert [len(notes) for _, notes in found] == [2, 0]
        assert [len(folders) for _, folders in back] == [1, 1, 0, 0]
        return [[notes for _, notes in found], back]
    finally:
        await links.drop()


# -- views -----------------------------------------------------------------------------------------


@covers(
    "View.get",
    "View.__getitem__",
    "View.lookup",
    "View.__call__",
    "View.count",
    "View.exists",
    "View.page",
    "View.rows_as",
    "View.dataclass",
    "View.xtra",
    "View.__aiter__",
    "View.drop",
    "View.refresh",
)
async def views(w: World) -> Any:
    view = await w.db.create_view("note_view", "SELECT id, owner, title, n FROM note", replace=True)
    # A view has no class: of an Enum it knows the values.
    own, other = [value.value if isinstance(value, Level) else value for value in (w.kind.mine, w.kind.theirs)]
    mine = view.xtra(owner=own)
    await refused(NotFoundError, by=mine.get(w.their_ids[0]))
    await refused(NotFoundError, by=mine[w.their_ids[0]])
    await refused(NotFoundError, by=mine.lookup(title=f"{THEIRS} 0"))
    await refused(ValidationError, by=_awaited(lambda: mine("1 = 1) OR (1 = 1")))
    await refused(ScopeError, by=_awaited(lambda: mine.xtra(owner=other)))
    await refused(InvalidOperationError, by=mine.drop())
    await refused(InvalidOperationError, by=mine.refresh())
    assert await mine.count("1 = 1 OR 1 = 1") == len(w.my_ids)
    assert not await mine.exists(w.their_ids[0])
    assert not await mine.exists(title=f"{THEIRS} 0")
    results = [
        await mine("1 = 1 OR 1 = 1"),
        [row async for row in mine(order_by="id")],
        [row async for row in mine],
        [await mine[pk] for pk in w.my_ids],
        (await mine.page("1 = 1 OR 1 = 1", size=50, order_by="-n")).rows,
        await mine.rows_as(mine.dataclass())(),
    ]
    assert [len(rows) for rows in results] == [len(w.my_ids)] * 6
    return results


# -- the table itself ------------------------------------------------------------------------------


@covers(
    "Table.create_index",
    "Table.drop_index",
    "Table.enable_search",
    "Table.disable_search",
    "Table.add_column",
    "Table.rename_column",
    "Table.drop_column",
    "Table.transform",
    "Table.transform_plan",
    "Table.transform_sql",
    "Table.schema_editor",
    "Table.duplicate",
    "Table.extract",
    "Table.rename",
    "Table.truncate",
    "Table.drop",
)
async def structure(w: World) -> Any:
    texts = [
        await refused(InvalidOperationError, by=call)
        for call in (
            w.mine.create_index("n"),
            w.mine.drop_index("ux_note_title"),
            w.mine.enable_search("title"),
            w.mine.disable_search(),
            w.mine.add_column("more", int | None),
            w.mine.rename_column("n", "m"),
            w.mine.drop_column("n"),
            w.mine.transform(drop="n"),
            w.mine.transform_plan(drop="n"),
            w.mine.transform_sql(drop="n"),
            w.mine.duplicate("other"),
            w.mine.extract("n", table="other"),
            w.mine.import_file(b"title,other\na,b\n", alter=True),
            w.mine.rename("other"),
            w.mine.truncate(),
            w.mine.drop(),
            w.mine.schema_editor.drop_column("n"),
        )
    ]
    assert w.notes.columns == ("id", "owner", "title", "n", "folder_id")
    return texts


# -- what has no rows ------------------------------------------------------------------------------

#: Public names that show or change no rows of a scope, and why.
EXEMPT = {
    "Table.__await__": "raises always",
    "View.__await__": "raises always",
    "Query.__getitem__": "raises always",
    "Table.name": "the table's name",
    "Table.c": "SQLAlchemy's columns",
    "Table.columns": "names",
    "Table.pks": "names",
    "Table.sa_table": "SQLAlchemy's table, which knows no scope; documented",
    "Table.foreign_keys": "names",
    "Table.schema": "the DDL",
    "Table.describe": "the columns",
    "Table.searchable": "whether there is an index",
    "Table.secure": "names",
    "View.secure": "names",
    "Table.transaction": "no rows",
    "Table.table_exists": "no rows",
    "Table.indexes": "names",
    "View.name": "the view's name",
    "View.describe": "the columns",
    "View.searchable": "whether there is an index",
    "View.transaction": "no rows",
    "View.table_exists": "no rows",
    "View.c": "SQLAlchemy's columns",
    "View.columns": "names",
    "View.pks": "names",
    "View.sa_table": "SQLAlchemy's table, which knows no scope; documented",
}
