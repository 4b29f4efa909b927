"""A type that a program defines for itself is known wherever values and columns are."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest

from deebase import Database, UnsupportedTypeError, ValidationError, create_mod_from_tables
from deebase.migrations import Migrator
from deebase.testing import build
from deebase.tools.copying import copy_database
from deebase.types import ColumnType
from tests.support.modules import imported


@dataclass(frozen=True)
class Money:
    currency: str
    cents: int


class MoneyType(ColumnType[Money], python=Money):
    wanted = "an amount of money"
    example = "EUR 12.50"
    zero = Money("EUR", 0)

    def parse(self, text: str) -> Money:
        currency, amount = text.split()
        return Money(currency, int(Decimal(amount) * 100))

    def format(self, value: Money) -> str:
        return f"{value.currency} {value.cents // 100}.{value.cents % 100:02}"

    def source(self, value: Money) -> Any:
        return Money, (value.currency, value.cents), {}


class UpperType(ColumnType[str], name="upper"):
    """Text in upper case; an annotation has to name it."""

    classes = (str,)

    def accept(self, value: Any) -> str:
        return str(super().accept(value)).upper()

    def parse(self, text: str) -> str:
        return text


@dataclass
class Invoice:
    id: int | None
    total: Money
    code: Annotated[str, UpperType()]
    discount: Money | None = None
    fee: Money = Money("EUR", 250)


@pytest.fixture
async def invoices(db: Database) -> Any:
    return await db.create(Invoice, indexes=["total"])


FIRST = Invoice(None, Money("EUR", 1250), "a")


async def test_records_conditions_and_defaults(db: Database, invoices: Any) -> None:
    row = await invoices.insert(FIRST)
    assert row == Invoice(1, Money("EUR", 1250), "A", None, Money("EUR", 250))
    await invoices.insert_all([Invoice(None, Money("EUR", n), "b") for n in range(3)])
    assert await invoices.get(1) == row
    assert await invoices(total=Money("EUR", 1250)) == [row]
    assert await invoices.count(invoices.c.total.in_([Money("EUR", 1), Money("EUR", 2)])) == 2
    assert [found.id for found in await invoices("total = ?", [Money("EUR", 1250)])] == [1]
    assert (await invoices.update({"id": 1, "discount": Money("USD", 5)})).discount == Money("USD", 5)
    with pytest.raises(ValidationError, match=r"invoice\.total: takes Money, not str"):
        await invoices.update({"id": 1, "total": "EUR 12.50"})


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_table_that_exists_is_known_by_its_declared_type_or_by_the_class(
    db: Database, db_url: str, backend_name: str, invoices: Any
) -> None:
    await invoices.insert(FIRST)
    async with Database(db_url) as other:
        await other.reflect()
        reflected = (await other.t.invoice.get(1))["total"]
        assert reflected == (Money("EUR", 1250) if backend_name == "sqlite-file" else "EUR 12.50")
        known = await other.create(Invoice, if_not_exists=True)
        assert (await known.get(1)).total == Money("EUR", 1250)


@pytest.mark.parametrize("name", ["invoices.csv", "invoices.json"])
async def test_files(db: Database, invoices: Any, tmp_path: Path, name: str) -> None:
    await invoices.insert(FIRST)
    await invoices.export_file(tmp_path / name)
    assert "EUR 12.50" in (tmp_path / name).read_text()
    before = await invoices()
    await invoices.delete_where(id=1)
    await db.import_file(tmp_path / name, "invoice")
    assert await invoices() == before
    path = tmp_path / f"wrong.{name}"
    path.write_text((tmp_path / name).read_text().replace("EUR 12.50", "much"))
    with pytest.raises(ValidationError, match=r"is not an amount of money[\s\S]*such as EUR 12.50"):
        await db.import_file(path, "invoice")


async def test_cursors(db: Database, invoices: Any) -> None:
    await invoices.insert_all([Invoice(None, Money("EUR", 100 + n), "b") for n in range(5)])
    page = await invoices.page(size=2, order_by="total")
    seen = list(page.rows)
    while page.next is not None:
        page = await invoices.page(size=2, order_by="total", after=page.next)
        seen += page.rows
    assert [row.total.cents for row in seen] == [100, 101, 102, 103, 104]


async def test_generated_code(db: Database, invoices: Any, tmp_path: Path) -> None:
    path = tmp_path / "tables.py"
    create_mod_from_tables(path, invoices)
    source = path.read_text()
    assert f"from {__name__} import Money, UpperType" in source
    assert "total: Money\n" in source
    assert "code: Annotated[str, UpperType()]" in source
    assert 'fee: Money = field(default=Money("EUR", 250))' in source
    with imported(path) as module:
        made = await db.create(module.Invoice, name="copied")
        assert (await made.insert({"total": Money("EUR", 1), "code": "x"})).fee == Money("EUR", 250)


async def test_made_up_rows(db: Database, invoices: Any) -> None:
    assert (await build(invoices, code="x")).total == Money("EUR", 1250)


async def test_copies(db: Database, invoices: Any, tmp_path: Path) -> None:
    await invoices.insert(FIRST)
    async with Database(tmp_path / "copy.db") as target:
        await copy_database(db, target)
        assert (await target.t.invoice.get(1))["total"] == Money("EUR", 1250)


async def test_a_class_that_has_a_type_needs_an_annotation_for_another_one() -> None:
    with pytest.raises(UnsupportedTypeError, match="already has a column type"):

        class _Again(ColumnType[str], python=str):
            pass


@pytest.mark.on_a_file
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_migrations(db: Database, tmp_path: Path) -> None:
    async def step(title: str, columns: dict[str, Any]) -> str:
        async def models(other: Database) -> None:
            await other.create(type("Shop", (), {"__annotations__": {"id": int, **columns}}))

        migrator = Migrator(db, tmp_path / "migrations", models=models)
        text = (await migrator.new(title)).read_text()
        await migrator.seal()
        await migrator.up()
        return text

    assert "limit: Money" in await step("a shop", {"limit": Money})
    await db.q('INSERT INTO shop ("limit") VALUES (?)', [Money("EUR", 7)])
    assert 'Money("EUR", 0)' in await step("what is paid", {"limit": Money, "paid": Money})
    assert await db.q("SELECT paid FROM shop") == [{"paid": "EUR 0.00"}]
