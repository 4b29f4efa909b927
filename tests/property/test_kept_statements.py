"""A statement that was kept for an expression never holds a value of an earlier call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from deebase import Database, DeeBaseError, Table
from tests.support.capabilities import can

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
    "in, with NULL": lambda t, a, b, v: a.in_([v[0], None, *v[: v[1] % 3]]),
    "same": lambda t, a, b, v: sa.and_(t.p0.is_not_distinct_from(v[0] if v[0] > 2 else None), a < b),
    "fractions": lambda t, a, b, v: sa.or_(
        t.n > v[0] + 0.5, t.id.in_([float(v[1]), v[2] / 2]), t.n <= Decimal(v[2]) / 4
    ),
    "between fractions": lambda t, a, b, v: t.n.between(v[0] / 2, v[1] + 0.25),
}

#: Conditions in SQL text, with their parameters.
Text = Callable[[list[Any]], tuple[str, Any]]
TEXTS: dict[str, Text] = {
    "equal": lambda v: ("n = ?", [v[0]]),
    "twice": lambda v: ("n < :x OR p1 = :x", {"x": v[0]}),
    "lists": lambda v: (f"n IN ({', '.join('?' * len(v))})", v),
    "between": lambda v: ("id BETWEEN ? AND ?", [v[0], v[1]]),
    "computed": lambda v: ("n + ? > id", [v[0]]),
    "text": lambda v: ("s = ? OR s LIKE '%' || CAST(? AS text)", [f"s{v[0]}", v[1]]),
    "of the same text": lambda v: ("p0 = ? OR p0 > ?", [v[1], v[2]]),
    "in the text": lambda v: (f"n < {int(v[0] or 0)} AND id > ?", [v[1]]),
}
#: Values of other types, and NULL, for whole numbers.
FORMS: dict[str, Callable[[int], Any]] = {
    "int": lambda n: n,
    "long": lambda n: n + 2**40 * (n % 2),
    "float": lambda n: float(n),
    "fraction": lambda n: n + 0.5,
    "Decimal": lambda n: Decimal(n) / 2,
    "None": lambda n: None,
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


@given(
    texts=st.lists(st.sampled_from(sorted(TEXTS)), min_size=1, max_size=2),
    runs=st.lists(st.tuples(st.sampled_from(sorted(FORMS)), VALUES), min_size=2, max_size=4),
    keyword=st.sampled_from([None, "value", "none", "list"]),
    limits=st.lists(st.integers(0, 4), min_size=4, max_size=4),
    scoped=st.booleans(),
)
async def test_a_text_gives_with_each_value_what_it_gives_without_a_kept_statement(
    db: Database,
    t: Table[dict[str, Any]],
    texts: list[str],
    runs: list[tuple[str, list[int]]],
    keyword: str | None,
    limits: list[int],
    scoped: bool,
) -> None:
    exact = can(db).has_exact_decimals
    made: list[tuple[Any, ...]] = []
    for (form, v), limit in zip(runs, limits, strict=False):
        # Without decimals of its own a database stores them as text, which no number equals.
        given = [FORMS[form](n) if exact or form != "Decimal" else n for n in v]
        arguments = [argument for text in texts for argument in TEXTS[text](given)]
        keywords = {"value": v[0], "none": None, "list": v[: limit + 1]}
        made.append((arguments, {} if keyword is None else {"p0": keywords[keyword]}, limit, v[2]))

    async def asked(arguments: list[Any], keywords: dict[str, Any], limit: int, scope: int) -> Any:
        handle = t.xtra(p1=scope) if scoped else t
        query = handle(*arguments, order_by="id", limit=limit, offset=limit // 2, **keywords)
        try:
            page = await handle(*arguments, **keywords).page(size=limit + 1)
            return [await query, await query.count(), await query.exists(), page.rows]
        except DeeBaseError as error:
            return error.message

    t._model.statements.clear()
    kept = [await asked(*call) for call in made]
    alone = []
    for call in made:
        t._model.statements.clear()
        alone.append(await asked(*call))
    assert kept == alone


async def test_a_text_is_compiled_once(t: Table[dict[str, Any]]) -> None:
    before = len(t._model.statements)
    for n in (1, 2, 3):
        assert await t("id = ? AND s = ?", [n, f"s{n}"]).scalars("id") == [n]
        assert await t("id = :n", {"n": n}).scalars("id") == [n]
        assert await t(t.c.id.in_([n, n + 1])).scalars("id") == [n, n + 1]
    assert len(t._model.statements) == before + 3


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
