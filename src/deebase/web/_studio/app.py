"""``studio``: the ASGI app that shows a database."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deebase import Database
from deebase.web._studio.database_page import DatabasePage
from deebase.web._studio.exports import ExportPage
from deebase.web._studio.row_page import RowPage
from deebase.web._studio.site import HERE, Limits, Site
from deebase.web._studio.table_page import TablePage
from deebase.web.security import LOOPBACK, Protected, Protection


def studio(db: Database, *, title: str | None = None, token: str | None = None) -> Starlette:
    """Return an ASGI app whose pages show a database: its tables, their rows, and where those lead.

    It answers under the names of this machine alone (``localhost``, ``127.0.0.1``), and only reads.

    Args:
        db: the database; tables that it does not know yet are read with the first page.
        title: what the pages call the database; what its repr says by default.
        token: what a browser has to show once, as ``?token=...``; None if everything on this machine may look.

    Raises:
        InvalidOperationError: the packages of the extra ``web`` are not installed.

    Example:
        ```python
        from deebase.web import studio

        app = studio(db, title="Flights")
        ```
    """
    protection = Protection(token=token, hosts=LOOPBACK)
    site = Site(db, title=title or repr(db).strip("<>"), protection=protection, limits=Limits())
    return protected_app(site)


def protected_app(site: Site) -> Starlette:
    """Return the app of a site."""
    database, table, row, export = DatabasePage(site), TablePage(site), RowPage(site), ExportPage(site)
    routes = [
        Route("/", site.page(database.tables)),
        Route("/diagram", site.page(database.diagram)),
        Route("/diagram.css", site.page(database.diagram_style)),
        Route("/table/{table}", site.page(table.rows)),
        Route("/table/{table}/row/{key}", site.page(row.values)),
        Route("/table/{table}/row/{key}/value/{column}", site.page(row.value)),
        Route("/table/{table}/export.{format}", site.page(export.file, seconds=site.limits.export_seconds)),
        Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
    ]

    async def missing(request: Request, _: Exception) -> Response:
        return site.message(request, 404, "There is no such page.")

    return Starlette(
        routes=routes,
        middleware=[Middleware(Protected, protection=site.protection)],
        exception_handlers={404: missing, 405: missing},
    )
