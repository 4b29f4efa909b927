"""``t.describe()``: what a program that builds on tables learns of a column."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated

import pytest

from deebase import UNSET, ColumnNotFoundError, Computed, Database, Digits, ForeignKey, MaxLength, Text
from deebase.types import ColumnType


class State(Enum):
    NEW = "new"
    OLD = "old"


@dataclass
class Owner:
    id: int | None
    name: Text


@dataclass
class Parcel:
    id: int | None
    code: Annotated[str, MaxLength(8)]
    price: Annotated[Decimal, Digits(8, 2)]
    owner_id: ForeignKey[int, "owner"] | None = None
    state: State = State.NEW
    weight: float = 1.5
    double: Annotated[float | None, Computed("weight * 2")] = None


async def test_a_column_is_described_alike_from_a_class_and_from_the_database(db: Database) -> None:
    _, parcels = await db.create_all(Owner, Parcel)
    of_class = {column.name: column for column in parcels.describe()}
    await db.reflect()
    view = await db.create_view("dear", "SELECT code, price FROM parcel")
    for columns in (of_class, {column.name: column for column in db.t.parcel.describe()}):
        assert [name for name, column in columns.items() if column.key] == ["id"]
        assert [name for name, column in columns.items() if column.generated] == ["id"]
        assert [name for name, column in columns.items() if not column.optional] == ["code", "price"]
        assert [name for name, column in columns.items() if column.computed] == ["double"]
        assert columns["code"].length == 8
        assert columns["price"].digits == (8, 2)
        assert columns["owner_id"].references == ("owner", "id")
        assert columns["owner_id"].nullable
        assert columns["weight"].default == 1.5
        assert columns["code"].default is UNSET
        assert columns["state"].choices == (State.NEW, State.OLD)
        assert columns["state"].default is State.NEW
        assert all(isinstance(column.type, ColumnType) for column in columns.values())
        assert columns["price"].type.of_json(columns["price"].type.to_json(Decimal("1.50"))) == Decimal("1.5")
    assert [column.name for column in view.describe()] == ["code", "price"]
    assert of_class["id"].bits == 64
    (name,) = parcels.describe("owner_id.name")
    assert (name.name, name.nullable, name.type.name) == ("owner_id.name", True, "text")
    assert await parcels.count(name.expression == "Ada") == 0
    with pytest.raises(ColumnNotFoundError):
        parcels.describe("owner_id.secret")


async def test_a_handle_opens_a_transaction_of_its_database(db: Database) -> None:
    owners = await db.create(Owner)
    with pytest.raises(KeyError):
        async with owners.transaction():
            await owners.insert(name="Ada")
            raise KeyError
    assert await owners.count() == 0
