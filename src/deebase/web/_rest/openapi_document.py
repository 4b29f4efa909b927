"""The OpenAPI 3.1 document of the API: what each address takes and returns, with the types of the columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from deebase.web._rest.document_schemas import JSON_VALUE
from deebase.web._rest.exposed_table import ExposedTable
from deebase.web._rest.json_forms import JsonForm
from deebase.web._rest.problem_details import PROBLEM
from deebase.web._rest.url_conditions import MAX_OFFSET

Json = dict[str, Any]
#: Returns the schema to write in the place of a schema with a name of its own.
Refer = Callable[[str, Json], Json]

_PROBLEM_SCHEMA: Final[Json] = {
    "type": "object",
    "description": "A problem (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "what is wrong, for programs"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {"type": "string", "description": "a JSON Pointer into the body"},
                    "parameter": {"type": "string", "description": "a parameter of the address"},
                },
            },
        },
    },
}
_OPERATORS: Final = {
    "eq": "equals, or one of several values if it is given more than once",
    "ne": "does not equal",
    "gt": "is greater than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "in": "is one of",
    "null": "is null, or is not",
    "contains": "contains, in upper or lower case",
    "startswith": "begins with",
}
_STATUSES: Final = {
    304: "The row is as it was.",
    401: "No user is logged in.",
    403: "The database does not allow this.",
    404: "Nothing is at this address.",
    409: "The values conflict with other rows.",
    412: "The row is no longer as it was read.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body is not JSON.",
    400: "The body cannot be read.",
    422: "A value does not fit.",
    428: "If-Match is missing.",
    503: "The database is busy or cannot be reached.",
    504: "It took too long.",
}
_ETAG: Final[Json] = {"description": "the version of the row", "required": True, "schema": {"type": "string"}}


class Operations:
    """The operations of one table.

    Args:
        exposed: the table.
        name: its name in identifiers of operations and schemas.
        refer: what to write in the place of a schema with a name.
        has_users: whether a request without a user is refused.
        held: the columns that the scope fills in.
    """

    def __init__(
        self, exposed: ExposedTable, name: str, refer: Refer, *, has_users: bool, held: Iterable[str] = ()
    ) -> None:
        self._exposed = exposed
        self._name = name
        self._title = exposed.source.name
        self._statuses = (401,) if has_users else ()
        self._problem = refer("Problem", _PROBLEM_SCHEMA)
        self._row = refer(name, self._row_schema())
        self._new = refer(f"{name}.new", self._input_schema([one for one in exposed.required if one not in held]))
        self._changes = refer(f"{name}.change", {**self._input_schema(()), "minProperties": 1})

    # -- schemas -------------------------------------------------------------------------------

    def _row_schema(self) -> Json:
        forms = self._exposed.forms
        return {
            "type": "object",
            "description": f"A row of {self._title}.",
            "required": list(forms),
            "properties": {name: form.schema for name, form in forms.items()},
            "additionalProperties": False,
            "examples": [_example(forms.values())],
        }

    def _input_schema(self, required: Sequence[str]) -> Json:
        forms = self._exposed.input_forms
        shown = [form for name, form in forms.items() if not required or name in required] or list(forms.values())
        made: Json = {
            "type": "object",
            "properties": {name: form.accepts for name, form in forms.items()},
            "additionalProperties": False,
            "examples": [_example(shown)],
        }
        return {**made, "required": list(required)} if required else made

    # -- operations ----------------------------------------------------------------------------

    def of_table(self) -> Json:
        """Return the operations on the table, by method in lower case."""
        made: Json = {"get": self._list()}
        if self._exposed.grant.insert:
            made["post"] = self._insert()
        return made

    def of_row(self) -> Json:
        """Return the operations on a row, by method in lower case; none for a table without a key."""
        exposed = self._exposed
        if not exposed.keys:
            return {}
        made: Json = {"get": self._get()}
        if exposed.grant.writable:
            made["patch"] = self._change()
        if exposed.grant.delete:
            made["delete"] = self._delete()
        return made

    def key_parameters(self) -> list[Json]:
        """Return the parameters of the path of a row."""
        exposed = self._exposed
        return [
            {
                "name": part,
                "in": "path",
                "required": True,
                "description": f"{name} of the row",
                "schema": {"type": "string", "minLength": 1}
                if _is_text(exposed.forms[name])
                else exposed.forms[name].in_url,
            }
            for part, name in zip(key_names(exposed), exposed.keys, strict=True)
        ]

    def _list(self) -> Json:
        page = {
            "type": "object",
            "required": ["rows", "next", "previous"],
            "properties": {
                "rows": {"type": "array", "items": self._row_of_selection()},
                "next": {"type": ["string", "null"], "description": "the address of the next page"},
                "previous": {"type": ["string", "null"], "description": "the address of the previous page"},
                "count": {"type": "integer", "description": "with count=true, the number of rows of all pages"},
                "count_is_exact": {"type": "boolean", "description": "false if there are more rows than count"},
            },
        }
        links = {"Link": {"description": 'the same links, rel="next" and rel="prev"', "schema": {"type": "string"}}}
        return self._operation(
            "list",
            f"List rows of {self._title}",
            {200: _content(page, headers=links)},
            (404, 414, 422),
            self._parameters(),
        )

    def _row_of_selection(self) -> Json:
        """Return the schema of a row of which only some columns may have been selected."""
        forms = self._exposed.forms
        properties = {name: form.schema for name, form in forms.items()}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _parameters(self) -> list[Json]:
        exposed, limits = self._exposed, self._exposed.limits
        made: list[Json] = []
        for name, (column, operator) in exposed.readable.parameters.items():
            schema = _condition_schema(exposed.forms[column.name], operator, limits.values)
            parameter: Json = {
                "name": name,
                "in": "query",
                "description": f"{column.name} {_OPERATORS[operator]}",
                "schema": schema,
            }
            if operator == "in":
                parameter |= {"style": "form", "explode": False}
            made.append(parameter)
        sortable = exposed.readable.sortable
        order = [*sortable, *[f"-{name}" for name in sortable]]
        made.append(_names("select", list(exposed.forms), "the columns to return"))
        made.append(
            _names(
                "order",
                order,
                'the columns to sort by; "-" makes the order descending; a search has an order of its own',
            )
        )
        limit = {"type": "integer", "minimum": 1, "maximum": limits.max_page, "default": limits.page}
        made.append(_query_parameter("limit", "rows of a page", limit))
        most = f"count the rows of all pages, up to {limits.count}"
        made.append(_query_parameter("count", most, {"type": "boolean", "default": False}))
        if exposed.has_search:
            words = 'rows with all of these words, the best first: "a phrase", -without, begin*, one OR other'
            made.append(_query_parameter("search", words, {"type": "string"}))
        if exposed.keys:
            description = "the place where the page begins: take it from next and previous of another page"
            made.append(_query_parameter("after", description, {"type": "string"}))
        if "offset" in exposed.readable.reserved:
            where = "rows of a search to skip" if exposed.keys else "rows to skip"
            made.append(_query_parameter("offset", where, {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET}))
        return made

    def _get(self) -> Json:
        select = _names("select", list(self._exposed.forms), "the columns to return")
        seen = {"name": "If-None-Match", "in": "header", "description": "an ETag", "schema": {"type": "string"}}
        found = _content(self._row_of_selection(), headers={"ETag": {**_ETAG, "required": False}})
        responses = {200: found, 304: {"description": _STATUSES[304], "headers": {"ETag": _ETAG}}}
        return self._operation("get", f"Read a row of {self._title}", responses, (404, 414, 422), [select, seen])

    def _insert(self) -> Json:
        many = {"type": "array", "items": self._new, "minItems": 1, "maxItems": self._exposed.limits.bulk}
        rows = {"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array", "items": self._row}}}
        count = {"type": "object", "required": ["inserted"], "properties": {"inserted": {"type": "integer"}}}
        headers = {"Location": {"description": "the address of the row", "schema": {"type": "string"}}}
        made = _content({"anyOf": [self._row, rows, count]}, "The new row, or the new rows.", headers=headers)
        body = {"required": True, "content": {"application/json": {"schema": {"anyOf": [self._new, many]}}}}
        prefer = {
            "name": "Prefer",
            "in": "header",
            "description": "return=minimal returns the number of many new rows instead of the rows",
            "schema": {"type": "string"},
            "example": "return=minimal",
        }
        return {
            **self._operation(
                "insert",
                f"Add a row to {self._title}, or several at once: all of them or none",
                {201: made},
                (400, 403, 404, 409, 413, 414, 415, 422),
                [prefer],
            ),
            "requestBody": body,
        }

    def _change(self) -> Json:
        changed = _content(self._row, "The row as it is now.", headers={"ETag": _ETAG})
        body = {"required": True, "content": {"application/json": {"schema": self._changes}}}
        return {
            **self._operation(
                "change",
                f"Change columns of a row of {self._title}",
                {200: changed},
                (400, 403, 404, 409, 412, 413, 414, 415, 422, 428),
                [_if_match(required=True)],
            ),
            "requestBody": body,
        }

    def _delete(self) -> Json:
        deleted = {204: {"description": "The row is deleted."}}
        statuses = (403, 404, 409, 412, 414, 422)
        return self._operation(
            "delete", f"Delete a row of {self._title}", deleted, statuses, [_if_match(required=False)]
        )

    def _operation(
        self,
        verb: str,
        summary: str,
        responses: Mapping[int, Json],
        statuses: Sequence[int],
        parameters: Sequence[Json],
    ) -> Json:
        problems = {
            str(status): {"description": _STATUSES[status], "content": {PROBLEM: {"schema": self._problem}}}
            for status in sorted((*self._statuses, *statuses, 503, 504))
        }
        return {
            "operationId": f"{verb}_{self._name}",
            "summary": summary,
            "tags": [self._title],
            "parameters": list(parameters),
            "responses": {**{str(status): response for status, response in responses.items()}, **problems},
        }


def key_names(exposed: ExposedTable) -> list[str]:
    """Return the names of the key columns as parameters of a path."""
    return [re.sub(r"\W", "_", name, flags=re.ASCII) or "key" for name in exposed.keys]


def _content(schema: Json, description: str = "What was asked for.", *, headers: Json | None = None) -> Json:
    made: Json = {"description": description, "content": {"application/json": {"schema": schema}}}
    return made if headers is None else {**made, "headers": headers}


def _if_match(*, required: bool) -> Json:
    description = "the ETag of the row as it was read, or * for any"
    return {
        "name": "If-Match",
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
        "example": "*",
    }


def _query_parameter(name: str, description: str, schema: Json) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _names(name: str, allowed: Sequence[str], description: str) -> Json:
    items = {"type": "array", "items": {"enum": list(allowed)}, "minItems": 1}
    return {
        "name": name,
        "in": "query",
        "style": "form",
        "explode": False,
        "description": description,
        "schema": items,
    }


def _condition_schema(form: JsonForm, operator: str, most: int) -> Json:
    if operator == "null":
        return {"type": "boolean"}
    one = form.in_url
    return {"type": "array", "items": one, "minItems": 1, "maxItems": most} if operator == "in" else one


def _is_text(form: JsonForm) -> bool:
    bare = form.in_url
    return bare.get("type") == "string" and "format" not in bare and "contentEncoding" not in bare


def _example(forms: Any) -> Json:
    return {form.name: form.sample for form in forms}


def document(
    title: str, server: str, exposed: Mapping[str, tuple[ExposedTable, Iterable[str]]], *, has_users: bool
) -> Json:
    """Return the document of an API.

    Args:
        title: of the API.
        server: the path that all addresses begin with.
        exposed: the tables, with the columns that the scope of the user fills in.
        has_users: whether requests without a user are refused.
    """
    schemas: Json = {"JsonValue": JSON_VALUE}

    def refer(name: str, schema: Json) -> Json:
        schemas[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    paths: Json = {}
    for table, (one, held) in exposed.items():
        operations = Operations(one, _identifier(table, schemas), refer, has_users=has_users, held=held)
        path = f"/{quote(table, safe='')}"
        paths[path] = operations.of_table()
        of_row = operations.of_row()
        if of_row:
            parts = "/".join([f"{{{name}}}" for name in key_names(one)])
            paths[f"{path}/{parts}"] = {"parameters": operations.key_parameters(), **of_row}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": server}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _identifier(name: str, taken: Mapping[str, Any]) -> str:
    """Return a name for identifiers and schemas, which no other table has."""
    made = re.sub(r"[^A-Za-z0-9_]", "_", name) or "table"
    while made in taken or made == "Problem":
        made += "_"
    return made
