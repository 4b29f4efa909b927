"""The upkeep of a database: its migrations, with their state and plan, and what the doctor finds."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deebase import DeeBaseError, InvalidOperationError, NotFoundError
from deebase.migrations import Migrator, Step
from deebase.tools.doctor import Diagnosis, examine
from deebase.web._studio.editing.posted_forms import posted
from deebase.web._studio.site import Site
from deebase.web.security import CSRF_FIELD

#: Characters of the SQL of one migration, and of that of all on a page; migrations and findings of a page.
LONGEST, CHARACTERS, MOST = 6_000, 20_000, 200


class UpkeepPage:
    """Shows and applies migrations, and shows what is wrong with a database.

    Args:
        site: whose database it is.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def migrations(self, request: Request) -> Response:
        """Show the state of each migration, and what those would do that are pending."""
        migrator = self._migrator()
        return await self._shown(request, migrator, confirms=request.query_params.get("confirm") == "1")

    def _migrator(self) -> Migrator:
        self._site.must_show_all()
        if self._site.migrations is None:
            raise NotFoundError("There is no such page.")
        return self._site.migrations

    async def _shown(
        self, request: Request, migrator: Migrator, *, confirms: bool, error: DeeBaseError | None = None
    ) -> Response:
        found = await migrator.status()
        steps: list[Step] = []
        unplanned: DeeBaseError | None = None
        if any(status.is_pending for status in found):
            try:
                steps = await migrator.up(plan=True)
            except DeeBaseError as problem:
                unplanned = problem
        room = CHARACTERS
        texts: list[str] = []
        for step in steps:
            text = "\n".join([f"{sql.strip().rstrip(';')};" for sql in step.statements])[: max(min(LONGEST, room), 0)]
            texts.append(text)
            room -= len(text)
        return self._site.render(
            request,
            "migrations.html",
            status=200 if error is None else 409,
            directory=migrator.directory,
            # The last ones matter, and pages stay small.
            found=found[-MOST:],
            older=max(0, len(found) - MOST),
            steps=list(zip(steps, texts, strict=True))[:MOST],
            names=",".join([step.name for step in steps]),
            unplanned=unplanned,
            error=error,
            confirms=confirms and self._site.may_migrate and bool(steps),
            losing=_losing(steps),
            csrf_field=CSRF_FIELD,
        )

    async def apply(self, request: Request) -> Response:
        """Apply the migrations that the page of the confirmation has shown, by the rules of the command line.

        Raises:
            InvalidOperationError: the form is not one of this browser, or the studio only reads.
        """
        migrator = self._migrator()
        if not self._site.may_migrate:
            raise InvalidOperationError("this studio only reads", operation="migrate", hint="deebase studio --write")
        sent = await posted(self._site, request)
        confirmed = [name for name in (sent.last("names") or "").split(",") if name]
        pending = [status for status in await migrator.status() if status.is_pending]
        if not confirmed or [status.name for status in pending[: len(confirmed)]] != confirmed:
            changed = InvalidOperationError(
                "other migrations are pending than those that were shown",
                operation="migrate",
                hint="look at them again",
            )
            return await self._shown(request, migrator, confirms=True, error=changed)
        try:
            await migrator.up(
                pending[len(confirmed) - 1].number,
                allow_destructive=sent.all("lose"),
                backup=sent.last("backup") == "1",
            )
        except DeeBaseError as error:
            return await self._shown(request, migrator, confirms=True, error=error)
        finally:
            await self._site.db.reflect()
        root = str(request.scope.get("root_path", "")).rstrip("/")
        return RedirectResponse(f"{root}/migrations", status_code=303)

    async def doctor(self, request: Request) -> Response:
        """Show what ``deebase db doctor`` finds."""
        self._site.must_show_all()
        found: list[Diagnosis] = await examine(self._site.db)
        migrator = self._site.migrations
        if migrator is not None and not any(finding.rule == "damaged" for finding in found):
            try:
                found += await migrator.diagnose()
            except DeeBaseError as error:
                # They cannot be run elsewhere, to be compared: the other findings are worth to be seen.
                found.append(Diagnosis("migration", "error", None, error.message, error.hint or ""))
        tables = {name for names in self._site.names() for name in names}
        return self._site.render(
            request, "doctor.html", found=found[:MOST], more=max(0, len(found) - MOST), tables=tables
        )


def _losing(steps: list[Step]) -> list[str]:
    """Return the tables of which migrations lose rows or values."""
    found = [hazard for step in steps for hazard in step.hazards if hazard.destructive]
    return sorted({hazard.table for hazard in found if hazard.table is not None})
