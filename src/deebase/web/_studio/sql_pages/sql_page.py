"""The SQL page: a text, its parameters, its result or its plan, and the queries that are kept."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deebase import Database, DeeBaseError, InvalidOperationError, NotFoundError, ValidationError
from deebase.tools.sql_text import PlanStep, RawResult, bound, error_place, export, parameters, plan, run
from deebase.web._studio.editing.posted_forms import posted
from deebase.web._studio.exports import FORMATS, MEDIA_TYPES, download_headers
from deebase.web._studio.facets import Distribution
from deebase.web._studio.site import Site
from deebase.web._studio.sql_pages.result_view import ResultPart, chart_of, part_of
from deebase.web._studio.sql_pages.saved_queries import LONGEST_NAME, LONGEST_TEXT, SavedQueries, code_of
from deebase.web.security import CSRF_FIELD

#: Before the name of a parameter in an address.
_VALUE = "p."
#: Bytes of all names that the script completes, and characters of a plan's line.
_NAMES_BYTES = 400_000
#: Steps of a plan that a page shows.
_MOST_STEPS = 150


@dataclass(frozen=True)
class Asked:
    """What the address of a SQL page asks for.

    Attributes:
        text: the SQL.
        values: the texts of its parameters by name; empty for NULL.
        explains: whether the plan is shown instead of the rows.
        part: the part of the result.
        chart: the column that a chart shows, or "".
    """

    text: str
    values: Mapping[str, str]
    explains: bool
    part: int
    chart: str

    @classmethod
    def of(cls, request: Request) -> Asked:
        """Return what a request asks for.

        Raises:
            ValidationError: the text is too long.
        """
        given = request.query_params
        text = given.get("sql", "").replace("\r\n", "\n")
        if len(text) > LONGEST_TEXT or len(escape(text).encode("utf-8", "replace")) > 2 * LONGEST_TEXT:
            raise ValidationError(f"a text has up to {LONGEST_TEXT:,} characters here", field="sql")
        part = given.get("part", "1")
        return cls(
            text,
            {name.removeprefix(_VALUE): value for name, value in given.items() if name.startswith(_VALUE)},
            given.get("explain") == "1",
            int(part) if part.isascii() and part.isdigit() and len(part) < 7 else 1,
            given.get("chart", ""),
        )


@dataclass(frozen=True)
class Problem:
    """Why a text has no result.

    Attributes:
        message: of the error.
        hint: what to do.
        place: where it is, in words; None if that is unknown.
        before: the text before it.
        marked: the text that is meant.
        after: the text after it.
    """

    message: str
    hint: str | None
    place: str | None = None
    before: str = ""
    marked: str = ""
    after: str = ""

    @classmethod
    def of(cls, db: Database, text: str, error: DeeBaseError) -> Problem:
        """Return the problem that an error is, with its place in the text."""
        place = error_place(db, text, error)
        if place is None:
            return cls(error.message, error.hint)
        start, end = place
        line = text.count("\n", 0, start) + 1
        column = start - (text.rfind("\n", 0, start) + 1) + 1
        where = f"Line {line}, character {column}"
        return cls(error.message, error.hint, where, text[:start], text[start:end], text[end:])


class SqlPage:
    """Runs the SQL of people, within limits, on connections that only read.

    Args:
        site: whose database it is.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def _reading(self) -> AbstractAsyncContextManager[Database]:
        limits = self._site.limits
        return self._site.db.read_only(seconds=limits.sql_seconds, rows=limits.sql_rows, size=limits.sql_bytes)

    async def page(self, request: Request) -> Response:
        """Show the editor, and what the text of the address gives."""
        self._site.must_have_sql()
        asked = Asked.of(request)
        saved = self._site.queries
        if saved is not None and "saved" in request.query_params:
            name = saved.named_by(request.query_params["saved"])
            text = None if name is None else saved.all().get(name)
            if text is None:
                raise NotFoundError("there is no query of this name")
            return RedirectResponse("?" + urlencode({"sql": text}), status_code=303)
        names: tuple[str, ...] = ()
        result: RawResult | None = None
        steps: tuple[PlanStep, ...] = ()
        problem: Problem | None = None
        async with self._reading() as ro:
            try:
                names = parameters(ro, asked.text)
                if asked.text.strip() and all(name in asked.values for name in names):
                    values = await _values(ro, asked, names)
                    if asked.explains:
                        steps = await plan(ro, asked.text, values)
                    else:
                        result = await run(ro, asked.text, values)
            except DeeBaseError as error:
                problem = Problem.of(ro, asked.text, error)
        return await self._shown(request, asked, names, result, steps, problem)

    async def _shown(
        self,
        request: Request,
        asked: Asked,
        names: tuple[str, ...],
        result: RawResult | None,
        steps: tuple[PlanStep, ...],
        problem: Problem | None,
    ) -> Response:
        part: ResultPart | None = None if result is None else part_of(result, asked.part)
        chart: tuple[Distribution, str] | None = None
        if result is not None and asked.chart:
            chart = chart_of(result, asked.chart)
        saved: SavedQueries | None = self._site.queries
        return self._site.render(
            request,
            "sql.html",
            status=200 if problem is None else 400,
            asked=asked,
            parameters=names,
            waits=bool(names) and problem is None and result is None and not steps,
            result=result,
            part=part,
            chart=chart,
            steps=_limited(steps, _MOST_STEPS)[0],
            problem=problem,
            formats=FORMATS,
            saved={} if saved is None else {name: code_of(name) for name in saved.all()},
            kept=saved,
            longest_name=LONGEST_NAME,
            csrf_field=CSRF_FIELD,
        )

    async def file(self, request: Request) -> Response:
        """Send the rows that the page shows, all parts of them, as a file.

        Raises:
            ValidationError: an unknown format.
        """
        self._site.must_have_sql()
        form = request.path_params["format"]
        if form not in FORMATS:
            raise ValidationError("the studio does not write such files", field="format", hint=", ".join(FORMATS))
        asked = Asked.of(request)
        async with self._reading() as ro:
            result = await run(ro, asked.text, await _values(ro, asked, parameters(ro, asked.text)))
        file = io.BytesIO()
        await export(result, file, format=form, escape_formulas=True)
        name = f"query-first-{len(result.rows)}" if result.truncated else "query"
        return Response(file.getvalue(), headers=download_headers(f"{name}.{form}", MEDIA_TYPES[form]))

    async def names(self, request: Request) -> Response:
        """Send the names of tables and columns, which the script of the page completes."""
        self._site.must_have_sql()
        listed: dict[str, list[str]] = {}
        size = 0
        for name in [name for kind in self._site.names() for name in kind]:
            columns = list(self._site.fields_of(name).columns)
            size += len(name) + sum(map(len, columns))
            if size > _NAMES_BYTES:
                break
            listed[name] = columns
        text = json.dumps({"tables": listed}, ensure_ascii=True)
        return Response(text, media_type="application/json")

    async def change(self, request: Request) -> Response:
        """Keep the query of a form, or delete it.

        Raises:
            InvalidOperationError: the form is not one of this browser, or the studio keeps no queries.
        """
        self._site.must_have_sql()
        sent = await posted(self._site, request)
        saved = self._site.queries
        if saved is None:
            raise InvalidOperationError("this studio keeps no queries", operation="saved queries")
        name, text = sent.last("name") or "", (sent.last("sql") or "").replace("\r\n", "\n")
        if sent.last("action") == "delete":
            saved.forget(saved.named_by(name) or "")
            text = ""
        else:
            saved.keep(name, text)
        root = str(request.scope.get("root_path", "")).rstrip("/")
        query = "?" + urlencode({"sql": text}) if text else ""
        return RedirectResponse(f"{root}/sql{query}", status_code=303)


async def _values(db: Database, asked: Asked, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the values of the parameters; None if the text has none, so that a ? in it is explained."""
    if not names:
        return None
    return await bound(db, asked.text, {name: asked.values.get(name) or None for name in names})


def _limited(steps: tuple[PlanStep, ...], room: int) -> tuple[tuple[PlanStep, ...], int]:
    """Return the first steps of a plan, and how many more a page has room for."""
    shown: list[PlanStep] = []
    for step in steps:
        if room <= 0:
            break
        below, room = _limited(step.steps, room - 1)
        details = tuple([detail[:300] for detail in step.details])
        shown.append(PlanStep(step.text[:300], details, step.rows, step.cost, below))
    return tuple(shown), room
