"""A to-do service: several tenants in one database, migrations at start-up.

Run it with ``DATABASE_URL=todo.db uvicorn app:app`` in this directory. ``main.py`` calls it 200 times at once.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from deebase import (
    UNSET,
    Database,
    DeeBaseError,
    ForeignKey,
    IntegrityError,
    NotFoundError,
    Table,
    UTCDateTime,
    ValidationError,
)
from deebase.migrations import Migrator

log = logging.getLogger(__name__)
MIGRATIONS = Path(__file__).parent / "migrations"
STATUS = {NotFoundError: 404, ValidationError: 422, IntegrityError: 409}


@dataclass
class Tenant:
    """Who pays; the token says who is calling."""

    id: int | None
    name: str
    token: str


@dataclass
class Todo:
    """Something to do; seen by its tenant alone."""

    id: int | None
    tenant_id: ForeignKey[int, Tenant]
    title: str
    done: bool
    created: UTCDateTime


@dataclass
class Change:
    """What a client may change; what it leaves out stays as it is."""

    title: str | None = None
    done: bool | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Bring the database up to date, then serve; of several processes that start at once, one migrates."""
    async with Database(os.environ["DATABASE_URL"]) as db:
        await Migrator(db, MIGRATIONS).up()
        # The migrations make the tables; what differs from the classes ends the program here.
        await db.reflect()
        app.state.tenants, app.state.todos = db.bind(Tenant, Todo)
        yield


app = FastAPI(title="To-do", lifespan=lifespan)


@app.exception_handler(DeeBaseError)
async def refused(request: Request, error: DeeBaseError) -> JSONResponse:
    """Answer with the status that fits the error."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    if status >= 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"detail": error.message if status < 500 else "server error"}, status)


async def todos_of(request: Request, x_token: Annotated[str, Header()]) -> Table[Todo]:
    """Return the handle of the caller: it reads and writes the rows of one tenant only."""
    try:
        tenant: Tenant = await request.app.state.tenants.lookup(token=x_token)
    except NotFoundError as error:
        raise HTTPException(401, "no such token") from error
    todos: Table[Todo] = request.app.state.todos
    return todos.xtra(tenant_id=tenant.id)


Todos = Annotated[Table[Todo], Depends(todos_of)]


@app.post("/todos", status_code=201)
async def add(title: str, todos: Todos) -> Todo:
    """Add something to do."""
    return await todos.insert(title=title, created=datetime.now(UTC))


@app.get("/todos")
async def listing(
    todos: Todos, done: bool | None = None, after: str | None = None, size: int = 20
) -> dict[str, object]:
    """Return a page, the newest first, and the cursor of the next one."""
    conditions = {} if done is None else {"done": done}
    page = await todos.page(size=size, order_by="-created", after=after, **conditions)
    return {"rows": page.rows, "next": page.next}


@app.get("/todos/{todo_id}")
async def read(todo_id: int, todos: Todos) -> Todo:
    """Return one."""
    return await todos[todo_id]


@app.patch("/todos/{todo_id}")
async def change(todo_id: int, given: Change, todos: Todos) -> Todo:
    """Change what is given."""
    return await todos.update(
        id=todo_id,
        title=UNSET if given.title is None else given.title,
        done=UNSET if given.done is None else given.done,
    )


@app.delete("/todos/{todo_id}", status_code=204)
async def delete(todo_id: int, todos: Todos) -> Response:
    """Delete one."""
    await todos.delete(todo_id)
    return Response(status_code=204)
