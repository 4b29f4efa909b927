"""The pages that delete rows, and those that change several at once, each in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deebase import UNSET, DeeBaseError, NotFoundError, ValidationError
from deebase.web._studio.audit import Action
from deebase.web._studio.editing.change_sql import ChangeSql, in_one_transaction
from deebase.web._studio.editing.consequences import Consequences, consequences_of, rows_in_words
from deebase.web._studio.editing.posted_forms import APPLY, FORM, Posted, posted
from deebase.web._studio.editing.references import missing_parents
from deebase.web._studio.editing.row_changes import must, redirected
from deebase.web._studio.editing.row_form import WAS, RowForm, editable
from deebase.web._studio.labels import label_column
from deebase.web._studio.rendering import cell
from deebase.web._studio.row_identity import checksums, key_in, no_row, same_rows
from deebase.web._studio.site import Site
from deebase.web._studio.state import MOST_ROWS
from deebase.web._studio.table_fields import Fields

#: The names of the keys of the rows, of the column that is set, and of what goes with the rows.
KEY, COLUMN, MARK, ACTION, DELETE = "key", "column", "mark", "action", "delete"
_STALE = "The rows are not as this page showed them. This is how they are now."


class SeveralRows:
    """Changes and deletes the rows that were chosen.

    Args:
        site: whose tables they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def delete_one(self, request: Request) -> Response:
        """Show what goes with a row, or delete it."""
        return await self._delete(request, self._site.fields(request), [str(request.path_params["key"])])

    async def chosen(self, request: Request) -> Response:
        """Show what can be done with the chosen rows, what it does, or do it."""
        fields = self._site.fields(request)
        must(fields, "update", fields.has_pages and bool(fields.grant.writable or fields.grant.delete))
        sent = await posted(self._site, request) if request.method == "POST" else None
        given = request.query_params.getlist(KEY) if sent is None else sent.all(KEY)
        keys = list(dict.fromkeys(given))
        if not keys:
            raise ValidationError("no row is chosen", field=KEY, hint="tick rows on the page of the table")
        if len(keys) > MOST_ROWS:
            raise ValidationError(f"more than {MOST_ROWS} rows are chosen", field=KEY, hint="choose fewer")
        action = request.query_params.get(ACTION) if sent is None else sent.last(ACTION)
        if action == DELETE:
            return await self._delete(request, fields, keys, sent)
        return await self._set(request, fields, keys, sent)

    async def _rows(self, fields: Fields, keys: Sequence[str], *, locked: bool = False) -> list[dict[str, Any]]:
        """Return the chosen rows.

        Raises:
            NotFoundError: one of them does not exist.
        """
        pks = fields.handle.pks
        wanted = [dict(zip(pks, key_in(fields, key), strict=True)) for key in keys]
        handle: Any = fields.handle
        options: dict[str, Any] = {"for_update": True} if locked else {}
        rows = await handle(same_rows(handle, pks, wanted), order_by=list(pks), limit=len(keys), **options)
        if len(rows) < len(keys):
            raise (
                no_row(fields)
                if len(keys) == 1
                else NotFoundError(
                    f"some of the rows of {handle.name} do not exist any more",
                    table_name=handle.name,
                    hint="choose again",
                )
            )
        return [{name: value for name, value in row.items() if name in fields.columns} for row in rows]

    # -- deleting ------------------------------------------------------------------------------

    async def _delete(
        self, request: Request, fields: Fields, keys: Sequence[str], sent: Posted | None = None
    ) -> Response:
        must(fields, "delete", fields.grant.delete and fields.has_pages)
        if request.method == "POST" and sent is None:
            sent = await posted(self._site, request)
        if sent is None or sent.step != APPLY:
            rows = await self._rows(fields, keys)
            return self._deletion(request, fields, keys, rows, await consequences_of(self._site, fields, rows))
        rows, found = [], Consequences((), True)
        try:
            async with self._site.db.transaction():
                rows = await self._rows(fields, keys, locked=True)
                found = await consequences_of(self._site, fields, rows)
                if (sent.last(WAS), sent.last(MARK)) != (mark_of(fields, rows), found.mark):
                    return self._deletion(request, fields, keys, rows, found, problem=_STALE, status=409)
                await self._gone(fields, rows, found)
        except DeeBaseError as error:
            if not rows:
                raise
            message = RowForm.of(self._site, fields, ()).text_of(error)
            return self._deletion(request, fields, keys, rows, found, problem=message, status=409)
        return redirected(self._site, request, fields, None, "deleted")

    async def _gone(self, fields: Fields, rows: Sequence[Mapping[str, Any]], found: Consequences) -> None:
        handle: Any = fields.handle
        others = [(each, await self._with(each)) for each in found.found if self._site.hears_changes]
        await handle.delete_where(same_rows(handle, handle.pks, rows))
        for row in rows:
            await self._site.audit(
                fields, "delete", key={name: row[name] for name in handle.pks}, before=row, after=None
            )
        for each, (other, gone) in others:
            for row in gone:
                key = {name: row[name] for name in other.handle.pks}
                after = None if each.effect == "deleted" else {**row, **dict.fromkeys(each.columns)}
                action: Action = "delete" if after is None else "update"
                await self._site.audit(other, action, key=key, before=row, after=after)

    async def _with(self, each: Any) -> tuple[Fields, list[dict[str, Any]]]:
        """Return the rows that go with others."""
        other = self._site.fields_of(each.table)
        handle: Any = other.handle
        rows = await handle(each.rows(handle.sa_table))
        return other, [{name: value for name, value in row.items() if name in other.columns} for row in rows]

    def _deletion(
        self,
        request: Request,
        fields: Fields,
        keys: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        found: Consequences,
        *,
        problem: str | None = None,
        status: int = 200,
    ) -> Response:
        one = len(rows) == 1 and "key" in request.path_params
        kept = [(WAS, mark_of(fields, rows)), (MARK, found.mark)]
        if not one:
            kept += [(ACTION, DELETE), *[(KEY, key) for key in keys]]
        return self._site.render(
            request,
            "review.html",
            status=status,
            fields=fields,
            title="Delete this row?" if one else f"Delete {rows_in_words(len(rows))}?",
            count=len(rows),
            changes=[(name, cell(value, 400), None) for name, value in list(rows[0].items())[:12]] if one else [],
            statement=in_one_transaction([ChangeSql(self._site, fields).delete(rows)]),
            kept=kept,
            back=False,
            cancel=f"/row/{keys[0]}" if one else "",
            verb="Delete",
            problem=problem,
            consequences=found,
        )

    # -- setting one column --------------------------------------------------------------------

    async def _set(self, request: Request, fields: Fields, keys: Sequence[str], sent: Posted | None) -> Response:
        names = [name for name in editable(fields, is_new=False) if name not in fields.handle.pks]
        given = request.query_params.get(COLUMN) if sent is None else sent.last(COLUMN)
        name = given if given in names else None
        if sent is None or name is None or sent.step == FORM:
            rows = await self._rows(fields, keys)
            return self._choice(request, fields, keys, rows, names, self._column_form(fields, name, sent), {})
        if sent.step != APPLY:
            rows = await self._rows(fields, keys)
            form, errors, values = await self._value(fields, name, sent)
            if errors:
                return self._choice(request, fields, keys, rows, names, form, errors)
            return self._setting(request, fields, keys, rows, values, sent, name)
        return await self._apply(request, fields, keys, names, name, sent)

    def _column_form(self, fields: Fields, name: str | None, sent: Posted | None) -> RowForm:
        return RowForm.of(self._site, fields, () if name is None else [name], row={}, sent=sent)

    async def _value(self, fields: Fields, name: str, sent: Posted) -> tuple[RowForm, dict[str, str], dict[str, Any]]:
        form = self._column_form(fields, name, sent)
        try:
            (each,) = form.inputs
            entry = each.sent(sent)
            value = UNSET if entry is None else each.value_of(entry, sent)
        except DeeBaseError as error:
            return form, {name: form.text_of(error)}, {}
        if value is UNSET:
            return form, {name: "needs a value"}, {}
        return form, await missing_parents(self._site, fields, {name: value}, None), {name: value}

    async def _apply(
        self, request: Request, fields: Fields, keys: Sequence[str], names: Sequence[str], name: str, sent: Posted
    ) -> Response:
        rows: list[dict[str, Any]] = []
        handle: Any = fields.handle
        try:
            async with self._site.db.transaction():
                rows = await self._rows(fields, keys, locked=True)
                form, errors, values = await self._value(fields, name, sent)
                if errors:
                    return self._choice(request, fields, keys, rows, names, form, errors)
                if sent.last(WAS) != mark_of(fields, rows):
                    return self._setting(request, fields, keys, rows, values, sent, name, problem=_STALE)
                await handle.update_where(values, same_rows(handle, handle.pks, rows))
                after = await self._rows(fields, keys) if self._site.hears_changes else []
                for before, now in zip(rows, after, strict=False):
                    key = {each: now[each] for each in handle.pks}
                    await self._site.audit(fields, "update", key=key, before=before, after=now)
        except DeeBaseError as error:
            if not rows:
                raise
            form = self._column_form(fields, name, sent)
            places, message = form.placed(error)
            return self._choice(request, fields, keys, rows, names, form, places, message)
        return redirected(self._site, request, fields, None, "changed")

    def _choice(
        self,
        request: Request,
        fields: Fields,
        keys: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        names: Sequence[str],
        form: RowForm,
        errors: Mapping[str, str],
        message: str | None = None,
    ) -> Response:
        label = label_column(fields)
        names_of_rows = [label] if label is not None else list(fields.handle.pks)
        titles = [", ".join([cell(row[each], 60).text for each in names_of_rows]) for row in rows]
        return self._site.render(
            request,
            "several.html",
            status=400 if errors or message else 200,
            fields=fields,
            keys=keys,
            titles=titles,
            number=rows_in_words(len(rows)),
            names=names,
            form=form,
            shown=form.shown(errors),
            message=message,
        )

    def _setting(
        self,
        request: Request,
        fields: Fields,
        keys: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        values: Mapping[str, Any],
        sent: Posted,
        name: str,
        *,
        problem: str | None = None,
    ) -> Response:
        (each,) = self._column_form(fields, name, sent).inputs
        kept = [*sent.only({each.name, each.state_name, COLUMN}).pairs, *[(KEY, key) for key in keys]]
        was = {cell(row[name], 60) for row in rows}
        before = next(iter(was)) if len(was) == 1 else cell(f"{len(was)} different values", 60)
        return self._site.render(
            request,
            "review.html",
            status=200 if problem is None else 409,
            fields=fields,
            title=f"Change {rows_in_words(len(rows))}?",
            count=len(rows),
            changes=[(name, before, cell(values[name], 400))],
            statement=in_one_transaction([ChangeSql(self._site, fields).update(values, rows)]),
            kept=[*kept, (WAS, mark_of(fields, rows))],
            back=True,
            cancel="",
            verb="Apply",
            problem=problem,
            consequences=None,
        )


def mark_of(fields: Fields, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a text that is another one if one of the rows is."""
    return sha256(".".join([text for row in rows for text in checksums(fields, row).values()]).encode()).hexdigest()
