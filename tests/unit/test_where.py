"""Conditions: their SQL, the values they bind, and which of them share a compiled statement."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from deebase._model.table_models import table_model
from deebase._rows.model import TableModel
from deebase._sql import statements
from deebase._sql.queries.orders import order_by
from deebase._sql.where import Where, key_source
from deebase._sqltext.capabilities import capabilities_of
from deebase.errors import ColumnNotFoundError, SchemaError, ValidationError
from deebase.types import SqlExpression

DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.asyncpg.dialect()}


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Any:
    return DIALECTS[request.param]


@pytest.fixture
def model(dialect: Any) -> TableModel:
    table = sa.Table(
        "t",
        sa.MetaData(),
        sa.Column("a", sa.Integer, primary_key=True),
        sa.Column("b", sa.String, primary_key=True),
        sa.Column("c", sa.Integer),
        sa.Column("-c", sa.Integer),
        sa.Column("c desc", sa.Integer),
        sa.Column("w0", sa.Integer),
        sa.Column("docs", sa.JSON),
    )
    return table_model(table, dialect, generated=None)


def sql_of(where: Where, dialect: Any) -> tuple[str, list[Any]]:
    """Return the condition in SQL, with ? for its parameters, and their values."""
    prepared = statements.count(where.model, dialect, where)
    text = " ".join(prepared.statement.sql.partition("WHERE ")[2].split())
    for n in range(9, 0, -1):
        text = text.replace(f"${n}::INTEGER", "?").replace(f"${n}::VARCHAR", "?").replace(f"${n}", "?")
    return text, prepared.args(where.values)


def test_keywords_become_bound_equality(model: TableModel, dialect: Any) -> None:
    where = Where(model)
    assert not where
    where.equal("c", 5)
    where.equal("b", "x")
    where.equal("w0", 7)
    assert where
    assert sql_of(where, dialect) == ("t.c = ? AND t.b = ? AND t.w0 = ?", [5, "x", 7])


def test_none_is_null_and_collections_are_membership(model: TableModel, dialect: Any) -> None:
    cases: list[tuple[Any, str, list[Any]]] = [
        (None, "t.c IS NULL", []),
        ([], "false" if capabilities_of(dialect).checks_types else "0 = 1", []),
        ([1, 2], "t.c IN (?, ?)", [1, 2]),
        ((1,), "t.c IN (?)", [1]),
        ([1, None], "t.c IN (?) OR t.c IS NULL", [1]),
        ({3}, "t.c IN (?)", [3]),
    ]
    for value, text, args in cases:
        where = Where(model)
        where.equal("c", value)
        assert sql_of(where, dialect) == (text, args)


def test_conditions_on_one_column_keep_their_values_apart(model: TableModel, dialect: Any) -> None:
    where = Where(model)
    for value in (1, [2, 3], None, [4, None], 5):
        where.equal("c", value)
    assert sql_of(where, dialect)[1] == [1, 2, 3, 4, 5]


def test_values_of_conditions_never_meet_values_of_columns(model: TableModel, dialect: Any) -> None:
    where = Where(model)
    where.match(("a", "b"))
    where.expression(model.sa_table.c.c > 9)
    prepared = statements.update(model, dialect, {"w0": 5, "c": 6}, where)
    values = {"w0": 5, "c": 6, **where.values, key_source(0): 1, key_source(1): "x"}
    assert sorted(map(str, prepared.args(values))) == ["1", "5", "6", "9", "x"]
    assert not where.values.keys() & model.columns.keys()


def test_equal_shapes_differ_in_values_alone(model: TableModel, dialect: Any) -> None:
    def shape(*conditions: tuple[str, Any]) -> Any:
        where = Where(model)
        for name, value in conditions:
            where.equal(name, value)
        return where.shape

    assert shape(("c", 1)) == shape(("c", 2))
    assert shape(("c", [1, 2])) == shape(("c", (3, 4)))
    different = [
        shape(),
        shape(("c", 1)),
        shape(("c", None)),
        shape(("a", 1)),
        shape(("c", [1])),
        shape(("c", [1, 2])),
        shape(("c", [1, None])),
        shape(("c", 1), ("a", 1)),
        shape(("a", 1), ("c", 1)),
    ]
    assert len(set(different)) == len(different)


def test_two_conditions_with_one_object_as_their_value(model: TableModel, dialect: Any) -> None:
    columns = model.sa_table.c
    for a, c in [(columns.a, columns.c), (-columns.a, -columns.c)]:
        where, one = Where(model), sa.literal(1)
        for condition in (a == one, c == one, c < 5):
            where.expression(condition)
        assert set(sql_of(where, dialect)[1]) == {1, 5}
        # The statement has one source for both, and is not that of two values.
        assert where.shape is None


def test_text_is_put_in_parentheses_and_has_a_shape_without_its_values(model: TableModel, dialect: Any) -> None:
    def made(text: str, value: Any) -> Where:
        where = Where(model)
        where.fragment(text, [value], dialect)
        where.equal("a", 1)
        return where

    where = made("c > ? OR b = 'a:b?'", 5)
    assert sql_of(where, dialect) == ("(c > ? OR b = 'a:b?' ) AND t.a = ?", [5, 1])
    assert where.shape is not None
    assert where.shape == made("c > ? OR b = 'a:b?'", 6).shape
    # Another text, or a value of another type, is another statement.
    for text, value in (("c > ? OR b = 'a:b'", 5), ("c > ? OR b = 'a:b?'", 2**40)):
        assert made(text, value).shape != where.shape


@pytest.mark.parametrize("value", [sa.func.now(), sa.column("x"), SqlExpression(sa.literal(1)), sa.text("1")])
def test_expressions_are_no_values(model: TableModel, value: Any) -> None:
    for given in (value, [1, value]):
        with pytest.raises(ValidationError) as caught:
            Where(model).equal("c", given)
        assert caught.value.field == "c"


def test_only_expressions_are_conditions(model: TableModel) -> None:
    for other in (5, object(), None, {"c": 1}, True, sa.text("1")):
        with pytest.raises(ValidationError):
            Where(model).expression(other)
    where = Where(model)
    where.expression(SqlExpression(sa.literal_column("c > 1")))
    assert where


def test_a_key_has_one_value_for_each_of_its_columns(model: TableModel) -> None:
    assert model.key_values((1, "x")) == (1, "x")
    for key in (1, (1,), (1, "x", 2), (1, None), None):
        with pytest.raises(ValidationError):
            model.key_values(key)


def test_order_is_by_names_with_a_direction(model: TableModel, dialect: Any) -> None:
    def ordered(order: Any) -> list[str]:
        return [str(element.compile(dialect=dialect)) for element in order_by(model, order)[0]]

    assert ordered(None) == []
    assert ordered("c") == ["t.c ASC"]
    assert ordered(["a", "c DESC", "b asc"]) == ["t.a ASC", "t.c DESC", "t.b ASC"]
    assert ordered("-a") == ["t.a DESC"]
    # Names that look like a direction are names first.
    assert ordered("-c") == ['t."-c" ASC']
    assert ordered("--c") == ['t."-c" DESC']
    assert ordered("c desc") == ['t."c desc" ASC']
    assert ordered("c desc desc") == ['t."c desc" DESC']
    assert ordered("-c desc") == ['t."-c" DESC']
    assert ordered(model.sa_table.c.c.desc()) == ["t.c DESC"]
    assert order_by(model, ["a", "-b"])[1] == ("a", "-b")
    assert order_by(model, ["a", sa.text("1")])[1] is None


@pytest.mark.parametrize("order", ["nothing", "a b", "a,c", "a; drop", "", "-", "lower(b)", "a desc nulls last", "1"])
def test_other_text_is_not_an_order(model: TableModel, order: str) -> None:
    with pytest.raises(ColumnNotFoundError):
        order_by(model, order)
    for other in (5, [None], {"a": "desc"}):
        with pytest.raises(SchemaError):
            order_by(model, other)
