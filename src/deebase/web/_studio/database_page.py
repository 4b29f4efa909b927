"""The page of the database: its tables and views."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from deebase.web._studio.site import Site


class DatabasePage:
    """Shows the tables and views of a database.

    Args:
        site: what is shown.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def tables(self, request: Request) -> Response:
        """Show the list of tables and views."""
        tables, views = self._site.names()
        return self._site.render(request, "database.html", tables=tables, views=views)
