"""Files with the rows that a page shows, in the same order."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args
from urllib.parse import quote

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response

from deebase import InvalidOperationError, ValidationError
from deebase.web._studio.site import Site
from deebase.web._studio.state import TableState
from deebase.web._studio.table_fields import Fields

Format = Literal["csv", "json", "ndjson", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
#: Hits of a search in a file, and where each of them takes a condition of its own.
HITS, HITS_OF_SEVERAL_KEYS = 1000, 100
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


class BoundedFile(io.BytesIO):
    """A file in memory that refuses to become too large.

    Args:
        most: bytes that it may have.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: Any, /) -> int:
        """Write bytes at the end.

        Raises:
            InvalidOperationError: the file would be too large.
        """
        if self.tell() + memoryview(data).nbytes > self._most:
            raise InvalidOperationError(
                f"the file would be larger than {self._most / 2**20:.0f} MiB",
                operation="export",
                hint="choose fewer columns or rows, or write it with deebase export",
            )
        return super().write(data)


class ExportPage:
    """Sends the rows of a table as a file.

    Args:
        site: whose tables they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def file(self, request: Request) -> Response:
        """Send the rows that match, up to the limit.

        Raises:
            ValidationError: an unknown format.
        """
        form = request.path_params["format"]
        if form not in FORMATS:
            raise ValidationError("the studio does not write such files", field="format", hint=", ".join(FORMATS))
        fields = self._site.fields(request)
        state = TableState.read(request.query_params.multi_items(), fields)
        conditions = [item.condition(fields) for item in state.filters]
        if state.search:
            conditions = [await self._found(fields, state, conditions)]
        rows = fields.handle(
            *conditions,
            select=list(state.columns or fields.columns),
            order_by=state.order(),
            limit=self._site.limits.export_rows,
        )
        file = BoundedFile(self._site.limits.export_bytes)
        await rows.export(file, format=form, escape_formulas=True)
        return Response(file.getvalue(), headers=download_headers(f"{fields.handle.name}.{form}", MEDIA_TYPES[form]))

    async def _found(self, fields: Fields, state: TableState, conditions: Sequence[Any]) -> Any:
        """Return the condition of the best hits of a search."""
        handle = fields.searched()
        if not handle.pks:
            raise InvalidOperationError(f"{handle.name} has no key, so that its hits are not exported")
        hits = await handle.search(state.search, *conditions, limit=HITS, rows=True)
        keys = [handle.c[name] for name in handle.pks]
        if len(keys) == 1:
            return keys[0].in_([hit[handle.pks[0]] for hit in hits])
        return sa.or_(
            sa.false(), *[sa.and_(*[key == hit[key.name] for key in keys]) for hit in hits[:HITS_OF_SEVERAL_KEYS]]
        )


def download_headers(name: str, media_type: str) -> dict[str, str]:
    """Return the headers of a file that a browser saves under a name."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-80:]
    encoded = quote(name.replace("/", "_")[-120:].encode("utf-8", "replace"), safe="")
    return {
        "content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}",
        "content-type": media_type,
    }
