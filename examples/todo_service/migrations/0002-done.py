# sealed: sha256:ca91ca422ae12a7604bb61548f88915a05df6a7111416d3651706937bda78873
"""Done."""

from deebase import Database


async def upgrade(db: Database) -> None:
    """Take the step."""
    todos = await db.reflect_table("todo")
    await todos.add_column("done", bool, default=False)


async def downgrade(db: Database) -> None:
    """Undo the step."""
    todos = await db.reflect_table("todo")
    await todos.drop_column("done")
