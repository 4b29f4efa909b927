"""Read the database of another program, and copy its rows into new tables.

``python examples/other_database.py`` copies into a temporary SQLite file, or into ``DATABASE_URL``.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from deebase import Database, ForeignKey, Index

#: A shop's file as one finds it: odd names, prices in cents, dates as text in three forms, a table without a key.
FOUND = """
    CREATE TABLE "Customers" ("Cust No" INTEGER PRIMARY KEY, "Full Name" TEXT, "E-Mail" TEXT COLLATE NOCASE);
    CREATE TABLE "Orders" (
        order_no INTEGER PRIMARY KEY AUTOINCREMENT,
        cust INTEGER REFERENCES "Customers" ("Cust No") ON DELETE SET NULL,
        placed TEXT, "total (cents)" INTEGER, "group" TEXT
    );
    CREATE TABLE log (line TEXT);
    CREATE VIEW "big orders" AS SELECT * FROM "Orders" WHERE "total (cents)" > 5000;
    INSERT INTO "Customers" VALUES (7, 'Ada Lovelace', 'Ada@Example.com'), (9, ' Grace Hopper', NULL), (12, NULL, '');
    INSERT INTO "Orders" (cust, placed, "total (cents)", "group") VALUES
        (7, '2030-01-31', 1250, 'books'), (7, '31.01.2030', 9900, 'books'), (9, '2030/02/01', 5001, NULL),
        (NULL, 'yesterday', 100, 'misc');
    INSERT INTO log VALUES ('opened'), ('closed');
"""


@dataclass
class Customer:
    """Ours, with the key of theirs."""

    id: int
    name: str
    email: str | None


@dataclass
class Purchase:
    """Ours: a date and an amount that are what they say."""

    id: int
    customer_id: ForeignKey[int, Customer] | None
    placed: date | None
    total: Decimal
    category: str = "none"


def day(text: str | None) -> date | None:
    """Return the date a text stands for, in one of the forms they used."""
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d"):
        try:
            return datetime.strptime(text or "", form).date()
        except ValueError:
            continue
    return None


async def look_around(theirs: Database) -> None:
    """Print what there is."""
    await theirs.reflect()
    for table in theirs.t:
        keys = ", ".join(table.pks) or "no key"
        print(f"{table.name}: {await table.count()} rows, {', '.join(table.columns)} ({keys})")
        for key in table.foreign_keys:
            print(f"  {key['column']} -> {key['references']}")
    for view in theirs.v:
        print(f"{view.name}: a view, {await view.count()} rows")


async def purchases(theirs: Database) -> AsyncIterator[dict[str, Any]]:
    """Give our rows from theirs, one by one: the table may be larger than memory."""
    async for row in theirs.t["Orders"](order_by="order_no"):
        yield {
            "id": row["order_no"],
            "customer_id": row["cust"],
            "placed": day(row["placed"]),
            "total": Decimal(row["total (cents)"]) / 100,
            **({"category": row["group"]} if row["group"] else {}),
        }


async def main(path: Path, url: str) -> None:
    """Copy from a path to a URL."""
    async with Database(path) as theirs, Database(url) as ours:
        await look_around(theirs)
        unique = Index("ux_customer_email", "email", unique=True)
        options = {Customer: {"indexes": [unique]}}
        customers, bought = await ours.create_all(Customer, Purchase, options=options, if_not_exists=True)
        async with ours.transaction():  # all, or nothing
            await customers.insert_all(
                {"id": row["Cust No"], "name": (row["Full Name"] or "?").strip(), "email": row["E-Mail"] or None}
                for row in await theirs.t["Customers"]()
            )
            await bought.insert_all(purchases(theirs))
        for purchase, customer in await bought.with_parents(bought(order_by="id"), "customer_id"):
            print(f"{purchase.total:.2f}", purchase.placed, purchase.category, customer.name if customer else "unknown")
        print("next key:", (await customers.insert(name="New", email=None)).id)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        found = Path(directory, "found.db")
        with sqlite3.connect(found) as connection:
            connection.executescript(FOUND)
        connection.close()
        asyncio.run(main(found, os.environ.get("DATABASE_URL", f"{directory}/ours.db")))
