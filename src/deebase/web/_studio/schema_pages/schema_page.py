"""The schema: the definition of one table, and that of the whole database."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from deebase.tools.schema_sql import Definition, definitions, table_definition
from deebase.web._studio.exports import download_headers
from deebase.web._studio.site import Site

#: Characters of SQL on a page, and of one definition.
CHARACTERS, LONGEST = 24_000, 8_000
#: Columns, indexes and foreign keys of a table that a page shows.
MOST = 150


class SchemaPage:
    """Shows how tables, and the database, are defined.

    Args:
        site: whose database it is.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def table(self, request: Request) -> Response:
        """Show the definition of a table or view, as the database has it now."""
        self._site.must_show_all()
        fields = self._site.fields(request)
        found = await table_definition(self._site.db, fields.handle.name)
        return self._site.render(
            request, "table_schema.html", fields=fields, found=found, most=MOST, sql=found.sql[:LONGEST]
        )

    async def database(self, request: Request) -> Response:
        """Show the definitions of everything in the database, in parts of a limited size."""
        self._site.must_show_all()
        parts = _parts(await definitions(self._site.db))
        given = request.query_params.get("part", "1")
        number = int(given) if given.isascii() and given.isdigit() and len(given) < 6 else 1
        number = max(1, min(number, len(parts)))
        return self._site.render(
            request,
            "schema.html",
            shown=parts[number - 1],
            number=number,
            parts=len(parts),
            total=sum(map(len, parts)),
            longest=LONGEST,
        )

    async def file(self, request: Request) -> Response:
        """Send the definitions of everything in the database as a script."""
        self._site.must_show_all()
        found = await definitions(self._site.db)
        text = "\n\n".join([definition.sql for definition in found]) + "\n"
        return Response(text.encode("utf-8", "replace"), headers=download_headers("schema.sql", "application/sql"))


def _parts(found: list[Definition]) -> list[list[Definition]]:
    parts: list[list[Definition]] = [[]]
    room = CHARACTERS
    for definition in found:
        size = min(len(definition.sql), LONGEST) + 200
        if parts[-1] and size > room:
            parts.append([])
            room = CHARACTERS
        parts[-1].append(definition)
        room -= size
    return parts
