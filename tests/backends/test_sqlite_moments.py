"""Datetimes, dates and times of SQLite files in other forms than ours: found by value, and left as they are."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from deebase import (
    Database,
    ForeignKey,
    Index,
    MultipleRowsError,
    UniqueViolationError,
    UTCDateTime,
    ValidationError,
    create_mod_from_tables,
)
from deebase._types.forms.moment_forms import KINDS
from deebase._types.forms.moment_sql import OTHER_FORMS

NEW_YEAR = datetime(2024, 1, 1)
#: The same moment, as other programs write it.
FORMS = (
    "2024-01-01 00:00:00.000000",
    "2024-01-01 00:00:00",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00:00Z",
    "2024-01-01 02:00:00+02:00",
    "2024-01-01",
    1704067200,
)


class Event:
    id: int
    at: datetime
    kind: int = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def by_hand(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program to the same file."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


def written(by_hand: sqlite3.Connection, *forms: Any) -> None:
    by_hand.executemany("INSERT INTO event (at, kind) VALUES (?, 0)", [(form,) for form in forms])


def stored(by_hand: sqlite3.Connection, column: str = "at") -> list[Any]:
    return [row[0] for row in by_hand.execute(f"SELECT {column} FROM event ORDER BY id")]


def helpers(by_hand: sqlite3.Connection) -> list[tuple[str, str]]:
    sql = f"SELECT name, tbl_name FROM sqlite_master WHERE name LIKE '{OTHER_FORMS}%' ORDER BY name"
    return list(by_hand.execute(sql))


# -- what is stored ------------------------------------------------------------------------------------


async def test_a_row_that_is_written_back_keeps_its_form(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=["at"])
        written(by_hand, *FORMS)
        rows = await events()
        assert [row["at"] for row in rows] == [NEW_YEAR] * len(FORMS)
        for row in rows:
            assert await events.update({**row, "kind": 1}) == {**row, "kind": 1}
        await events.update_all(rows)
        for row in rows:
            await events.upsert(row)
        await events.update_where({"at": NEW_YEAR}, all=True)
        assert stored(by_hand) == list(FORMS)
        await events.update_where({"at": NEW_YEAR + timedelta(days=1)}, all=True)
        assert stored(by_hand) == ["2024-01-02 00:00:00.000000"] * len(FORMS)


async def test_a_naive_column_gives_datetimes_with_an_offset_in_utc(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at TIMESTAMP, kind INT)")
    written(by_hand, "2024-01-01 00:30:00+02:00", "2023-12-31 22:30:00.000000")
    async with Database(path) as db:
        await db.reflect()
        events = db.t.event
        one, two = await events(order_by="id")
        assert one["at"] == two["at"] == datetime(2023, 12, 31, 22, 30)
        assert await events.count(at=one["at"]) == 2
        await events.update({**one, "kind": 5})
    assert stored(by_hand) == ["2024-01-01 00:30:00+02:00", "2023-12-31 22:30:00.000000"]
    assert stored(by_hand, "kind") == [5, 0]


async def test_a_default_of_the_database_is_found_by_its_own_value(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute(
        "CREATE TABLE event (id INTEGER PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, kind INT)"
    )
    async with Database(path) as db:
        await db.reflect()
        row = await db.t.event.insert(kind=1)
        assert await db.t.event.lookup(at=row["at"]) == row


async def test_a_default_of_a_class_has_our_form(path: Path, by_hand: sqlite3.Connection) -> None:
    class Event:
        id: int
        at: datetime = NEW_YEAR
        utc: UTCDateTime = NEW_YEAR.replace(tzinfo=UTC)
        clock: time = time(10)
        kind: int = 0

    async with Database(path) as db:
        await db.create(Event)
        by_hand.execute("INSERT INTO event DEFAULT VALUES")
        assert by_hand.execute("SELECT at, utc, clock FROM event").fetchone() == (
            "2024-01-01 00:00:00.000000",
            "2024-01-01 00:00:00.000000",
            "10:00:00.000000",
        )


@pytest.mark.parametrize("form", FORMS, ids=repr)
async def test_a_unique_moment_is_stored_once(path: Path, by_hand: sqlite3.Connection, form: Any) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=[Index("ux_at", "at", unique=True)])
        written(by_hand, form)
        with pytest.raises(UniqueViolationError):
            await events.insert(at=NEW_YEAR)
        row, made = await events.get_or_create(at=NEW_YEAR)
        assert not made
        assert await events.upsert({"at": NEW_YEAR, "kind": 3}, on="at") == {**row, "kind": 3}
        assert await events.insert_all([{"at": NEW_YEAR}] * 2, on_conflict="ignore", on="at") == 0
        assert await events.upsert_all([{"at": NEW_YEAR, "kind": 4}] * 2, on="at") == 2
        await events.update({**row, "kind": 5})
        # What another program writes is still the same text.
        with pytest.raises(sqlite3.IntegrityError):
            written(by_hand, form)
        assert stored(by_hand) == [form]


async def test_a_moment_that_another_row_has_is_refused(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=[Index("ux_at", "at", unique=True)])
        written(by_hand, "2024-01-01T00:00:00Z", "2024-01-02")
        with pytest.raises(UniqueViolationError):
            await events.update({"id": 2, "at": NEW_YEAR})
        with pytest.raises(UniqueViolationError):
            await events.update_all([{"id": 2, "at": NEW_YEAR}])
        with pytest.raises(UniqueViolationError):
            await events.update_where({"at": NEW_YEAR}, all=True)
        assert stored(by_hand) == ["2024-01-01T00:00:00Z", "2024-01-02"]


async def test_a_moment_in_a_unique_pair_is_stored_once(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, kind INT, at DATETIME, x TEXT, UNIQUE (kind, at))")
    forms = ["2024-01-01 00:00:00", "2024-01-02T00:00:00", "2024-01-01 00:00:00Z"]
    by_hand.executemany("INSERT INTO event (kind, at) VALUES (?, ?)", zip([1, 1, 2], forms, strict=True))
    async with Database(path) as db:
        await db.reflect()
        events = db.t.event
        moved = {"id": 3, "kind": 1, "at": NEW_YEAR}
        for change in (
            events.update({"id": 2, "at": NEW_YEAR}),
            events.update({"id": 2, "kind": 1, "at": NEW_YEAR}),
            events.update_all([{"id": 2, "at": NEW_YEAR}]),
            events.update_where({"at": NEW_YEAR}, id=2),
            events.update(moved),
            events.update_all([moved]),
            events.update({"id": 3, "kind": 1}),
            events.update_all([{"id": 3, "kind": 1}]),
            events.update_where({"kind": 1}, id=3),
        ):
            with pytest.raises(UniqueViolationError):
                await change
        for row in await events():
            assert await events.update({**row, "x": "read"}) == {**row, "x": "read"}
        await events.update({**moved, "kind": 3})
        await events.update({"id": 3, "kind": 5})
        await events.update_all([{"id": 3, "kind": 6}])
        await events.update_all([{**moved, "kind": 4}])
    assert stored(by_hand) == forms


async def test_a_moment_in_a_compound_key_is_moved_onto_no_other(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE event (day DATE, at DATETIME, PRIMARY KEY (day, at)) WITHOUT ROWID")
    by_hand.execute("INSERT INTO event VALUES (20240101, '2024-01-01 00:00:00'), ('2024-01-01', '2024-01-02')")
    async with Database(path) as db:
        await db.reflect()
        day = NEW_YEAR.date()
        for new in ({"at": NEW_YEAR}, {"day": day, "at": NEW_YEAR}):
            with pytest.raises(UniqueViolationError):
                await db.t.event.update(new, pk=(day, datetime(2024, 1, 2)))


async def test_a_moment_under_a_unique_index_with_a_condition_is_stored_once(
    path: Path, by_hand: sqlite3.Connection
) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME, kind INT)")
    by_hand.execute("CREATE UNIQUE INDEX live ON event (at) WHERE kind = 1")
    by_hand.execute("INSERT INTO event (at, kind) VALUES ('2024-01-01 00:00:00', 1), ('2024-01-02', 1)")
    async with Database(path) as db:
        await db.reflect()
        for change in (
            db.t.event.insert(at=NEW_YEAR, kind=1),
            db.t.event.insert_all([{"at": NEW_YEAR, "kind": 1}]),
            db.t.event.update(id=2, at=NEW_YEAR),
        ):
            with pytest.raises(UniqueViolationError):
                await change
        assert (await db.t.event.insert(at=NEW_YEAR, kind=2))["id"] == 3


async def test_conditions_on_null_are_those_of_the_column(path: Path) -> None:
    async with Database(path) as db:
        c = (await db.create(Event, indexes=["at"])).c
        dialect = db.engine.dialect
        assert str((c.at == None).compile(dialect=dialect)) == "event.at IS NULL"  # noqa: E711
        assert str((c.at != None).compile(dialect=dialect)) == "event.at IS NOT NULL"  # noqa: E711


async def test_a_key_with_a_moment_in_it(path: Path, by_hand: sqlite3.Connection) -> None:
    class Event:
        device: int
        at: datetime
        kind: int = 0

    async with Database(path) as db:
        events = await db.create(Event, pk=["device", "at"])
        rows = [(n, form) for n, form in enumerate(FORMS)]
        by_hand.executemany("INSERT INTO event (device, at, kind) VALUES (?, ?, 0)", rows)
        for n in range(len(FORMS)):
            assert (await events[n, NEW_YEAR])["at"] == NEW_YEAR
            assert await events.upsert(device=n, at=NEW_YEAR, kind=n) == {"device": n, "at": NEW_YEAR, "kind": n}
        assert await events.update_all([{"device": n, "at": NEW_YEAR, "kind": 9} for n in range(len(FORMS))]) == 7
        assert await events.count(kind=9) == len(FORMS)
        assert await events.delete_all([(n, NEW_YEAR) for n in range(len(FORMS))]) == len(FORMS)


async def test_two_forms_under_one_key_are_two_rows(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE event (at DATETIME PRIMARY KEY, kind INT)")
    written(by_hand, *FORMS[:2])
    async with Database(path) as db:
        await db.reflect()
        assert await db.t.event.count(at=NEW_YEAR) == 2
        with pytest.raises(MultipleRowsError):
            await db.t.event(at=NEW_YEAR).one()
        assert (await db.t.event[NEW_YEAR])["at"] == NEW_YEAR


async def test_text_that_is_no_moment_has_a_place_and_equals_nothing(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME, kind INT)")
    by_hand.execute("CREATE INDEX ix ON event (at)")
    written(by_hand, "n/a", NEW_YEAR.isoformat(), "", 1e300, b"\x00", "2024-13-01", None)
    async with Database(path) as db:
        await db.reflect()
        events = db.t.event
        assert [row["at"] for row in await events(order_by="id")] == [
            *("n/a", NEW_YEAR, "", 1e300, b"\x00", "2024-13-01", None)
        ]
        assert await events.count(at=NEW_YEAR) == 1
        for order in ("at", "-at"):
            in_order = [row["id"] for row in await events(order_by=order)]
            paged: list[int] = []
            after: str | None = None
            while True:
                page = await events.page(size=2, order_by=order, after=after)
                paged += [row["id"] for row in page.rows]
                after = page.next
                if after is None:
                    break
            assert paged == in_order
        assert in_order == [5, 1, 6, 2, 3, 4, 7]


@pytest.mark.parametrize("index", ["", "CREATE INDEX ix ON event (at)"])
async def test_text_that_is_not_valid_is_no_moment(path: Path, by_hand: sqlite3.Connection, index: str) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME, kind INT)")
    by_hand.execute(index)
    written(by_hand, *FORMS)
    by_hand.execute("INSERT INTO event (at) VALUES (CAST(x'32ff61fe' AS TEXT))")
    async with Database(path) as db:
        await db.reflect()
        events = db.t.event
        assert await events.count(at=NEW_YEAR) == len(FORMS)
        assert await events(events.c.at <= NEW_YEAR).count() == len(FORMS)
        assert await events(order_by=["at", "id"]).scalars("id") == list(range(1, 9))
        assert await events.update_where({"kind": 1}, events.c.at >= NEW_YEAR) == len(FORMS) + 1
        assert (await events.update({"id": 8, "at": NEW_YEAR}))["at"] == NEW_YEAR


@pytest.mark.parametrize(
    ("declared", "value"),
    [("DECIMAL TEXT", Decimal("1.5")), ("UUID CHAR", UUID(int=5)), ("DURATION REAL", timedelta(1))],
)
async def test_text_that_is_not_valid_is_replaced(
    path: Path, by_hand: sqlite3.Connection, declared: str, value: Any
) -> None:
    by_hand.execute(f"CREATE TABLE event (id INTEGER PRIMARY KEY, v {declared})")
    by_hand.execute("INSERT INTO event (v) VALUES (CAST(x'ff61fe' AS TEXT))")
    async with Database(path) as db:
        await db.reflect()
        assert (await db.t.event.update(id=1, v=value))["v"] == value


async def test_a_value_for_a_condition_is_of_the_type_of_the_column(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        events = await db.create(Event)
        for wrong in ("2024-01-01", NEW_YEAR.replace(tzinfo=UTC), date(2024, 1, 1), 1704067200):
            with pytest.raises(ValidationError):
                await events.count(at=wrong)
            with pytest.raises(ValidationError):
                await events.update_where({"at": wrong}, all=True)


async def test_dates_are_compared_with_datetimes(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME, day DATE)")
    by_hand.execute("INSERT INTO event (at, day) VALUES ('2024-01-01T00:00:00Z', '2024-01-01 00:00'), "
                    "('2024-01-02 10:00:00', '2024-01-02')")  # fmt: skip
    async with Database(path) as db:
        await db.reflect()
        c = db.t.event.c
        assert [row["id"] for row in await db.t.event(c.at == c.day)] == [1]
        assert [row["id"] for row in await db.t.event(c.at > c.day)] == [2]
        assert [row["id"] for row in await db.t.event(c.day == c.at)] == [1]


async def test_a_selection_of_moments_is_compared_by_value(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=["at"])
        written(by_hand, *FORMS, "2024-01-02 00:00:00")
        c = events.c
        chosen = sa.select(c.at).where(c.id == 4)
        assert await events.count(c.at.in_(chosen)) == len(FORMS)
        assert await events.count(c.at.not_in(chosen)) == 1
        assert await events.count(c.at == chosen.scalar_subquery()) == len(FORMS)
        other = events.sa_table.alias()
        pairs = sa.select(sa.func.count()).select_from(events.sa_table.join(other, c.at == other.c.at))
        assert (await db.q(pairs))[0].popitem()[1] == len(FORMS) ** 2 + 1


@pytest.mark.parametrize("index", ["", "CREATE INDEX ix ON event (at)"])
async def test_moments_are_compared_with_what_the_database_computes(
    path: Path, by_hand: sqlite3.Connection, index: str
) -> None:
    by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME, day DATE, kind INT)")
    by_hand.execute(index)
    written(by_hand, *FORMS, "2024-01-02T00:00", None)
    same, later = list(range(1, 8)), 8
    async with Database(path) as db:
        await db.reflect()
        c = db.t.event.c
        computed: Any = sa.func.datetime("2024-01-01")
        for condition, found in (
            (c.at == computed, same),
            (c.at != computed, [later]),
            (c.at <= computed, same),
            (c.at > computed, [later]),
            (c.at.in_([computed]), same),
            (c.at.not_in([computed]), [later]),
            (c.at.between(computed, computed), same),
            (c.at <= sa.func.date("2024-01-01"), same),
            (c.at == sa.literal_column("'2024-01-01T00:00'"), same),
            (computed == c.at, same),
            (sa.literal(NEW_YEAR) == c.at, same),
            (sa.literal(NEW_YEAR) < c.at, [later]),
            (sa.tuple_(c.at, c.kind).in_([(NEW_YEAR, 0)]), same),
            (c.at == sa.null(), [9]),
        ):
            assert await db.t.event(condition, order_by="id").scalars("id") == found


@pytest.mark.parametrize("declared", ["DATETIME", "DECIMAL TEXT"])
async def test_statements_of_sqlalchemy_sort_by_value(path: Path, by_hand: sqlite3.Connection, declared: str) -> None:
    by_hand.execute(f"CREATE TABLE event (id INTEGER PRIMARY KEY, at {declared}, kind INT)")
    forms = ["2024-01-01T10:00", "2024-01-01 23:00:00", "2024-01-01 12:00:00.000000"]
    written(by_hand, *(forms if declared == "DATETIME" else ["9", "100.0", "20"]), None)
    async with Database(path) as db:
        await db.reflect()
        table = db.t.event.sa_table
        c, other, rows = table.c, table.alias().c, sa.select(table).subquery().c
        number = sa.func.row_number().over(order_by=[c.at, c.id])
        for query in (
            sa.select(c.id).order_by(c.at),
            sa.select(c.id).order_by(c.at.nulls_first()),
            sa.select(c.id).order_by(c.at.asc().nulls_first()),
            sa.select(other.id).order_by(other.at),
            sa.select(rows.id).order_by(rows.at),
            sa.select(c.id).order_by(number),
        ):
            assert [row["id"] for row in await db.q(query)] == [4, 1, 3, 2]
        for order in (c.at.nulls_last(), c.at.asc().nulls_last()):
            assert await db.t.event(order_by=order).scalars("id") == [1, 3, 2, 4]


async def test_many_moments_of_one_condition(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=["at"])
        written(by_hand, *FORMS)
        asked = [NEW_YEAR + timedelta(seconds=n) for n in range(30_000)]
        assert await events.count(at=asked) == len(FORMS)
        assert await events.count(events.c.at.in_(asked)) == len(FORMS)


# -- indexes -------------------------------------------------------------------------------------------


async def plan(db: Database, sql: str) -> list[str]:
    return [row["detail"] for row in await db.q(f"EXPLAIN QUERY PLAN {sql}", ["2024-01-01"] * sql.count("?"))]


def sent(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.records[-1].getMessage()


CONDITIONS = {
    "=": lambda c: c.at == NEW_YEAR,
    "in": lambda c: c.at.in_([NEW_YEAR, NEW_YEAR]),
    "<": lambda c: c.at < NEW_YEAR,
    ">=": lambda c: c.at >= NEW_YEAR,
    "between": lambda c: c.at.between(NEW_YEAR, NEW_YEAR),
    "beside another": lambda c: (c.kind == 1) & (c.at >= NEW_YEAR),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("ours", [True, False], ids=["of a class", "of another program"])
async def test_conditions_use_the_index(
    path: Path, by_hand: sqlite3.Connection, caplog: pytest.LogCaptureFixture, name: str, ours: bool
) -> None:
    if not ours:
        by_hand.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, at DATETIME NOT NULL, kind INT)")
        by_hand.execute("CREATE INDEX ix ON event (at)")
    async with Database(path) as db:
        if ours:
            await db.create(Event, indexes=["at"])
        await db.reflect()
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        await db.t.event(CONDITIONS[name](db.t.event.c))
        details = await plan(db, sent(caplog))
    assert details[0].startswith("SEARCH event USING INDEX")
    assert not any(detail.startswith(("SCAN event", "SCAN deebase_i")) for detail in details)


async def test_a_moment_behind_another_column_is_found_by_their_index(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Event:
        device: int
        at: datetime
        kind: int = 0

    async with Database(path) as db:
        events = await db.create(Event, pk=["device", "at"])
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        await events.get((1, NEW_YEAR), default=None)
        assert "(device=? AND at=?)" in (await plan(db, sent(caplog)))[0]
        await events(events.c.at > NEW_YEAR, device=1)
        assert "(device=? AND at>?)" in (await plan(db, sent(caplog)))[0]


@pytest.mark.parametrize("order", ["at", "-at", ["at", "id"]], ids=repr)
async def test_a_page_is_read_in_the_order_of_the_index(
    path: Path, caplog: pytest.LogCaptureFixture, order: Any
) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=["at"])
        await events.insert_all({"at": NEW_YEAR + timedelta(hours=n)} for n in range(300))
        page = await events.page(size=100, order_by=order)
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        await events.page(size=10, order_by=order, after=page.next)
        details = await plan(db, sent(caplog))
        assert "SEARCH event USING INDEX ix_event_at" in " ".join(details)
        # Of the rows in our form none is sorted.
        assert "USE TEMP B-TREE FOR ORDER BY" not in details[: details.index("RIGHT")]
        await events(order_by=order, limit=10)
        details = await plan(db, sent(caplog))
        assert "SCAN event USING INDEX ix_event_at" in " ".join(details)


def steps_of(path: Path, sql: str, args: list[Any]) -> int:
    """Return how many steps SQLite's virtual machine makes, which no slow machine changes."""
    raw = sqlite3.connect(path)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    for kind in KINDS:
        raw.create_function(kind.name, 1, kind.normal, deterministic=True)
    raw.set_progress_handler(step, 1)
    try:
        raw.execute(sql, args).fetchall()
    finally:
        raw.close()
    return count


async def test_the_work_of_a_page_does_not_grow_with_the_table(
    path: Path, by_hand: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=["at"])
        steps: list[int] = []
        for rows in (1_000, 10_000):
            await events.delete_where(all=True)
            await events.insert_all({"at": NEW_YEAR + timedelta(minutes=n)} for n in range(rows))
            written(by_hand, *FORMS)
            page = await events.page(size=20, order_by="at")
            caplog.set_level(logging.DEBUG, logger="deebase.sql")
            await events.page(size=20, order_by="at", after=page.next)
            sql = sent(caplog)
            places = ["2024-01-01 00:10:00.000000", 5] * (sql.count("?") // 2 - 1)
            steps.append(steps_of(path, sql, [*places, 21, 0]))
            caplog.set_level(logging.WARNING, logger="deebase.sql")
    assert steps[1] < steps[0] * 1.5


async def test_the_indexes_of_our_own_are_not_seen(path: Path, by_hand: sqlite3.Connection, tmp_path: Path) -> None:
    async with Database(path) as db:
        events = await db.create(Event, indexes=["at", ("kind", "at")])
        assert helpers(by_hand) == [(f"{OTHER_FORMS}event_at", "event")]
        known = [index["name"] for index in events.indexes]
        assert known == ["ix_event_at", "ix_event_kind_at"]
        await db.reflect()
        assert [index["name"] for index in db.t.event.indexes] == known
        create_mod_from_tables(tmp_path / "tables.py", *db.t)
        written_out = (tmp_path / "tables.py").read_text()
        assert 'create(Event, indexes=["at", ("kind", "at")]' in written_out
        assert OTHER_FORMS not in written_out


async def test_they_come_and_go_with_the_indexes(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        events = await db.create(Event)
        assert helpers(by_hand) == []
        await events.create_index("at")
        await events.create_index(["kind", "at"])
        assert len(helpers(by_hand)) == 1
        await events.drop_index("ix_event_at")
        assert len(helpers(by_hand)) == 1
        await events.drop_index("ix_event_kind_at")
        assert helpers(by_hand) == []


async def test_they_do_not_hinder_changes_of_the_table(path: Path, by_hand: sqlite3.Connection) -> None:
    class Event:
        id: int
        at: datetime
        day: date
        kind: int = 0

    async with Database(path) as db:
        events = await db.create(Event, indexes=["at"])
        await events.create_index("day")
        row = await events.insert(at=NEW_YEAR, day=NEW_YEAR.date())
        copy = await events.duplicate("other")
        assert await copy() == [row]
        assert [name for name, _ in helpers(by_hand)] == [
            *(f"{OTHER_FORMS}event_at", f"{OTHER_FORMS}event_day", f"{OTHER_FORMS}other_at", f"{OTHER_FORMS}other_day")
        ]
        await copy.drop()
        events = await events.rename_column("at", "began")
        events = await events.transform(not_null={"kind": False})
        assert len(helpers(by_hand)) == 2
        events = await events.transform(types={"day": str})
        await events.drop_index("ix_event_day")
        events = await events.drop_column("day")
        assert await events.count(began=NEW_YEAR) == 1
        assert len(helpers(by_hand)) == 1
        await events.drop_index("ix_event_at")
        events = await events.drop_column("began")
        assert helpers(by_hand) == []
        assert events.columns == ("id", "kind")


async def test_raw_sql_finds_the_index_too(path: Path) -> None:
    async with Database(path) as db:
        await db.create(Event, indexes=["at"])
        assert "USING INDEX ix_event_at" in (await plan(db, "SELECT * FROM event WHERE at > ?"))[0]


async def test_a_foreign_key_of_moments_is_followed_by_an_index(
    path: Path, by_hand: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    class Slot:
        at: datetime
        n: int = 0

    class Event:
        id: int
        at: ForeignKey[datetime, "slot"]
        kind: int = 0

    async with Database(path) as db:
        slots = await db.create(Slot, pk="at")
        events = await db.create(Event, indexes=["at"])
        by_hand.execute("INSERT INTO slot (at) VALUES ('2024-01-01T00:00:00Z'), ('2024-01-02')")
        written(by_hand, "2024-01-01T00:00:00Z", "2024-01-02", "2024-01-02")
        rows = await events(order_by="id")
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        pairs = await events.with_parents(rows, "at")
        assert [parent["at"] for _, parent in pairs] == [row["at"] for row in rows]
        found = await slots.with_children(await slots(order_by="at"), events)
        sql = sent(caplog)
        assert [len(children) for _, children in found] == [1, 2]
        assert "SEARCH event USING INDEX ix_event_at (at=?)" in await plan(db, sql)
