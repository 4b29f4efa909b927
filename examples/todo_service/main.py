"""Call the to-do service 200 times at once, as two tenants, and look at what is left.

``python examples/todo_service/main.py`` runs it on a temporary SQLite file, or on ``DATABASE_URL``.
"""

from __future__ import annotations

import asyncio
import os
import tempfile

import httpx
from app import app

REQUESTS = 200


async def call(client: httpx.AsyncClient, number: int) -> int:
    """Add one, finish every second one, and ask for it as the other tenant; return that answer's status."""
    mine, theirs = ({"X-Token": token} for token in (("a", "b") if number % 2 else ("b", "a")))
    made = (await client.post("/todos", params={"title": f"task {number}"}, headers=mine)).raise_for_status().json()
    if number % 4 < 2:
        done = await client.patch(f"/todos/{made['id']}", json={"done": True}, headers=mine)
        assert done.json()["done"] is True
    return (await client.get(f"/todos/{made['id']}", headers=theirs)).status_code


async def pages(client: httpx.AsyncClient, token: str, done: bool) -> list[str]:
    """Return the titles of all pages."""
    titles: list[str] = []
    query: dict[str, str | int | bool] = {"size": 30, "done": done}
    while True:
        page = (await client.get("/todos", params=query, headers={"X-Token": token})).raise_for_status().json()
        titles += [row["title"] for row in page["rows"]]
        if page["next"] is None:
            return titles
        query["after"] = page["next"]


async def main() -> None:
    """Start the application, call it, and print what came of it."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        tenants = app.state.tenants
        await tenants.insert_all([{"name": "Ada", "token": "a"}, {"name": "Bob", "token": "b"}])
        statuses = await asyncio.gather(*(call(client, number) for number in range(REQUESTS)))
        print("asked for the other tenant's:", {status: statuses.count(status) for status in statuses})
        for token in ("a", "b"):
            for done in (True, False):
                titles = await pages(client, token, done)
                print(token, "done" if done else "open", len(titles), "of them different", len(set(titles)))
        print("without a token:", (await client.get("/todos")).status_code)
        print("of a stranger:", (await client.get("/todos", headers={"X-Token": "c"})).status_code)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        os.environ.setdefault("DATABASE_URL", f"{directory}/todo.db")
        asyncio.run(main())
