"""Try the JSON API by its OpenAPI document with Schemathesis, on SQLite and PostgreSQL.

    python -m tests.support.openapi_run SCHEMATHESIS [EXAMPLES]

SCHEMATHESIS is the program, which is installed in an environment of its own. The exit code is 1 if it finds a failure.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import uvicorn

from deebase import Database, Digits, ForeignKey, MaxLength, Native, UTCDateTime
from deebase.web import Access, rest
from tests.support.postgres import running_server

#: A change is refused for another reason than its values if the row has changed (412) or If-Match is missing (428).
SETTINGS = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, "5xx"]
missing_required_header.expected-statuses = [428]
"""


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Author:
    id: int | None
    tenant_id: int
    name: str
    score: float = 0.5


@dataclass
class Post:
    id: int | None
    author_id: ForeignKey[int, "author"] | None
    title: Annotated[str, MaxLength(50)]
    price: Annotated[Decimal, Digits(10, 2)] = Decimal("1.50")
    cost: Decimal | None = None
    color: Color = Color.RED
    kind: Literal["a", "b"] | None = None
    meta: dict[str, Any] | None = None
    tags: list[str] | None = None
    day: date | None = None
    at: datetime | None = None
    seen: UTCDateTime | None = None
    clock: time | None = None
    took: timedelta | None = None
    data: bytes | None = None
    uid: UUID | None = None
    done: bool = False


@dataclass
class Line:
    part: str
    number: int
    size: float
    small: Annotated[int | None, Native("smallint")] = None


async def tried(url: str, program: str, examples: str, directory: Path) -> int:
    """Serve the API of a new database, and return the exit code of the program."""
    async with Database(url) as db:
        authors, posts, lines = await db.create_all(
            {Author: {}, Post: {"search": ["title"]}, Line: {"pk": ["part", "number"]}}
        )
        await authors.insert_all({"tenant_id": 1, "name": f"Author {n}"} for n in range(5))
        await posts.insert_all({"title": f"Post {n}", "author_id": n % 5 + 1} for n in range(30))
        await lines.insert_all({"part": f"a{n}", "number": n, "size": 1.5} for n in range(5))
        await db.create_view("title", "SELECT title FROM post")
        tables = {
            "author": Access(write=True, delete=True, scope={"tenant_id": 1}),
            "post": Access(read=[*posts.columns, "author_id.name"], write=True, delete=True),
            "line": Access(write=True, delete=True),
            "title": Access(),
        }
        with socket.create_server(("127.0.0.1", 0)) as listening:
            config = uvicorn.Config(rest(db, tables), log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.ensure_future(server.serve(sockets=[listening]))
            document = f"http://127.0.0.1:{listening.getsockname()[1]}/openapi.json"
            command = (program, "run", document, "--max-examples", examples, "--no-color")
            process = await asyncio.create_subprocess_exec(*command, cwd=directory)
            code = await process.wait()
            server.should_exit = True
            await serving
    return code


@contextmanager
def _urls() -> Iterator[list[str]]:
    with running_server() as server, server.fresh_database() as url:
        yield [":memory:", url]


def main() -> None:
    """Run the program on each database."""
    program, *rest_ = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name, _urls() as urls:
        Path(name, "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
        codes = [asyncio.run(tried(url, program, rest_[0] if rest_ else "20", Path(name))) for url in urls]
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
