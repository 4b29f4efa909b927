"""Paths, sums and groups agree with a plain Python model, on each database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deebase import Database, ForeignKey, Table
from deebase.queries import avg, count, day, hour, max_, min_, month, sum_, year
from tests.support.capabilities import can


class Team:
    id: int
    name: str
    rank: int | None


class Person:
    id: int
    team_id: ForeignKey[int, "team"] | None
    boss_id: ForeignKey[int, "person"] | None
    score: int | None
    amount: Decimal | None
    active: bool
    at: datetime | None


Row = dict[str, Any]

names = st.sampled_from(["a", "b", "c"])
teams = st.lists(st.fixed_dictionaries({"name": names, "rank": st.none() | st.integers(-3, 3)}), min_size=1, max_size=3)
people = st.lists(
    st.fixed_dictionaries(
        {
            "team_id": st.none() | st.integers(1, 3),
            "boss_id": st.none() | st.integers(1, 6),
            "score": st.none() | st.integers(-(2**40), 2**40),
            "amount": st.none() | st.sampled_from([Decimal("0.1"), Decimal("0.10"), Decimal("12345678901234567.89")]),
            "active": st.booleans(),
            "at": st.none()
            | st.datetimes(datetime(1999, 12, 1), datetime(2000, 2, 1)).map(lambda at: at.replace(second=0)),
        }
    ),
    max_size=6,
)
#: Columns by their paths, without those of documents.
PATHS = [
    *("id", "score", "amount", "active", "at", "team_id.name", "team_id.rank"),
    *("boss_id.active", "boss_id.team_id.name", "boss_id.boss_id.score", "boss_id.boss_id.boss_id.amount"),
]
paths = st.sampled_from(PATHS)


class World:
    """Rows in the database, and the same rows in Python."""

    def __init__(self, db: Database, teams: list[Row], people: list[Row]) -> None:
        self.db = db
        self.tables = {
            "team": [{"id": n, **row} for n, row in enumerate(teams, 1)],
            "person": [{"id": n, **row} for n, row in enumerate(people, 1)],
        }
        for row in self.tables["person"]:
            row["team_id"] = row["team_id"] if (row["team_id"] or 9) <= len(teams) else None
            row["boss_id"] = row["boss_id"] if (row["boss_id"] or 9) < row["id"] else None

    async def store(self) -> Table[Row]:
        """Store the rows in place of those of the last example."""
        if "person" not in self.db.t:
            await self.db.create_all(Team, Person)
        people, teams = self.db.t.person, self.db.t.team
        await people.update_where({"boss_id": None}, all=True)
        await people.delete_where(all=True)
        await teams.delete_where(all=True)
        for table, rows in ((teams, self.tables["team"]), (people, self.tables["person"])):
            for row in rows:
                await table.insert(row)
        return people

    def value(self, row: Row | None, path: str) -> Any:
        """Return the value at the end of a path."""
        step, _, rest = path.partition(".")
        if row is None or not rest:
            return None if row is None else row[step]
        found = [each for each in self.tables["team" if step == "team_id" else "person"] if each["id"] == row[step]]
        return self.value(found[0] if found else None, rest)

    def rows(self, condition: Callable[[Row], bool] = lambda row: True) -> list[Row]:
        """Return the people that meet a condition."""
        return [row for row in self.tables["person"] if condition(row)]


@given(teams, people, st.lists(paths, min_size=1, max_size=3, unique=True), paths, st.booleans(), paths, st.data())
async def test_rows_and_pages(
    db: Database,
    teams: list[Row],
    people: list[Row],
    shown: list[str],
    order: str,
    descending: bool,
    given_path: str,
    data: st.DataObject,
) -> None:
    world = World(db, teams, people)
    table = await world.store()
    known = [world.value(row, given_path) for row in world.rows()]
    wanted = data.draw(st.sampled_from([None, *known]))
    rows = world.rows(lambda row: world.value(row, given_path) == wanted)
    nulls_last = can(db).sorts_nulls_last != descending
    rows.sort(key=lambda row: row["id"], reverse=descending)
    present = [row for row in rows if world.value(row, order) is not None]
    present.sort(key=lambda row: world.value(row, order), reverse=descending)
    absent = [row for row in rows if world.value(row, order) is None]
    rows = [*present, *absent] if nulls_last else [*absent, *present]
    expected = [{"id": row["id"], **{path: world.value(row, path) for path in shown}} for row in rows]
    sign = "-" if descending else ""
    query = table(
        where={given_path: wanted},
        select=["id", *[p for p in shown if p != "id"]],
        order_by=[f"{sign}{order}", f"{sign}id"],
    )
    assert await query == expected
    assert await query.count() == len(expected)
    paged: list[Row] = []
    after = None
    while True:
        page = await query.page(size=2, after=after)
        paged += page.rows
        after = page.next
        if after is None:
            break
    assert paged == expected
    assert await table.count(where_is(table, given_path, wanted)) == len(expected)


def where_is(table: Table[Row], path: str, value: Any) -> Any:
    """Return the condition that a path has a value, as an expression."""
    reference: Any = table
    *steps, name = path.split(".")
    for step in steps:
        reference = getattr(reference.fk, step)
    column = reference.c[name]
    return column.is_(None) if value is None else column == value


#: Periods by their names, and what they are in Python.
PERIODS: dict[str, tuple[Any, Callable[[datetime], Any]]] = {
    "year": (year, lambda at: at.year),
    "month": (month, lambda at: date(at.year, at.month, 1)),
    "day": (day, datetime.date),
    "hour": (hour, lambda at: at.replace(minute=0, second=0, microsecond=0)),
}
NUMBERS = ["score", "amount", "team_id.rank", "boss_id.score", "boss_id.boss_id.boss_id.amount"]


def mean(values: list[Any]) -> Any:
    if isinstance(values[0], Decimal):
        return Context(prec=28).divide(Context(prec=100).create_decimal(exact_sum(values)), Decimal(len(values)))
    return sum(values) / len(values)


def exact_sum(values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = Context(prec=100).add(total, value) if isinstance(value, Decimal) else total + value
    return total


AGGREGATES: dict[str, tuple[Any, Callable[[list[Any]], Any]]] = {
    "sum": (sum_, exact_sum),
    "avg": (avg, mean),
    "min": (min_, min),
    "max": (max_, max),
    "different": (lambda column: count(distinct=column), lambda values: len(set(values))),
    "number": (count, len),
}
keys = st.lists(st.sampled_from([*[path for path in PATHS if path != "id"], *PERIODS]), max_size=2, unique=True)
outputs = st.lists(st.tuples(st.sampled_from([*AGGREGATES]), st.sampled_from(NUMBERS)), max_size=3, unique=True)


def key_of_dict(row: Row, keys: list[str]) -> tuple[Any, ...]:
    return tuple([row[key] for key in keys])


@given(teams, people, keys, outputs, st.integers(0, 2), st.booleans())
async def test_groups(
    db: Database,
    teams: list[Row],
    people: list[Row],
    keys: list[str],
    outputs: list[tuple[str, str]],
    more_than: int,
    active: bool,
) -> None:
    world = World(db, teams, people)
    table = await world.store()

    def key_of(row: Row) -> tuple[Any, ...]:
        found = []
        for key in keys:
            if key in PERIODS:
                found.append(None if row["at"] is None else PERIODS[key][1](row["at"]))
            else:
                found.append(world.value(row, key))
        return tuple(found)

    def aggregated(rows: list[Row], kind: str, path: str) -> Any:
        values = [value for value in [world.value(row, path) for row in rows] if value is not None]
        return AGGREGATES[kind][1](values) if values else 0 if kind in ("different", "number") else None

    grouped: dict[tuple[Any, ...], list[Row]] = {} if keys else {(): []}
    for row in world.rows(lambda row: row["active"] == active):
        grouped.setdefault(key_of(row), []).append(row)
    expected = [
        {
            **dict(zip(keys, key, strict=True)),
            "n": len(rows),
            **{f"{kind} {path}": aggregated(rows, kind, path) for kind, path in outputs},
        }
        for key, rows in grouped.items()
        if len(rows) > more_than
    ]
    by = [PERIODS[key][0]("at") if key in PERIODS else key for key in keys]
    made = {f"{kind} {path}": AGGREGATES[kind][0](path) for kind, path in outputs}
    rows = await table.group(*by, n=count(), **made, where={"active": active}, having=count() > more_than)
    assert {key_of_dict(row, keys): row for row in rows} == {key_of_dict(row, keys): row for row in expected}
    assert len(rows) == len(expected)
    for (kind, path), title in zip(outputs, made, strict=True):
        method = getattr(table, kind, None) if kind in ("sum", "avg", "min", "max") else None
        if method is not None:
            everyone = world.rows(lambda row: row["active"] == active)
            found, expected_one = await method(path, active=active), aggregated(everyone, kind, path)
            assert found == expected_one, title
            # With the same digits.
            assert kind not in ("sum", "avg") or str(found) == str(expected_one), title
    if len(keys) == 1 and keys[0] not in PERIODS:
        counted = {key[0]: len(rows) for key, rows in grouped.items()}
        found = await table.values(keys[0], active=active, counts=True)
        assert found == counted
        assert await table.values(keys[0], active=active) == [*found]
        assert [*found] == sorted(counted, key=lambda value: (value is None, 0 if value is None else value))
        different = await table.count(active=active, distinct=keys[0])
        assert different == len(counted.keys() - {None})
