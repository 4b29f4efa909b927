"""A type that a program defines for itself, on the command line."""

from __future__ import annotations

from tests.contract.test_own_types import Money, MoneyType
from tests.support.commands import Commands


def test_fields_and_values_of_a_type_of_a_programs_own(cli: Commands) -> None:
    assert MoneyType().parse("EUR 12.50") == Money("EUR", 1250)
    cli.ok("table", "create", "bill", "id:int", "total:money", "fee:money:default=EUR 2.5", "paid:money:nullable")
    cli.ok("data", "insert", "bill", "-f", "total=EUR 12.50")
    assert cli.ok("data", "list", "bill")[0]["total"] == "EUR 12.50"
    assert "EUR 2.50" in str(cli.ok("data", "list", "bill"))
