"""What all pages share: the database, templates, links, time limits, and pages for errors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from deebase import (
    BusyError,
    ColumnNotFoundError,
    Database,
    DatabaseSize,
    DataError,
    DeeBaseError,
    InvalidOperationError,
    NotFoundError,
    QueryTimeoutError,
    Table,
    TableNotFoundError,
    TableSize,
    ValidationError,
    View,
)
from deebase.web._studio.addresses import decoded, encoded
from deebase.web.security import Protection

HERE = Path(__file__).parent
#: How long the sizes of tables are kept.
SIZE_SECONDS = 30.0
logger = logging.getLogger("deebase.web")

Page = Callable[[Request], Awaitable[Response]]
#: The status of a page for an error, by its class; the first that fits.
_STATUS: tuple[tuple[type[DeeBaseError], int], ...] = (
    (TableNotFoundError, 404),
    (ColumnNotFoundError, 404),
    (NotFoundError, 404),
    (ValidationError, 400),
    (DataError, 400),
    (InvalidOperationError, 400),
    (QueryTimeoutError, 504),
    (BusyError, 503),
)


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        seconds: of a page.
        facet_seconds: of counting the values of a column.
        export_rows: rows of a file.
        export_seconds: of writing a file.
    """

    seconds: float = 10.0
    facet_seconds: float = 0.5
    export_rows: int = 100_000
    export_seconds: float = 60.0


class Site:
    """The database and the templates of a studio.

    Args:
        db: the database that is shown.
        title: what the pages call it.
        protection: of its forms.
        limits: what a request may take.
    """

    def __init__(self, db: Database, *, title: str, protection: Protection, limits: Limits) -> None:
        self.db = db
        self.title = title
        self.protection = protection
        self.limits = limits
        self._reading = asyncio.Lock()
        self._size: DatabaseSize | None = None
        self._size_at = 0.0
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    # -- the database --------------------------------------------------------------------------

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of the tables and of the views."""
        return dir(self.db.t), dir(self.db.v)

    def handle(self, request: Request) -> Table[dict[str, Any]] | View[dict[str, Any]]:
        """Return the table or view of a request.

        Raises:
            TableNotFoundError: it does not exist.
        """
        segment = str(request.path_params["table"])
        name = decoded(segment)
        if name is None or (name not in self.db.t and name not in self.db.v):
            shown = segment if name is None else name
            raise TableNotFoundError(
                f"table {shown!r} does not exist", table_name=shown, hint="the list of tables has all of them"
            )
        return self.named(name)

    def named(self, name: str) -> Table[dict[str, Any]] | View[dict[str, Any]]:
        """Return a table or view by its name, with dicts as rows.

        Raises:
            TableNotFoundError: it does not exist.
        """
        return self.db.v[name].rows_as(dict) if name in self.db.v else self.db.t[name].rows_as(dict)

    @staticmethod
    def table_path(name: str) -> str:
        """Return the path of the page of a table, after that of the studio."""
        return f"/table/{encoded(name)}"

    async def size(self) -> DatabaseSize | None:
        """Return the size of the database and its tables, which may be some seconds old; None if it takes too long."""
        if self._size is None or time.monotonic() - self._size_at > SIZE_SECONDS:
            try:
                async with asyncio.timeout(self.limits.facet_seconds):
                    self._size, self._size_at = await self.db.size(), time.monotonic()
            except (TimeoutError, DeeBaseError):
                # A page is worth more than the numbers on it.
                return None
        return self._size

    def last_size(self, table: str) -> TableSize | None:
        """Return the size of a table if it was read lately."""
        return None if self._size is None else self._size.tables.get(table)

    async def known(self) -> None:
        """Read the schema, unless the database knows tables already."""
        async with self._reading:
            if not any(self.names()):
                await self.db.reflect()

    # -- pages ---------------------------------------------------------------------------------

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        root = str(request.scope.get("root_path", "")).rstrip("/")
        text = self._templates.get_template(template).render(
            root=root,
            site=self,
            table_path=self.table_path,
            encoded=encoded,
            csrf=self.protection.csrf_token(request),
            **values,
        )
        return HTMLResponse(text, status_code=status)

    def message(self, request: Request, status: int, message: str, hint: str | None = None) -> Response:
        """Return a page that says what went wrong."""
        return self.render(request, "message.html", status=status, status_code=status, message=message, hint=hint)

    def page(self, show: Page, *, seconds: float | None = None) -> Page:
        """Return an endpoint that ends in time, and whose errors become pages in words."""
        limit = self.limits.seconds if seconds is None else seconds

        async def answer(request: Request) -> Response:
            try:
                async with asyncio.timeout(limit):
                    await self.known()
                    return await show(request)
            except TimeoutError:
                return self.message(request, 504, f"The page took longer than {limit:g} seconds.", "Narrow the filter.")
            except DeeBaseError as error:
                status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
                return self.message(request, status, error.message, error.hint)
            except Exception:
                # The traceback is for the one who runs the server.
                logger.exception("the page %s failed", request.url.path)
                return self.message(request, 500, "Something went wrong in the studio.", "The server's log says more.")

        return answer
