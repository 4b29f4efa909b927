"""What all pages share: the database, templates, links, time limits, and pages for errors."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from deebase import (
    BusyError,
    CheckViolationError,
    ColumnNotFoundError,
    ConfigurationError,
    Database,
    DatabaseSize,
    DataError,
    DeeBaseError,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    NotFoundError,
    NotNullViolationError,
    QueryError,
    QueryTimeoutError,
    ScopeError,
    TableNotFoundError,
    TableSize,
    UniqueViolationError,
    ValidationError,
)
from deebase.migrations import Migrator
from deebase.web._studio.addresses import decoded, encoded
from deebase.web._studio.audit import Action, Audit, Change
from deebase.web._studio.sql_pages.saved_queries import SavedQueries
from deebase.web._studio.table_fields import Fields
from deebase.web._studio.visible_tables import Exposure, VisibleTables
from deebase.web.security import Protection, user_of

HERE = Path(__file__).parent
#: How long the sizes of tables are kept.
SIZE_SECONDS = 30.0
logger = logging.getLogger("deebase.web")

Page = Callable[[Request], Awaitable[Response]]
#: The status of a page for an error, by its class, and what it says to those who do not see the whole database; the
#: first that fits.
_STATUS: tuple[tuple[type[DeeBaseError], int, str], ...] = (
    (TableNotFoundError, 404, "there is no such table"),
    (ColumnNotFoundError, 404, "there is no such column"),
    (NotFoundError, 404, "there is no such row"),
    (ScopeError, 404, "there is no such row"),
    (ValidationError, 400, "a value does not fit"),
    (NotNullViolationError, 400, "a value is missing"),
    (CheckViolationError, 400, "the values violate a condition of the table"),
    (UniqueViolationError, 409, "a row with these values exists"),
    (ForeignKeyViolationError, 409, "a row that is referred to does not exist, or other rows refer to this one"),
    (IntegrityError, 409, "the values conflict with other rows"),
    (DataError, 400, "a value does not fit"),
    (InvalidOperationError, 400, "the database does not allow this"),
    (QueryTimeoutError, 504, "the database did not answer in time"),
    (BusyError, 503, "the database is busy"),
    (DeeBaseError, 500, "something went wrong in the database"),
)
#: Errors whose texts the library writes, before anything is sent.
_OWN_TEXTS = (NotFoundError, ValidationError, InvalidOperationError)
#: What a page says after a change.
_DONE = {"changed": "The change is saved.", "added": "The row is added.", "deleted": "Deleted."}
#: Errors of pages that the schema of another minute may explain.
_OF_THE_SCHEMA = (TableNotFoundError, ColumnNotFoundError, QueryError)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Limits:
    """What a request may take.

    Attributes:
        seconds: of a page.
        facet_seconds: of counting the values of a column.
        export_rows: rows of a file.
        export_bytes: of a file, which is made in memory.
        export_seconds: of writing a file.
        sql_seconds: of a SQL text.
        sql_rows: rows of its result.
        sql_bytes: of its result.
        migration_seconds: of applying migrations.
    """

    seconds: float = 10.0
    facet_seconds: float = 0.5
    export_rows: int = 100_000
    export_bytes: int = 100 * 2**20
    export_seconds: float = 60.0
    sql_seconds: float = 2.0
    sql_rows: int = 1000
    sql_bytes: int = 1_000_000
    migration_seconds: float = 3600.0


class Sizes:
    """The size of a database, which may be some seconds old.

    Args:
        db: the database.
        seconds: that reading it may take.
    """

    def __init__(self, db: Database, seconds: float) -> None:
        self._db = db
        self._seconds = seconds
        self._read_at = 0.0
        self._reading: asyncio.Future[None] | None = None
        self.last: DatabaseSize | None = None

    async def read(self) -> DatabaseSize | None:
        """Return the size of the database and its tables; None if it takes too long."""
        if self.last is None:
            await self._read()
        elif time.monotonic() - self._read_at > SIZE_SECONDS and (self._reading is None or self._reading.done()):
            # For the next page: this one has read the schema.
            self._reading = asyncio.ensure_future(self._read())
        return self.last

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                self.last, self._read_at = await self._db.size(), time.monotonic()
        except (TimeoutError, DeeBaseError):
            # A page is worth more than the numbers on it.
            self._read_at = time.monotonic()


class Site:
    """The database and the templates of a studio, as one user sees them.

    Args:
        db: the database that is shown.
        title: what the pages call it.
        protection: of its forms.
        limits: what a request may take.
        exposure: the tables, and the rules of access to them; all tables by default.
        audit: is called with each change.
        has_sql: whether there is a page for SQL of the user.
        queries: what keeps queries of users; None to keep none.
        migrations: of the database; None to show none.
        may_migrate: whether they can be applied.
    """

    def __init__(
        self,
        db: Database,
        *,
        title: str,
        protection: Protection,
        limits: Limits,
        exposure: Exposure | None = None,
        audit: Audit | None = None,
        has_sql: bool = True,
        queries: SavedQueries | None = None,
        migrations: Migrator | None = None,
        may_migrate: bool = False,
    ) -> None:
        self.db = db
        self.title = title
        self.protection = protection
        self.limits = limits
        self.has_sql = has_sql
        self.queries = queries
        self.migrations = migrations
        self.may_migrate = may_migrate
        self.user: Any = None
        self._audit = audit
        self._exposure = Exposure(db) if exposure is None else exposure
        self._visible = VisibleTables(self._exposure, None if self._exposure.tables is None else {})
        self._reading = asyncio.Lock()
        self._sizes = Sizes(db, limits.facet_seconds)
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def seen_by(self, user: Any) -> Site:
        """Return the studio as a user sees it."""
        await self._known()
        made = copy(self)
        made.user = user
        made._visible = await self._exposure.seen_by(user)
        return made

    # -- the database --------------------------------------------------------------------------

    @property
    def shows_all(self) -> bool:
        """Whether the user sees the whole database: no rule of access hides a table, a column or a row."""
        return self._visible.is_all

    @property
    def writes(self) -> bool:
        """Whether the studio has pages that change rows."""
        return self._exposure.writes

    @property
    def hears_changes(self) -> bool:
        """Whether the program gets each change."""
        return self._audit is not None

    def must_show_all(self) -> None:
        """Check that the user sees the whole database.

        Raises:
            NotFoundError: a rule of access hides a part of it.
        """
        if not self.shows_all:
            raise NotFoundError("There is no such page.")

    def must_have_sql(self) -> None:
        """Check that the user may run SQL, which no rule of access limits.

        Raises:
            NotFoundError: the studio has no page for SQL.
        """
        if not self.has_sql:
            raise NotFoundError("There is no such page.")

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of the tables and of the views."""
        return self._visible.names()

    def fields(self, request: Request) -> Fields:
        """Return the columns of the table or view of a request, with the handle of its rows.

        Raises:
            TableNotFoundError: it does not exist, or not for this user.
        """
        segment = str(request.path_params["table"])
        name = decoded(segment)
        return self._visible.fields_of(segment if name is None else name)

    def fields_of(self, name: str) -> Fields:
        """Return the columns of a table or view, with the handle of its rows.

        Raises:
            TableNotFoundError: it does not exist, or not for this user.
        """
        return self._visible.fields_of(name)

    def has(self, name: str) -> bool:
        """Whether a table or view exists for the user."""
        return name in self._visible

    async def audit(
        self,
        fields: Fields,
        action: Action,
        *,
        key: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """Tell the program of a change of one row, in the transaction of the change: its error undoes the change.

        Args:
            fields: the columns of the table.
            action: what has happened.
            key: of the row.
            before: the row as it was; None for a new one.
            after: the row as it is; None if it was deleted.
        """
        if self._audit is not None:
            told = self._audit(Change(self.user, action, fields.handle.name, key, before, after))
            if inspect.isawaitable(told):
                await told

    @staticmethod
    def table_path(name: str) -> str:
        """Return the path of the page of a table, after that of the studio."""
        return f"/table/{encoded(name)}"

    async def size(self) -> DatabaseSize | None:
        """Return the size of the database and its tables; None if it takes too long, or rows of it are hidden."""
        return await self._sizes.read() if self.shows_all else None

    @property
    def has_sizes(self) -> bool:
        """Whether the sizes of tables were read: a page that reads them does not read the schema, too."""
        return self._sizes.last is not None

    def last_size(self, table: str) -> TableSize | None:
        """Return the size of a table if it was read lately."""
        last = self._sizes.last
        return None if last is None or not self.shows_all else last.tables.get(table)

    async def reread(self) -> None:
        """Read the schema again, for tables and columns that other programs have changed."""
        # A request that waited uses what another one has just read.
        if self._reading.locked():
            async with self._reading:
                return
        async with self._reading:
            await self.db.reflect()

    async def _known(self) -> None:
        """Read the schema, unless the database knows its tables already.

        Raises:
            ConfigurationError: a table that has a rule of access does not exist.
        """
        async with self._reading:
            tables = self._exposure.tables
            is_known = not self._exposure.unknown() if tables is not None else any((dir(self.db.t), dir(self.db.v)))
            if not is_known:
                await self.db.reflect()
                missing = self._exposure.unknown()
                if missing:
                    raise ConfigurationError(f"tables= names what does not exist: {', '.join(missing)}")

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
            notice=_DONE.get(request.query_params.get("done", "")),
            **values,
        )
        return HTMLResponse(text, status_code=status)

    def message(self, request: Request, status: int, message: str, hint: str | None = None) -> Response:
        """Return a page that says what went wrong."""
        return self.render(request, "message.html", status=status, status_code=status, message=message, hint=hint)

    def explained(self, error: DeeBaseError) -> tuple[str, str | None]:
        """Return the text and the hint of an error, without names and values that do not exist for the user."""
        if self.shows_all:
            return error.message, error.hint
        # What is hidden and what does not exist are answered alike.
        if isinstance(error, _OWN_TEXTS) and not isinstance(error, (TableNotFoundError, ColumnNotFoundError)):
            words = {*_WORD.findall(f"{error.message} {error.hint or ''}")}
            if not words & self._visible.hidden_names():
                return error.message, error.hint
        return next(text for kind, _, text in _STATUS if isinstance(error, kind)), None

    def page(self, show: Callable[[Site], Page], *, seconds: float | None = None) -> Page:
        """Return an endpoint that ends in time, and whose errors become pages in words.

        Args:
            show: returns the page, given the studio as the user of the request sees it.
            seconds: that a request may take.
        """
        limit = self.limits.seconds if seconds is None else seconds

        async def answer(request: Request) -> Response:
            site = self
            try:
                async with asyncio.timeout(limit):
                    site = await self.seen_by(user_of(request))
                    try:
                        return await show(site)(request)
                    except _OF_THE_SCHEMA:
                        # Another program may have changed it since it was read.
                        if request.method != "GET" or not site.shows_all:
                            raise
                        await self.reread()
                        site = await self.seen_by(user_of(request))
                        return await show(site)(request)
            except TimeoutError:
                return self.message(request, 504, f"The page took longer than {limit:g} seconds.", "Narrow the filter.")
            except ConfigurationError:
                # From the function of a scope, or a rule of access: nothing that a user can change.
                return self._failed(request)
            except DeeBaseError as error:
                status = next(status for kind, status, _ in _STATUS if isinstance(error, kind))
                if status == 500 and not site.shows_all:
                    # The page does not say what the error says.
                    logger.warning("the page %s failed", request.url.path, exc_info=True)
                return self.message(request, status, *site.explained(error))
            except Exception:
                return self._failed(request)

        return answer

    def _failed(self, request: Request) -> Response:
        # The traceback is for the one who runs the server.
        logger.exception("the page %s failed", request.url.path)
        return self.message(request, 500, "Something went wrong in the studio.", "The server's log says more.")
