"""``studio``: the ASGI app that shows a database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deebase import ConfigurationError, Database
from deebase.migrations import Migrator
from deebase.web._studio.audit import Audit
from deebase.web._studio.database_page import DatabasePage
from deebase.web._studio.editing import routes_of_changes
from deebase.web._studio.exports import ExportPage
from deebase.web._studio.row_page import RowPage
from deebase.web._studio.schema_pages.schema_page import SchemaPage
from deebase.web._studio.schema_pages.upkeep_page import UpkeepPage
from deebase.web._studio.site import HERE, Limits, Site
from deebase.web._studio.sql_pages.saved_queries import SavedQueries
from deebase.web._studio.sql_pages.sql_page import SqlPage
from deebase.web._studio.table_page import TablePage
from deebase.web._studio.visible_tables import Exposure
from deebase.web.access_rules import Access, rules_of
from deebase.web.security import LOOPBACK, Protected, Protection, served_hosts


def studio(
    db: Database,
    *,
    user: Callable[[Request], Any] | None = None,
    tables: Mapping[str, Access] | None = None,
    write: bool = False,
    sql: bool | None = None,
    audit: Audit | None = None,
    title: str | None = None,
    login: str | None = None,
    hosts: Sequence[str] | None = None,
    secret: str | None = None,
    token: str | None = None,
    queries: str | os.PathLike[str] | None = None,
    migrations: Migrator | None = None,
) -> Starlette:
    """Return an ASGI app whose pages show a database: its tables, their rows, and where those lead.

    Mounted in an app of any framework, it asks ``user`` who a browser belongs to, and ``tables`` what exists for that
    user. Without ``user``, it answers clients of this machine alone, under its own names (``localhost``,
    ``127.0.0.1``).

    Args:
        db: the database; tables that it does not know yet are read with the first page.
        user: a function of the request (Starlette's) that returns the user, or None for a request without one. It may
            be async, and may raise the HTTPException of the framework.
        tables: what can be done with each table or view, by its name. Other tables do not exist for the studio. Without
            it, all users see all tables, columns and rows.
        write: without ``tables``, whether rows can be added, changed and deleted.
        sql: whether users may read by SQL of their own, which no ``Access`` limits; by default, if ``tables`` and
            ``user`` are left out.
        audit: is called with a ``Change`` for each row that is added, changed or deleted, in the transaction of the
            change. It may be async. If it raises, the change is rolled back.
        title: what the pages call the database; what its repr says by default.
        login: the address of a page that logs users in; it gets the address of the page as ``?next=``. Without it, a
            request without a user is answered with 401.
        hosts: the names under which the studio answers, as in the Host header; all of them by default, if ``user`` is
            given.
        secret: what forms are signed with, equal in all processes of the app; a new one by default.
        token: what a browser has to show once, as ``?token=...``; None if everything on this machine may look. It is
            for a studio without ``user``.
        queries: a file in which users keep SQL queries, which all users of the studio see; None to keep none.
        migrations: the migrations of the database, to show their state; with ``write``, and without ``tables``, they
            can be applied.

    Raises:
        InvalidOperationError: the packages of the extra ``web`` are not installed.
        ConfigurationError: an Access names a column that does not exist, or an argument needs ``user``.

    Example:
        ```python
        from deebase.web import Access, studio

        tables = {"post": Access(write=["title"], scope=lambda user: {"tenant_id": user.tenant})}
        app.mount("/admin", studio(db, user=current_user, tables=tables, title="Posts"))
        ```
    """
    _must_fit_user(user, login=login, hosts=hosts, token=token)
    rules_of(db, {} if tables is None else tables)
    if audit is not None and not callable(audit):
        raise ConfigurationError("audit is a function of a Change", hint="studio(db, user=current_user, audit=log)")
    exposure = Exposure(db, tables, write=write, has_users=user is not None)
    protection = Protection(
        token=token,
        hosts=LOOPBACK if user is None else None if hosts is None else served_hosts(hosts),
        secret=secrets.token_urlsafe(32) if secret is None else secret,
        user=user,
        login=login,
    )
    site = Site(
        db,
        title=title or repr(db).strip("<>"),
        protection=protection,
        limits=Limits(),
        exposure=exposure,
        audit=audit,
        has_sql=(tables is None and user is None) if sql is None else sql,
        queries=None if queries is None else SavedQueries(Path(queries)),
        migrations=migrations,
        may_migrate=write and tables is None,
    )
    return protected_app(site)


def _must_fit_user(
    user: Callable[[Request], Any] | None, *, login: str | None, hosts: Sequence[str] | None, token: str | None
) -> None:
    if user is not None and token is not None:
        raise ConfigurationError("the studio has users or a token, and both are given", hint="leave out token=")
    if user is not None and not callable(user):
        raise ConfigurationError("user is a function of the request", hint="studio(db, user=current_user)")
    for name, given in (("login", login), ("hosts", hosts)):
        if given is not None and user is None:
            raise ConfigurationError(
                f"{name} needs user=: without it, the studio answers clients of this machine alone",
                hint="studio(db, user=current_user)",
            )
    if isinstance(hosts, str):
        raise ConfigurationError("hosts is a list of names", hint='hosts=["admin.example.org"]')


def protected_app(site: Site) -> Starlette:
    """Return the app of a site."""
    routes = [
        Route("/", site.page(lambda site: DatabasePage(site).tables)),
        Route("/diagram", site.page(lambda site: DatabasePage(site).diagram)),
        Route("/diagram.css", site.page(lambda site: DatabasePage(site).diagram_style)),
        Route("/table/{table}", site.page(lambda site: TablePage(site).rows)),
        Route("/table/{table}/row/{key}", site.page(lambda site: RowPage(site).values)),
        Route("/table/{table}/row/{key}/value/{column}", site.page(lambda site: RowPage(site).value)),
        Route(
            "/table/{table}/export.{format}",
            site.page(lambda site: ExportPage(site).file, seconds=site.limits.export_seconds),
        ),
        *(routes_of_changes(site) if site.writes else ()),
        Route("/table/{table}/schema", site.page(lambda site: SchemaPage(site).table)),
        Route("/schema", site.page(lambda site: SchemaPage(site).database)),
        Route("/schema.sql", site.page(lambda site: SchemaPage(site).file)),
        Route("/migrations", site.page(lambda site: UpkeepPage(site).migrations), methods=["GET"]),
        Route(
            "/migrations",
            site.page(lambda site: UpkeepPage(site).apply, seconds=site.limits.migration_seconds),
            methods=["POST"],
        ),
        Route("/doctor", site.page(lambda site: UpkeepPage(site).doctor)),
        Route("/sql", site.page(lambda site: SqlPage(site).page), methods=["GET"]),
        Route("/sql", site.page(lambda site: SqlPage(site).change), methods=["POST"]),
        Route("/sql/names.json", site.page(lambda site: SqlPage(site).names)),
        Route("/sql/export.{format}", site.page(lambda site: SqlPage(site).file)),
        Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
    ]

    async def missing(request: Request, _: Exception) -> Response:
        return site.message(request, 404, "There is no such page.")

    return Starlette(
        routes=routes,
        middleware=[Middleware(Protected, protection=site.protection)],
        exception_handlers={404: missing, 405: missing},
    )
