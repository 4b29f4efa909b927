"""Arrow tables of SQLite files are made of rows of the library that holds the locks of this process."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys

from deebase import Database
from tests.support.worlds import PAIRS, only_on

backend_name = only_on("sqlite-file")

#: Writes from another process; refused while a transaction of this one is open.
_WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
try:
    connection.execute("INSERT INTO t (n) VALUES (99)")
    connection.commit()
except sqlite3.OperationalError as error:
    print(error)
"""


async def test_reading_an_arrow_table_gives_no_lock_of_a_transaction_away(db: Database, db_url: str) -> None:
    await db.q(PAIRS)
    table = await db.reflect_table("t")
    query = table(order_by="id")
    async with db.transaction():
        await table.insert(n=1)
        assert (await query.arrow()).num_rows == 1
        outside = await asyncio.create_task(query.arrow(), context=contextvars.Context())
        assert outside.num_rows == 0
        other = subprocess.run([sys.executable, "-c", _WRITE, db_url], capture_output=True, text=True, check=True)
        assert other.stdout.strip() == "database is locked"
    assert await table.count() == 1
