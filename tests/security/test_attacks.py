"""An attacker's notebook: what was tried against scopes, fragments, expressions, records, keys, orders and cursors.

Whatever the outcome of an attempt, the rows of another owner are neither shown nor touched, and what leaves DeeBase is
a DeeBaseError.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import BusyError, Database, DeeBaseError, Index, ScopeError, Table, ValidationError, queries

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)

THEIRS = "theirs"
MINE, OTHER = 7, 8


class Note:
    id: int
    owner: int
    title: str
    n: int = 0


class Target:
    """Two rows of two owners, and a handle that is scoped to one of them."""

    def __init__(self, db: Database, notes: Table[Any]) -> None:
        self.db = db
        self.notes = notes
        self.mine = notes.xtra(owner=MINE)

    async def reset(self) -> None:
        await self.notes.delete_where(all=True)
        await self.notes.insert_all(
            [{"id": 1, "owner": MINE, "title": "mine", "n": 1}, {"id": 2, "owner": OTHER, "title": THEIRS, "n": 2}]
        )

    async def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """Make one attempt and look what became of it."""
        outcome: Any
        try:
            outcome = call()
            outcome = await outcome if hasattr(outcome, "__await__") else outcome
        except DeeBaseError as error:
            outcome = error
        assert THEIRS not in f"{outcome!r} {outcome}", what
        others = await self.notes(self.notes.c.owner != MINE)
        assert others == [{"id": 2, "owner": OTHER, "title": THEIRS, "n": 2}], what
        if await self.notes(order_by="id") != [{"id": 1, "owner": MINE, "title": "mine", "n": 1}, *others]:
            await self.reset()
        return outcome


@pytest.fixture
async def target(db: Database) -> Target:
    table = await db.create(Note, indexes=[Index("ux_title", "title", unique=True)])
    target = Target(db, table)
    await target.reset()
    return target


FRAGMENTS = [
    "1=1 OR 1=1",
    "1=1) OR (1=1",
    "1=1)) OR ((1=1",
    "1=1))",
    "((1=1)",
    "1=1) --",
    "1=1 --",
    "1=1;",
    "1=1; DELETE FROM note",
    "1=1 /*",
    "1=1 /*! OR 1=1 */",
    "1=1 /* /* */ OR 1=1 */",
    "1=1 # OR 1=1",
    "1=1\n OR\r\n1=1",
    "1=1 \u2028OR 1=1",
    "1=1 UNION SELECT * FROM note",
    "1=1 ORDER BY id",
    "1=1 LIMIT 5 OFFSET 0",
    "1=1 GROUP BY owner HAVING 1=1",
    "1=1 RETURNING *",
    "1=1 WINDOW w AS ()",
    "owner = 8",
    "owner = 8 OR owner = 7",
    "TRUE OR note.owner = 8",
    "1=1 AND (owner=8 OR TRUE)",
    "EXISTS (SELECT 1 FROM note WHERE owner=8)",
    "CASE WHEN 1=1 THEN 1=1 END",
    "title = 'x' OR ')' = ')'",
    "title = 'x\\' OR 1=1) OR (1=1 OR title='",
    "title = '\\' OR 1=1 OR title = '\\'",
    "title = E'\\' OR 1=1 --'",
    "title = E'\\') OR (1=1) --'",
    "title = E'\\\\' OR 1=1",
    "title = $$x$$ OR $$) OR (1=1$$ = ''",
    "title = $a$ ' $a$ OR 1=1 OR '' = $a$ ' $a$",
    "title = U&'\\0027) OR (1=1' OR 1=1",
    "N'x' = title OR 1=1",
    "x'27' = '' OR 1=1",
    '1=1 OR title = "mine"',
    "`title` = 'x' OR 1=1",
    "`title` = '`) OR (1=1' OR 1=1",
    "[title] = 'x) OR (1=1' OR 1=1",
    "title LIKE '%' ESCAPE '\\' OR 1=1",
    "title = 'a''' OR 1=1 OR title = ''''",
    "1=1 OR '\0' = ''",
    "1=1 OR '\ud800' = ''",
    "'",
    '"',
    ")",
    "",
    " ",
]


async def test_no_fragment_leads_out_of_a_scope(target: Target) -> None:
    mine = target.mine
    for text in FRAGMENTS:
        await target.attempt(text, lambda text=text: mine(text))
        await target.attempt(text, lambda text=text: mine(text).count())
        await target.attempt(text, lambda text=text: mine.page(text, size=5))
        await target.attempt(text, lambda text=text: mine.update_where({"n": 50}, text))
        await target.attempt(text, lambda text=text: mine.delete_where(text))


async def test_no_parameter_of_a_fragment_meets_one_of_the_scope(target: Target) -> None:
    names = ["owner", "owner_1", "owner_8", "p0", "s0", "w0", "w1", "e0", "param_1", "anon_1", "id", "key", "0", "1"]
    for name in names:
        if name.isidentifier():
            rows = await target.attempt(name, lambda name=name: target.mine(f"n >= :{name} OR :{name} = 0", {name: 0}))
            assert [row["id"] for row in rows] == [1]


def expressions(t: Table[Any]) -> Iterator[Any]:
    """Yield expressions that hold text of their own."""
    c = t.c
    hostile: Any = sa.literal_column("1=1) OR (1=1", sa.Boolean())
    yield from (sa.text("1=1 OR 1=1"), sa.text("1=1) OR (1=1"), hostile, sa.not_(hostile), hostile | sa.true())
    yield from (sa.or_(sa.text("1=1"), sa.text("1=1")), sa.and_(sa.text("1=0 OR 1=1"), sa.text("1=1")))
    yield sa.case((sa.true(), sa.text("1=1 OR 1=1")), else_=sa.false())
    yield sa.type_coerce(sa.text("1=1 OR 1=1"), sa.Boolean)
    yield sa.column('x" OR 1=1 --') == 1
    yield sa.column("1=1 OR 1", is_literal=True) == 1
    yield getattr(sa.func, "coalesce(1,1)=1 OR coalesce")(1) == 1
    yield c.title.collate('x" = 1 OR "1') == "a"
    yield c.n.op("OR 1=1 OR 1=", precedence=-100)(1)
    yield c.n.op("= 0) OR (1=")(1)
    yield c.n.bool_op("=1 OR 1=")(1)
    yield (c.n == 1).label('a" OR 1=1')
    yield c.owner == OTHER
    yield c.owner.in_([MINE, OTHER])
    yield sa.or_(c.owner == OTHER, sa.true())
    yield sa.exists(sa.select(sa.text("1")))
    yield sa.bindparam("owner", 8) == 8


async def test_no_expression_leads_out_of_a_scope(target: Target) -> None:
    for element in expressions(target.notes):
        what = repr(element)
        await target.attempt(what, lambda element=element: target.mine(element))
        await target.attempt(what, lambda element=element: target.mine(element).count())
        await target.attempt(what, lambda element=element: target.mine.delete_where(element))


class Chameleon(int):
    """Equals everything."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


class Shifting(Mapping[str, Any]):
    """Says it is of the scope when it is asked for the first time, and something else from then on."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values
        self._asked = 0

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, name: str) -> Any:
        if name == "owner":
            self._asked += 1
            return MINE if self._asked == 1 else OTHER
        return self._values[name]


class Clause:
    """An object that SQLAlchemy would take for an expression."""

    def __clause_element__(self) -> Any:
        return sa.text("8")


def records() -> Iterator[Any]:
    """Yield records that try to be of another owner."""
    for owner in (OTHER, Chameleon(OTHER), True, "8", 8.0, None, Clause(), sa.text("8"), sa.literal(8), [8], {"x": 8}):
        yield {"id": 1, "owner": owner, "title": "new"}
    for name in ("OWNER", "owner ", "Owner", "note.owner", '"owner"', "owner--"):
        yield {"id": 1, name: OTHER, "title": "new"}
    yield {"id": 1, "owner": MINE, "title": Clause()}
    yield {"id": 1, "owner": MINE, "title": sa.text("(SELECT title FROM note WHERE owner = 8)")}
    yield {"id": 2, "title": "new"}
    yield {"id": Chameleon(2), "title": "new"}
    yield {"id": 1, "title": THEIRS[:-1] + "s"}


async def test_no_record_leaves_a_scope(target: Target) -> None:
    mine = target.mine
    calls: list[Callable[[Any], Awaitable[Any]]] = [
        mine.insert,
        mine.update,
        mine.upsert,
        lambda record: mine.upsert(record, on="title"),
        lambda record: mine.upsert(record, update=["owner"]),
        lambda record: mine.insert_all([record]),
        lambda record: mine.insert_all([record], on_conflict="update"),
        lambda record: mine.insert_all([record], on_conflict="ignore", on="title", returning=True),
        lambda record: mine.update_all([record]),
        lambda record: mine.upsert_all([record]),
        mine.get_or_create,
        lambda record: mine.update_where(record, all=True),
    ]
    for call in calls:
        for record in records():
            outcome = await target.attempt(repr(record), lambda call=call, record=record: call(record))
            if isinstance(outcome, DeeBaseError) and isinstance(record.get("owner"), Chameleon):
                assert isinstance(outcome, ScopeError)
        shifting = Shifting({"id": 1, "owner": MINE, "title": "new"})
        await target.attempt("shifting", lambda call=call, shifting=shifting: call(shifting))


async def test_no_key_is_more_than_a_key(target: Target) -> None:
    keys: list[Any] = [2, [2], (2,), {"id": 2}, "2", 2.0, "2 OR 1=1", b"2", Chameleon(2), None, [1, 2], (1, 2), 2**70]
    keys += [sa.text("2"), target.notes.c.id, Clause(), sa.select(sa.literal(2)).scalar_subquery()]
    for key in keys:
        for call in (target.mine.get, target.mine.delete, target.mine.exists, lambda key: target.mine[key]):
            await target.attempt(repr(key), lambda call=call, key=key: call(key))
        await target.attempt(repr(key), lambda key=key: target.mine.update({"title": "new"}, pk=key))


async def test_no_order_limit_or_selection_is_sql(target: Target) -> None:
    orders = ["id; DROP TABLE note", "(SELECT title FROM note)", "id desc, owner", "id desc nulls last", 'owner"', "--"]
    for order in (*orders, "1", "*", "note.id", "-id desc", "id\0", "", "id--", [["id"]], 1):
        await target.attempt(repr(order), lambda order=order: target.mine(order_by=order))
        await target.attempt(repr(order), lambda order=order: target.mine.page(size=5, order_by=order))
        await target.attempt(repr(order), lambda order=order: target.mine(select=[order]))
        await target.attempt(repr(order), lambda order=order: target.mine().scalars(order))
        await target.attempt(repr(order), lambda order=order: target.mine(select={"x": order}))
        await target.attempt(repr(order), lambda order=order: target.mine(select=["n"], distinct=True, order_by=order))
        await target.attempt(repr(order), lambda order=order: target.mine.count(distinct=order))
        await target.attempt(repr(order), lambda order=order: target.mine.sum(order))
        await target.attempt(repr(order), lambda order=order: target.mine.max(order))
        await target.attempt(repr(order), lambda order=order: target.mine.values(order, counts=True))
        await target.attempt(repr(order), lambda order=order: target.mine.group(order, order_by=order))
        await target.attempt(repr(order), lambda order=order: target.mine.group(x=queries.sum_(order)))
        await target.attempt(repr(order), lambda order=order: target.mine.group("n", where={str(order): 1}))
        await target.attempt(repr(order), lambda order=order: target.mine.group("n", where=order, having=order))
    for number in ("1", -1, True, 1.5, 2**63, 2**70, sa.text("1"), "1; DROP TABLE note", None, float("nan")):
        await target.attempt(repr(number), lambda number=number: target.mine(limit=number))
        await target.attempt(repr(number), lambda number=number: target.mine(offset=number, limit=5))
        await target.attempt(repr(number), lambda number=number: target.mine.page(size=number))


async def test_no_cursor_shows_rows_of_others(target: Target) -> None:
    page = await target.notes.page(size=1, order_by="title")
    cursor = str(page.next)
    forged = [cursor, "", "AAAA", "gASVAAAA", cursor[:-3], f"{cursor}A", "é" * 50, "\0", cursor * 1000, cursor[::-1]]
    for payload in ({"id": 1}, [1, 2], [[OTHER]], "x" * 1000, [None] * 9, [["theirs", 2]]):
        forged.append(base64.urlsafe_b64encode(json.dumps(payload).encode()).decode())
    for text in forged:
        await target.attempt(text[:40], lambda text=text: target.mine.page(size=5, order_by="title", after=text))
        await target.attempt(text[:40], lambda text=text: target.mine.page(size=5, after=text))
    for thing in (1, b"x", None, ["x"], Clause()):
        await target.attempt(repr(thing), lambda thing=thing: target.mine.page(size=5, after=thing))


async def test_what_is_built_to_be_huge_is_refused_at_once(target: Target) -> None:
    c = target.notes.c
    nested: Any = c.n == 0
    for number in range(5000):
        nested = sa.not_(nested & (c.n == number)).self_group()
    attacks: list[Callable[[], Any]] = [
        lambda: target.mine(terms),
        lambda: target.mine(nested),
        lambda: target.mine(select={"x": nested}),
        lambda: target.mine.group("n", having=nested),
        lambda: target.mine.group({"x": nested}),
        lambda: target.mine.max(nested),
        lambda: target.mine(n=list(range(100_000))),
        lambda: target.mine(marks, list(range(100_000))),
        lambda: target.mine.insert({f"c{number}": 1 for number in range(40_000)}),
        lambda: target.mine.page(size=10**9),
        lambda: target.mine.page(size=5, after="A" * 10_000_000),
    ]
    terms = sa.or_(*[c.n == number for number in range(5000)])
    marks = f"n IN ({', '.join('?' * 100_000)})"
    for attack in attacks:
        took = []
        for _ in range(3):
            began = time.perf_counter()
            outcome = await target.attempt("huge", attack)
            took.append(time.perf_counter() - began)
            assert isinstance(outcome, DeeBaseError)
        # The best of three: others use the machine too.
        assert min(took) < 0.1


@pytest.mark.on_a_file
async def test_a_list_of_many_values_is_still_a_condition(target: Target) -> None:
    assert await target.mine(id=list(range(10_000))).count() == 1
    assert await target.notes(target.notes.c.id.in_(range(10_000))).count() == 2
    with pytest.raises(ValidationError, match="30000 values"):
        await target.mine(id=list(range(30_001)))


async def test_waiting_callers_are_bounded(db_url: str) -> None:
    async with Database(db_url, pool_size=1, timeout=1) as db:
        await db.q("SELECT 1")
        entered, leave = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            async with db.transaction():
                entered.set()
                await leave.wait()

        holder = asyncio.create_task(hold())
        await entered.wait()
        waiting = [asyncio.create_task(db.q("CREATE TABLE IF NOT EXISTS t (id INTEGER)")) for _ in range(500)]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        leave.set()
        await holder
        assert {type(result) for result in results} == {BusyError}
