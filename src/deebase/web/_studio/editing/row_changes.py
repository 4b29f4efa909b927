"""The pages that change one row, or add one: the form, the change as SQL, and the change in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deebase import DeeBaseError, InvalidOperationError, Table
from deebase.web._studio.addresses import encoded_key
from deebase.web._studio.editing.change_sql import ChangeSql, in_one_transaction
from deebase.web._studio.editing.column_inputs import input_name
from deebase.web._studio.editing.posted_forms import APPLY, FORM, Posted, posted
from deebase.web._studio.editing.references import missing_parents
from deebase.web._studio.editing.row_form import MOST_FIELDS, WAS, RowForm, editable, fixed_because
from deebase.web._studio.rendering import cell
from deebase.web._studio.row_identity import key_in, row_at
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields

#: The parameter and the field that name the row that a new one is a copy of.
LIKE = "like"


class RowChanges:
    """Changes a row, and adds rows.

    Args:
        site: whose tables they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def edit(self, request: Request) -> Response:
        """Show the form of a row, what it changes, or make the change."""
        fields = self._site.fields(request)
        must(fields, "update", bool(fields.grant.writable) and fields.has_pages)
        key = str(request.path_params["key"])
        if request.method != "POST":
            names = _chosen(request, editable(fields, is_new=False))
            form = RowForm.of(self._site, fields, names, row=await row_at(fields, key))
            return self._form(request, fields, form)
        sent = await posted(self._site, request)
        return await self._answer(request, fields, sent, key)

    async def insert(self, request: Request) -> Response:
        """Show the form of a new row, the row, or add it."""
        fields = self._site.fields(request)
        must(fields, "insert", fields.grant.insert)
        if request.method != "POST":
            like = request.query_params.get(LIKE)
            names = editable(fields, is_new=True)[:MOST_FIELDS]
            form = RowForm.of(self._site, fields, names, like=await self._like(fields, like))
            return self._form(request, fields, form, like=like)
        return await self._answer(request, fields, await posted(self._site, request), None)

    async def _like(self, fields: Fields, segment: str | None) -> dict[str, Any]:
        """Return the values of the row that a new one is a copy of, without its key."""
        if not segment:
            return {}
        row = await row_at(fields, segment)
        return {name: value for name, value in row.items() if name not in fields.handle.pks}

    async def _answer(self, request: Request, fields: Fields, sent: Posted, key: str | None) -> Response:
        form: RowForm | None = None
        if sent.step != APPLY:
            form = await self._read(fields, sent, key)
            return await self._judged(request, fields, form, key) or self._review(request, fields, form, key)
        try:
            async with self._site.db.transaction():
                form = await self._read(fields, sent, key)
                return await self._judged(request, fields, form, key) or await self._apply(request, fields, form, key)
        except DeeBaseError as error:
            if form is None:
                raise
            errors, message = form.placed(error)
            return self._form(request, fields, form, errors=errors, message=message, like=sent.last(LIKE))

    async def _read(self, fields: Fields, sent: Posted, key: str | None) -> RowForm:
        """Return the form that was sent, with the row as it is now, which is locked while the change is applied."""
        names = [name for name in editable(fields, is_new=key is None) if sent.last(input_name(name)) is not None][
            :MOST_FIELDS
        ]
        if key is None:
            return RowForm.of(self._site, fields, names, like=await self._like(fields, sent.last(LIKE)), sent=sent)
        row = await row_at(fields, key, locked=sent.step == APPLY)
        return RowForm.of(self._site, fields, names, row=row, sent=sent)

    async def _judged(self, request: Request, fields: Fields, form: RowForm, key: str | None) -> Response | None:
        """Return the form again if the change cannot be made; None if it can."""
        like = form.sent.last(LIKE)
        changed = form.changed_meanwhile()
        if changed:
            return self._form(request, fields, form, changed=changed)
        values, errors = form.values()
        if form.sent.step == FORM:
            return self._form(request, fields, form, status=200, like=like)
        if not errors:
            errors = await missing_parents(self._site, fields, values, form.row)
        if errors:
            return self._form(request, fields, form, errors=errors, like=like)
        if key is not None and not values:
            return self._form(request, fields, form, status=200, message="Nothing is changed.")
        return None

    # -- pages ---------------------------------------------------------------------------------

    def _form(
        self,
        request: Request,
        fields: Fields,
        form: RowForm,
        *,
        status: int | None = None,
        errors: Mapping[str, str] | None = None,
        message: str | None = None,
        changed: Iterable[str] = (),
        like: str | None = None,
    ) -> Response:
        stale = list(changed)
        if status is None:
            status = 409 if stale else 400 if errors or message else 200
        fixed = []
        if form.row is not None and len(form.inputs) != 1:
            fixed = [
                (name, cell(form.row[name], 80), reason)
                for name, column in fields.columns.items()
                if (reason := fixed_because(fields, column)) is not None
            ]
        shown = {each.column.name for each in form.inputs}
        return self._site.render(
            request,
            "edit.html",
            status=status,
            fields=fields,
            form=form,
            shown=form.shown(errors or {}, stale),
            fixed=fixed,
            others=[name for name in editable(fields, is_new=form.row is None) if name not in shown],
            changed=stale,
            message=message,
            was=form.was,
            like=like,
            key=request.path_params.get("key"),
        )

    def _review(self, request: Request, fields: Fields, form: RowForm, key: str | None) -> Response:
        values, _ = form.values()
        sql = ChangeSql(self._site, fields)
        statement = sql.insert(values) if form.row is None else sql.update(values, [form.row])
        changes = [
            (name, None if form.row is None else cell(form.row[name], 400), cell(value, 400))
            for name, value in values.items()
        ]
        names = {name for each in form.inputs for name in (each.name, each.state_name)} | {WAS, LIKE}
        return self._site.render(
            request,
            "review.html",
            fields=fields,
            title="Add this row?" if form.row is None else "Change this row?",
            count=1,
            changes=changes,
            statement=in_one_transaction([statement]),
            kept=form.sent.only(names).pairs,
            back=True,
            cancel=None if key is None else f"/row/{key}",
            verb="Add the row" if form.row is None else "Apply",
            problem=None,
            consequences=None,
        )

    async def _apply(self, request: Request, fields: Fields, form: RowForm, key: str | None) -> Response:
        values, _ = form.values()
        handle: Any = fields.handle
        if form.row is None or key is None:
            after = await handle.insert(values)
            done = "added"
        else:
            found = key_in(fields, key)
            after = await handle.update(values, pk=found[0] if len(found) == 1 else found)
            done = "changed"
        seen = {name: value for name, value in after.items() if name in fields.columns}
        await self._site.audit(
            fields,
            "insert" if form.row is None else "update",
            key={name: seen[name] for name in handle.pks},
            before=form.row,
            after=seen,
        )
        return redirected(self._site, request, fields, seen, done)


def must(fields: Fields, operation: str, is_granted: bool) -> None:
    """Refuse what the user may not do.

    Raises:
        InvalidOperationError: the rows cannot be changed in this way.
    """
    if not is_granted:
        what = {"insert": "added", "update": "changed", "delete": "deleted"}[operation]
        raise InvalidOperationError(
            f"rows of {fields.handle.name} cannot be {what} here",
            operation=operation,
            target=fields.handle.name,
            hint=None if isinstance(fields.handle, Table) else "it is a view: change the tables that it reads",
        )


def _chosen(request: Request, names: list[str]) -> list[str]:
    """Return the columns of a form: those that the address names, or the first ones."""
    wanted = request.query_params.getlist("column")
    return [name for name in names if name in wanted][:MOST_FIELDS] or names[:MOST_FIELDS]


def redirected(
    site: Site, request: Request, fields: Fields, row: Mapping[str, Any] | None, done: str
) -> RedirectResponse:
    """Return the answer after a change: the page of the row, or of the table, which says what was done."""
    path = site.table_path(fields.handle.name)
    if row is not None and fields.has_pages:
        texts = fields.key_of([row[name] for name in fields.handle.pks])
        path += "" if texts is None else f"/row/{encoded_key(texts)}"
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return RedirectResponse(f"{root}{path}?{urlencode({'done': done})}", status_code=303)
