"""Changes of rows in the studio: forms, what a change does before it is applied, and the change in one transaction."""

from __future__ import annotations

from starlette.routing import Route

from deebase.web._studio.editing.references import Suggestions
from deebase.web._studio.editing.row_changes import RowChanges
from deebase.web._studio.editing.several_rows import SeveralRows
from deebase.web._studio.site import Site


def routes_of_changes(site: Site) -> list[Route]:
    """Return the pages that change rows."""
    both = ["GET", "POST"]
    return [
        Route("/table/{table}/row/{key}/edit", site.page(lambda site: RowChanges(site).edit), methods=both),
        Route("/table/{table}/add", site.page(lambda site: RowChanges(site).insert), methods=both),
        Route("/table/{table}/row/{key}/delete", site.page(lambda site: SeveralRows(site).delete_one), methods=both),
        Route("/table/{table}/several", site.page(lambda site: SeveralRows(site).chosen), methods=both),
        Route("/table/{table}/suggest/{column}", site.page(lambda site: Suggestions(site).rows)),
    ]
