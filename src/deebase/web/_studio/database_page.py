"""The page of the database: its tables and views, their sizes, and a diagram."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from deebase.web._studio.rendering import shortened, sized
from deebase.web._studio.site import Site

#: Boxes of a diagram that a page shows.
LARGEST_DIAGRAM = 80
#: Tables whose columns are named in the list, and characters of these names.
NAMED, LONGEST = 60, 120


class DatabasePage:
    """Shows the tables and views of a database.

    Args:
        site: what is shown.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def tables(self, request: Request) -> Response:
        """Show the list of tables and views, or those whose name holds a text."""
        if self._site.has_sizes:
            await self._site.reread()
        tables, views = self._site.names()
        search = request.query_params.get("q", "").strip()[:100]
        size = await self._site.size()
        tables_found, views_found = _matching(tables, search), _matching(views, search)
        return self._site.render(
            request,
            "database.html",
            search=search,
            tables=tables_found,
            views=views_found,
            columns=self._columns([*tables_found, *views_found]),
            number=len(tables) + len(views),
            size=size,
            sized=sized,
        )

    def _columns(self, names: list[str]) -> dict[str, str]:
        """Return the names of the columns of each table, as one text; none where the list is long."""
        if len(names) > NAMED:
            return dict.fromkeys(names, "")
        return {name: shortened(", ".join(self._site.fields_of(name).columns), LONGEST)[0] for name in names}

    async def diagram(self, request: Request) -> Response:
        """Show the tables and their foreign keys as a picture with links."""
        self._site.must_show_all()
        root = str(request.scope.get("root_path", "")).rstrip("/")
        tables, _ = self._site.names()
        picture = None
        if len(tables) <= LARGEST_DIAGRAM:
            addresses = {name: f"{root}{self._site.table_path(name)}" for name in tables}
            picture = self._site.db.diagram().linked(addresses)
        return self._site.render(request, "diagram.html", picture=picture, number=len(tables), most=LARGEST_DIAGRAM)

    async def diagram_style(self, request: Request) -> Response:
        """Send the CSS of the picture."""
        self._site.must_show_all()
        return Response(self._site.db.diagram().style, media_type="text/css")


def _matching(names: list[str], search: str) -> list[str]:
    return [name for name in names if search.lower() in name.lower()]
