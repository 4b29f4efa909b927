"""A secured table with rows of two tenants, and a Database whose role is subject to row security."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from deebase import Database, ForeignKey, Table
from deebase._sqltext.capabilities import capabilities_of

#: In each row of the tenant that a test does not act for.
THEIRS = "theirs"
#: The role of the program: it owns nothing.
ROLE = "deebase_app"


class Folder:
    id: int
    tenant: int
    name: str


class Doc:
    id: int
    tenant: int
    title: str
    n: int
    folder_id: ForeignKey[int, "folder"] | None


class Note:
    """A table that is not secured, whose rows refer to rows of all tenants."""

    id: int
    text: str
    doc_id: ForeignKey[int, "doc"] | None


async def ordinary_url(owner: Database, *, at: str | None = None) -> str:
    """Return the URL of an ordinary role, which may read and write the tables of the owner.

    Args:
        owner: the database.
        at: the URL of its standby, to connect there.
    """
    await owner.script(f"""
        DO $$ BEGIN CREATE ROLE {ROLE} LOGIN NOSUPERUSER NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
        GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA public TO {ROLE};
        GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA public TO {ROLE}
    """)
    server: sa.URL = owner.engine.url if at is None else sa.make_url(at)
    url = server.set(drivername="postgresql", username=ROLE, password=None)
    return url.render_as_string(hide_password=False)


@dataclass
class Tenants:
    """The database of the owner, that of the program, and the tables of the latter."""

    owner: Database
    db: Database
    docs: Table[Any]
    folders: Table[Any]
    notes: Table[Any]

    async def stored(self) -> list[Any]:
        """Return the rows of the other tenant as they are stored."""
        rows: list[Any] = await self.owner.q("SELECT * FROM doc WHERE tenant = 8 ORDER BY id")
        return [*rows]


@asynccontextmanager
async def tenants(owner: Database, **options: Any) -> AsyncIterator[Tenants]:
    """Create the tables with rows of the tenants 7 and 8, and open the Database of the program."""
    secured = {Folder: {"secure": "tenant"}, Doc: {"secure": "tenant", "indexes": ["tenant"]}}
    await owner.create_all(Folder, Doc, Note, options=secured)
    await owner.script("""
        INSERT INTO folder (id, tenant, name) VALUES (1, 7, 'mine'), (2, 8, 'theirs');
        INSERT INTO doc (id, tenant, title, n, folder_id) VALUES
            (1, 7, 'mine 1', 1, 1), (2, 8, 'theirs 2', 2, 2), (3, 7, 'mine 3', 3, 2), (4, 8, 'theirs 4', 4, 1);
        INSERT INTO note (id, text, doc_id) VALUES (1, 'a', 1), (2, 'b', 2)
    """)
    if not capabilities_of(owner.engine.dialect).secures_rows:
        yield Tenants(owner, owner, owner.t.doc, owner.t.folder, owner.t.note)
        return
    await owner.script("SELECT setval('doc_id_seq', 100), setval('folder_id_seq', 100), setval('note_id_seq', 100)")
    async with Database(await ordinary_url(owner), **options) as db:
        await db.reflect()
        yield Tenants(owner, db, db.t.doc, db.t.folder, db.t.note)
