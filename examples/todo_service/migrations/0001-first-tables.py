# sealed: sha256:f38e886280be6c8ca959716be64dc0a428e0f2273615a52e90148341ef466913
"""First tables."""

from deebase import Database, ForeignKey, Index, UTCDateTime


class Tenant:
    id: int
    name: str
    token: str


class Todo:
    id: int
    tenant_id: ForeignKey[int, "tenant"]
    title: str
    created: UTCDateTime


async def upgrade(db: Database) -> None:
    """Take the step."""
    tenant = {"indexes": [Index("ux_tenant_token", "token", unique=True)]}
    await db.create_all(Tenant, Todo, options={Tenant: tenant, Todo: {"indexes": [("tenant_id", "created")]}})


async def downgrade(db: Database) -> None:
    """Undo the step."""
    for name in ("todo", "tenant"):
        await (await db.reflect_table(name)).drop()
