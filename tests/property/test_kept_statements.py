"""A statement that was kept for an expression never holds a value of an earlier call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from deebase import Database, Table

#: Makes an expression over the columns of a table from whole numbers, of which it may use any.
Make = Callable[[Any, list[int]], Any]


class Tripled(sa.TypeDecorator[int]):
    """A type that changes its values by what it was made with."""

    impl = sa.Integer
    cache_ok = True

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else value * self.factor


def _window(t: Any, v: list[int]) -> Any:
    ranked = sa.select(t.id, sa.func.row_number().over(order_by=t.n + v[0]).label("place")).subquery()
    # Named, because SQLAlchemy by itself correlates only with the select right around a subquery.
    return sa.select(ranked.c.place).where(ranked.c.id == t.id).correlate(t.id.table).scalar_subquery()


def _cte(t: Any, v: list[int]) -> Any:
    part = sa.select(t.n.label("n")).where(t.id <= v[0]).cte()
    return sa.select(sa.func.coalesce(sa.func.max(part.c.n), v[1])).scalar_subquery()


NUMBERS: dict[str, Make] = {
    "column": lambda t, v: t.n,
    "literal": lambda t, v: sa.literal(v[0]),
    "literal in the text": lambda t, v: sa.literal(v[0], literal_execute=True),
    "parameter in the text": lambda t, v: sa.bindparam(f"given{v[0]}", v[0], literal_execute=True),
    "named": lambda t, v: sa.bindparam(f"p{v[0]}", v[0], sa.Integer()),
    "called": lambda t, v: sa.bindparam(f"called{v[0]}", callable_=lambda: v[0], type_=sa.Integer()),
    "text": lambda t, v: sa.literal_column(str(v[0]), sa.Integer()),
    "sum": lambda t, v: t.n + v[0],
    "cast": lambda t, v: sa.cast(sa.cast(sa.literal(v[0]), sa.String()), sa.Integer()),
    "case": lambda t, v: sa.case((t.n > v[0], v[1]), else_=v[2]),
    "function": lambda t, v: sa.func.coalesce(sa.null(), v[0]),
    "own type": lambda t, v: sa.literal(v[0], Tripled(v[1] % 3 + 1)),
    "sub-select": lambda t, v: sa.select(sa.func.count() + v[0]).select_from(t.n.table.alias()).scalar_subquery(),
    "text in a sub-select": lambda t, v: (
        sa.select(sa.literal_column("max(id)", sa.Integer()))
        .select_from(t.n.table.alias("other"))
        .where(sa.text("other.n <= :most").bindparams(most=v[0]))
        .scalar_subquery()
    ),
    "limited sub-select": lambda t, v: (
        sa.select(t.n.table.alias().c.id).order_by(sa.literal_column("1")).limit(1).offset(v[0] % 4).scalar_subquery()
    ),
    "window": _window,
    "common table expression": _cte,
}
CONDITIONS: dict[str, Callable[[Any, Any, Any, list[int]], Any]] = {
    "equal": lambda t, a, b, v: a == b,
    "less": lambda t, a, b, v: a < b,
    "between": lambda t, a, b, v: a.between(b, v[0]),
    "in": lambda t, a, b, v: a.in_([*v]),
    "not in": lambda t, a, b, v: a.not_in(v[: v[0] % 3]),
    "tuples": lambda t, a, b, v: sa.tuple_(t.id, t.n).in_([(v[0], v[1]), (v[1], v[0]), (v[2], v[2])]),
    "like": lambda t, a, b, v: t.s.like(f"%{v[0] % 10}%"),
    "contains": lambda t, a, b, v: t.s.contains(str(v[0] % 10), autoescape=True),
    "collated": lambda t, a, b, v: t.s == sa.literal(f"s{v[0]}"),
    "exists": lambda t, a, b, v: sa.exists(sa.select(sa.literal_column("1")).where(a > v[0])),
    "expanded in the text": lambda t, a, b, v: a.in_(sa.bindparam("list", v, expanding=True, literal_execute=True)),
    "not": lambda t, a, b, v: sa.not_(a > b),
}

VALUES = st.lists(st.integers(0, 9), min_size=3, max_size=3)


@pytest.fixture
async def t(db: Database) -> Table[dict[str, Any]]:
    await db.q("CREATE TABLE t (id integer PRIMARY KEY, n integer, s text, p0 integer, p1 integer)")
    table = await db.reflect_table("t")
    await table.insert_all({"id": n, "n": (n * 7) % 10, "s": f"s{n}", "p0": n, "p1": 9 - n} for n in range(10))
    return table


@given(
    left=st.sampled_from(sorted(NUMBERS)),
    right=st.sampled_from(sorted(NUMBERS)),
    condition=st.sampled_from(sorted(CONDITIONS)),
    scoped=st.booleans(),
    runs=st.lists(VALUES, min_size=2, max_size=3),
)
async def test_an_expression_gives_with_each_value_what_it_gives_without_a_kept_statement(
    t: Table[dict[str, Any]],
    left: str,
    right: str,
    condition: str,
    scoped: bool,
    runs: list[list[int]],
) -> None:
    def made(v: list[int]) -> Any:
        return CONDITIONS[condition](t.c, NUMBERS[left](t.c, v), NUMBERS[right](t.c, v[::-1]), v)

    async def asked(v: list[int]) -> list[Any]:
        handle = t.xtra(p1=v[2]) if scoped else t
        query = handle(made(v), order_by="id")
        return [await query.scalars("id"), await query.count(), await query.exists(), await handle(made(v), p0=v[0])]

    t._model.statements.clear()
    kept = [await asked(v) for v in runs]
    alone = []
    for v in runs:
        t._model.statements.clear()
        alone.append(await asked(v))
    assert kept == alone


@given(expression=st.sampled_from(sorted(set(NUMBERS) - {"window"})), runs=st.lists(VALUES, min_size=2, max_size=3))
async def test_a_new_value_is_computed_from_the_values_of_its_own_call(
    db: Database, t: Table[dict[str, Any]], expression: str, runs: list[list[int]]
) -> None:
    async def stored(v: list[int]) -> list[Any]:
        new = NUMBERS[expression](t.c, v)
        row = await t.update(pk=v[0], p1=db.sql(new))
        changed = await t.update_where({"p0": db.sql(new)}, NUMBERS[expression](t.c, v) == new)
        return [row, changed, await t(order_by="id")]

    async def all_of(clear: bool) -> list[Any]:
        result = []
        for v in runs:
            if clear:
                t._model.statements.clear()
            async with db.transaction() as tx:
                result.append(await stored(v))
                await tx.rollback()
        return result

    assert await all_of(clear=False) == await all_of(clear=True)


async def test_an_expression_is_compiled_once_unless_its_text_holds_values(
    t: Table[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    before = len(t._model.statements)
    for n in (1, 2, 3):
        assert await t(t.c.id == sa.literal(n)).scalars("id") == [n]
    assert len(t._model.statements) == before + 1
    for n in (1, 2, 3):
        assert await t(t.c.id == sa.literal(n, literal_execute=True)).scalars("id") == [n]
    assert len(t._model.statements) == before + 1


async def test_the_rows_that_a_common_table_expression_changes_are_counted(
    db: Database, t: Table[dict[str, Any]]
) -> None:
    def low(most: int) -> Any:
        part = sa.select(t.c.id.label("i")).where(t.c.id < most).cte("low")
        return t.c.id.in_(sa.select(part.c.i))

    for most in (3, 0, 5):
        assert await t.update_where({"s": "x"}, low(most)) == most
    async with db.transaction():
        assert await t.update_where({"s": "y"}, low(2)) == 2
    assert await t.delete_where(low(4)) == 4
    assert await t.delete_where(low(4)) == 0
    assert await t.count() == 6


async def test_a_parameter_of_the_callers_never_takes_the_place_of_one_of_ours(t: Table[dict[str, Any]]) -> None:
    for n in (1, 2):
        given = t.c.id == sa.bindparam("p0", n)
        assert [row["id"] for row in await t(given, s=f"s{n}")] == [n]
        assert [row["id"] for row in await t.xtra(s=f"s{n}")(given, limit=3)] == [n]
        assert await t.xtra(s="none")(given) == []
        assert await t.update_where({"p0": 5}, given) == 1
