"""One table behind the JSON API: what each request does with it."""

from __future__ import annotations

# What a body holds may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode

from deebase import DeeBaseError, IntegrityError, NotFoundError, ScopeError, ValidationError
from deebase.web._rest.api_limits import Limits
from deebase.web._rest.json_forms import checked_form_of, encode_rows, encoders_of, form_of, read, written
from deebase.web._rest.problem_details import Fault, Faults, Problem, Reply, not_found, pointer_to, problem_of
from deebase.web._rest.url_conditions import MAX_OFFSET, Asked, Readable
from deebase.web._rest.visible_parents import Parents, must_see_parents
from deebase.web.access_rules import Access, Source, grant_of, keys_of, scope_for

_JSON: Final = ("content-type", "application/json")
_TYPES: Final = frozenset({"application/json", "application/merge-patch+json"})
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
#: Bytes of the checksum in an ETag.
_ETAG_BYTES: Final = 12

#: For "next" and "previous" the parameter that leads there, with its value.
Links = dict[str, tuple[str, str] | None]


@dataclass(frozen=True)
class Call:
    """A request to one table.

    Attributes:
        method: in capitals.
        key: the parts of the path after the table, decoded.
        query: the parameters of the URL.
        headers: by name in lower case.
        body: reads the body, of the given number of bytes at most.
        base: the path of the table, as URLs have it.
        parents: the tables that it refers to, within the scopes of the user.
    """

    method: str
    key: tuple[str, ...]
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    body: Callable[[int], Awaitable[bytes]]
    base: str
    parents: Parents = field(default_factory=dict[str, Any])


class ExposedTable:
    """A table or view, and the columns of it that the API reads and writes."""

    def __init__(self, source: Source, access: Access, limits: Limits) -> None:
        self.source = source
        self._rows: Any = source.rows_as(dict)
        self.access = access
        self.limits = limits
        self.grant = grant_of(source, access)
        self.columns = source.describe(*self.grant.readable)
        self.columns_by_name = {column.name: column for column in self.columns}
        self.forms = {column.name: form_of(column) for column in self.columns}
        written_to = [column for column in source.describe() if column.name in self.grant.writable]
        self.input_forms = {column.name: checked_form_of(column) for column in written_to}
        self._nullable = frozenset([column.name for column in written_to if column.nullable])
        #: The columns that a new row must have.
        self.required = tuple([column.name for column in written_to if not column.optional])
        self.keys = keys_of(source)
        self._searched = source.searchable
        #: Rows can be found by words, none of which is in a column that is hidden.
        self.has_search = bool(self._searched) and set(self._searched) <= set(self.grant.columns)
        self.readable = Readable(self.columns, self.forms, has_pages=bool(self.keys), has_search=self.has_search)
        self._encoders = encoders_of(list(self.forms.values()))
        #: Names that error messages may hold.
        self._known = frozenset({*self.forms, *self.input_forms})
        #: All columns of the table are shown, and no others: rows can be read as they are.
        self._is_whole = self.grant.readable == source.columns

    def is_current(self, source: Source) -> bool:
        """Whether the table is still as it was when this was made."""
        return source is self.source and source.searchable == self._searched

    def methods(self, *, of_row: bool) -> tuple[str, ...]:
        """Return the methods of the table, or of one row of it."""
        if not of_row:
            return ("GET", "HEAD", *(("POST",) if self.grant.insert else ()))
        changes = (("PATCH",) if self.grant.writable else (), ("DELETE",) if self.grant.delete else ())
        return ("GET", "HEAD", *changes[0], *changes[1])

    async def answer(self, call: Call, user: Any) -> Reply:
        """Return the response to a request.

        Raises:
            Problem: the request cannot be answered otherwise.
        """
        of_row = bool(call.key)
        if of_row and (not self.keys or len(call.key) != len(self.keys)):
            raise not_found()
        allowed = self.methods(of_row=of_row)
        if call.method == "OPTIONS":
            return Reply(204, headers=(("allow", ", ".join((*allowed, "OPTIONS"))),))
        if call.method not in allowed:
            headers = (("allow", ", ".join((*allowed, "OPTIONS"))),)
            raise Problem(405, f"{call.method} is not allowed here", "method", headers=headers)
        scope = await scope_for(self.access, user)
        if scope is None:
            raise not_found()
        try:
            return await self._answer(call, self.within(scope), frozenset(scope))
        except DeeBaseError as error:
            names_keys = call.method == "POST" and not scope and not call.parents
            raise problem_of(error, self._known, names_keys=names_keys) from error

    def within(self, scope: Mapping[str, Any]) -> Any:
        """Return the rows of a scope."""
        return self._rows.xtra(**scope) if scope else self._rows

    async def _answer(self, call: Call, handle: Any, held: frozenset[str]) -> Reply:
        if call.method in ("GET", "HEAD"):
            return await (self._row(call, handle) if call.key else self._list(call, handle))
        if call.query:
            raise Faults([Fault("is not a parameter of this address", parameter=name) for name, _ in call.query])
        if call.method == "POST":
            return await self._insert(call, handle, held)
        if call.method == "PATCH":
            return await self._change(call, handle, held)
        return await self._delete(call, handle)

    # -- reading -------------------------------------------------------------------------------

    async def _list(self, call: Call, handle: Any) -> Reply:
        asked = self.readable.read(call.query, self.limits)
        names = self.grant.readable if asked.select is None else asked.select
        selection = {
            "where": asked.where,
            "order_by": list(asked.order) or None,
            "select": None if self._is_whole and asked.select is None else list(names),
        }
        if asked.search is not None:
            return await self._found(call, handle, asked, asked.search, names)
        count: Mapping[str, Any] = {}
        if asked.count:
            bound = self.limits.count
            last = handle(*asked.conditions, where=asked.where, select=[names[0]], limit=1, offset=bound)
            count = await _counted(last, bound)
        if not self.keys:
            return await self._without_pages(call, handle, asked, selection, names, count)
        try:
            page = await handle.page(*asked.conditions, size=asked.limit, after=asked.after, **selection)
        except ValidationError as error:
            raise not_found() if error.field == "after" else error from error
        links = {"next": page.next, "previous": page.previous}
        return self._listed(
            call,
            page.rows,
            names,
            {name: None if cursor is None else ("after", cursor) for name, cursor in links.items()},
            count,
        )

    async def _without_pages(
        self,
        call: Call,
        handle: Any,
        asked: Asked,
        selection: dict[str, Any],
        names: Sequence[str],
        count: Mapping[str, Any],
    ) -> Reply:
        """Return rows of a table without a key, whose pages are counted from its beginning."""
        rows = await handle(*asked.conditions, limit=asked.limit + 1, offset=asked.offset, **selection)
        return self._listed(call, list(rows[: asked.limit]), names, _offsets(asked, len(rows)), count)

    async def _found(self, call: Call, handle: Any, asked: Asked, text: str, names: Sequence[str]) -> Reply:
        """Return the rows that a search finds, the best ones first."""

        def found(limit: int, offset: int) -> Any:
            return handle.search(text, *asked.conditions, where=asked.where, limit=limit, offset=offset, rows=True)

        try:
            rows = await found(asked.limit + 1, asked.offset)
            bound = self.limits.count
            count = await _counted(found(1, bound), bound) if asked.count else {}
        except ValidationError as error:
            raise Faults([Fault(error.message, parameter="search")]) from error
        shown = await self._shown(handle, rows[: asked.limit], names)
        return self._listed(call, shown, names, _offsets(asked, len(rows)), count)

    def _listed(
        self,
        call: Call,
        rows: list[dict[str, Any]],
        names: Sequence[str],
        links: Links,
        count: Mapping[str, Any],
    ) -> Reply:
        encoders = self._encoders
        if len(names) < len(self.forms):
            encoders = [pair for pair in encoders if pair[0] in names]
        encode_rows(rows, encoders)
        urls: dict[str, str | None] = {}
        for relation, place in links.items():
            kept = [(name, value) for name, value in call.query if name not in ("after", "offset")]
            urls[relation] = None if place is None else f"{call.base}?{urlencode([*kept, place])}"
        header = ", ".join([f'<{url}>; rel="{name[:4]}"' for name, url in urls.items() if url is not None])
        return Reply(200, written({"rows": rows, **urls, **count}), (_JSON, *((("link", header),) if header else ())))

    async def _row(self, call: Call, handle: Any) -> Reply:
        select = None
        if call.query:
            unknown = [Fault("is not a parameter of this address", parameter=n) for n, _ in call.query if n != "select"]
            if unknown:
                raise Faults(unknown)
            select = self.readable.read(call.query, self.limits).select
        key = self.key_of(call.key)
        row = await self._read(handle, key, select or self.grant.readable)
        if row is None:
            raise not_found()
        body = self._represented(row)
        if select is not None:
            return Reply(200, body, (_JSON,))
        tag = _tag(body)
        if _matches(call.headers.get("if-none-match"), tag, weakly=True):
            return Reply(304, headers=(("etag", tag),))
        return Reply(200, body, (_JSON, ("etag", tag)))

    def key_of(self, parts: tuple[str, ...]) -> tuple[Any, ...]:
        """Return the key that a path names; what cannot be a key is the key of no row."""
        values: list[Any] = []
        for name, text in zip(self.keys, parts, strict=True):
            decode = self.forms[name].decode_text
            try:
                if decode is None or "\0" in text:
                    raise ValueError
                values.append(decode(text))
            except (ValueError, ArithmeticError, LookupError, DeeBaseError):
                raise not_found() from None
        return tuple(values)

    async def _read(self, handle: Any, key: tuple[Any, ...], names: Sequence[str]) -> dict[str, Any] | None:
        """Return these columns of a row; None if it does not exist."""
        row: dict[str, Any] | None
        try:
            if any(name in self.grant.paths for name in names):
                row = await handle(where=dict(zip(self.keys, key, strict=True)), select=list(names)).first()
            else:
                row = await handle.get(key, default=None)
        except ValidationError:
            # Not a value of the column, such as an integer of more than 64 bits.
            raise not_found() from None
        return None if row is None else {name: row[name] for name in names}

    def _represented(self, row: dict[str, Any]) -> bytes:
        encode_rows([row], [pair for pair in self._encoders if pair[0] in row])
        return written(row)

    # -- writing -------------------------------------------------------------------------------

    async def _body(self, call: Call) -> Any:
        kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _TYPES:
            raise Problem(415, "the body is JSON: content-type application/json", "media_type")
        if call.headers.get("content-encoding", "identity") != "identity":
            raise Problem(415, "the body is not compressed", "media_type")
        try:
            return read(await call.body(self.limits.body))
        except ValidationError as error:
            raise Problem(400, error.message, "json") from error

    def values_of(self, given: Any, place: tuple[int, ...], held: frozenset[str] | None) -> dict[str, Any]:
        """Return the values of an object of the body.

        Args:
            given: the object.
            place: where it is in the body.
            held: for a new row, the columns that the scope fills in.

        Raises:
            Faults: it is no object, names what cannot be written, or has values that do not fit.
        """
        if not isinstance(given, dict):
            raise Faults([Fault("is not an object", pointer=pointer_to(*place))])
        members: dict[str, Any] = given
        faults: list[Fault] = []
        values: dict[str, Any] = {}
        for name, value in members.items():
            form = self.input_forms.get(name)
            if form is None:
                reason = "cannot be written" if name in self.forms else "is not a column"
                faults.append(Fault(reason, pointer=pointer_to(*place, name)))
                continue
            try:
                values[name] = None if value is None else form.decode(value)
            except DeeBaseError as error:
                faults.append(Fault(error.message, pointer=pointer_to(*place, name)))
            except (ValueError, TypeError, ArithmeticError, LookupError):
                faults.append(Fault(f"is not {form.wanted}", pointer=pointer_to(*place, name)))
            else:
                if value is None and name not in self._nullable:
                    faults.append(Fault("is null, and needs a value", pointer=pointer_to(*place, name)))
        if held is not None:
            missing = [name for name in self.required if name not in members and name not in held]
            faults += [Fault("is missing", pointer=pointer_to(*place, name)) for name in missing]
        if faults:
            raise Faults(faults)
        return values

    async def _insert(self, call: Call, handle: Any, held: frozenset[str]) -> Reply:
        given = await self._body(call)
        if isinstance(given, list):
            return await self._insert_all(call, given, handle, held)
        values = self.values_of(given, (), held)
        # One statement needs no transaction.
        async with handle.transaction() if held or call.parents or self.grant.paths else nullcontext():
            await must_see_parents(handle, [values], held, call.parents)
            row = await handle.insert(values)
            await must_see_parents(handle, [row], held, call.parents, stored=True)
            (shown,) = await self._shown(handle, [row])
        body = self._represented(shown)
        headers: tuple[tuple[str, str], ...] = (_JSON,)
        if self.keys:
            headers = (_JSON, ("location", self._url(call, row)), ("etag", _tag(body)))
        return Reply(201, body, headers)

    async def _insert_all(self, call: Call, given: list[Any], handle: Any, held: frozenset[str]) -> Reply:
        if not 1 <= len(given) <= self.limits.bulk:
            raise Faults([Fault(f"has 1 to {self.limits.bulk} rows", pointer="")])
        faults: list[Fault] = []
        records: list[dict[str, Any]] = []
        for number, item in enumerate(given):
            try:
                records.append(self.values_of(item, (number,), held))
            except Faults as problem:
                faults += problem.faults
        if faults:
            raise Faults(faults)
        minimal = "return=minimal" in call.headers.get("prefer", "").replace(" ", "").lower()
        try:
            async with handle.transaction():
                await must_see_parents(handle, records, held, call.parents)
                rows = await handle.insert_all(records, returning=True)
                await must_see_parents(handle, rows, held, call.parents, stored=True)
                shown = [] if minimal else await self._shown(handle, rows)
        except IntegrityError as error:
            raise problem_of(error, self._known, names_keys=not held and not call.parents, has_rows=True) from error
        if minimal:
            return Reply(201, written({"inserted": len(rows)}), (_JSON, ("preference-applied", "return=minimal")))
        encode_rows(shown, self._encoders)
        return Reply(201, written({"rows": shown}), (_JSON,))

    async def _shown(
        self, handle: Any, rows: Sequence[dict[str, Any]], selected: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Return what the API shows of rows that were read."""
        names, keys = selected or self.grant.readable, self.keys
        if not keys or not any(name in self.grant.paths for name in names):
            return [{name: row.get(name) for name in names} for row in rows]
        if len(keys) == 1:
            read = list(dict.fromkeys((*keys, *names)))
            found = await handle(where={keys[0]: [row[keys[0]] for row in rows]}, select=read)
            by_key = {row[keys[0]]: {name: row[name] for name in names} for row in found}
            return [by_key[row[keys[0]]] for row in rows if row[keys[0]] in by_key]
        one_by_one = [await self._read(handle, tuple([row[name] for name in keys]), names) for row in rows]
        return [row for row in one_by_one if row is not None]

    def _url(self, call: Call, row: Mapping[str, Any]) -> str:
        """Return the path of a row."""
        types = {column.name: column.type for column in self.columns}
        parts = [quote(str(types[name].format(row[name])), safe="") for name in self.keys]
        return "/".join([call.base, *parts])

    async def _change(self, call: Call, handle: Any, held: frozenset[str]) -> Reply:
        expected = call.headers.get("if-match")
        if expected is None:
            raise Problem(428, "a change needs the ETag of the row in If-Match, or *", "precondition_required")
        values = self.values_of(await self._body(call), (), None)
        if not values:
            raise Faults([Fault("names nothing to change", pointer="")])
        key = self.key_of(call.key)
        async with handle.transaction():
            await self._must_match(handle, key, expected)
            await must_see_parents(handle, [values], held, call.parents)
            row = await handle.update(values, pk=key)
            await must_see_parents(handle, [row], held, call.parents, stored=True)
            (shown,) = await self._shown(handle, [row])
        body = self._represented(shown)
        return Reply(200, body, (_JSON, ("etag", _tag(body)), ("content-location", self._url(call, row))))

    async def _delete(self, call: Call, handle: Any) -> Reply:
        key = self.key_of(call.key)
        expected = call.headers.get("if-match")
        try:
            async with handle.transaction():
                if expected is not None:
                    await self._must_match(handle, key, expected)
                await handle.delete(key)
        except ScopeError as error:
            raise not_found() from error
        return Reply(204)

    async def _must_match(self, handle: Any, key: tuple[Any, ...], expected: str) -> None:
        """Lock a row, and refuse to change it if it is no longer as the client has read it."""
        try:
            row = await handle.get(key, for_update=True)
        except (NotFoundError, ValidationError):
            raise not_found() from None
        if expected.strip() == "*":
            return
        (shown,) = await self._shown(handle, [row])
        body = self._represented(shown)
        if not _matches(expected, _tag(body), weakly=False):
            raise Problem(412, "the row is no longer as it was read", "precondition_failed")


async def _counted(query: Any, bound: int) -> dict[str, Any]:
    """Return the number of rows of a query, of more than the bound only that there are more.

    Args:
        query: reads the row after so many others.
        bound: the number of these rows.
    """
    if await query:
        return {"count": bound, "count_is_exact": False}
    return {"count": await query.count(), "count_is_exact": True}


def _offsets(asked: Asked, found: int) -> Links:
    """Return the links of a page that is counted from the beginning, of which one row more was read."""
    links: Links = {"next": None, "previous": None}
    if found > asked.limit and asked.offset + asked.limit <= MAX_OFFSET:
        links["next"] = ("offset", str(asked.offset + asked.limit))
    if asked.offset:
        links["previous"] = ("offset", str(max(asked.offset - asked.limit, 0)))
    return links


def _tag(body: bytes) -> str:
    """Return the ETag of a representation."""
    return f'"{hashlib.blake2b(body, digest_size=_ETAG_BYTES).hexdigest()}"'


def _matches(header: str | None, tag: str, *, weakly: bool) -> bool:
    """Whether a list of ETags names one, or any row (RFC 9110, section 13.1)."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    return any(one == tag or (weakly and one == f"W/{tag}") for one in _ETAG.findall(header))
