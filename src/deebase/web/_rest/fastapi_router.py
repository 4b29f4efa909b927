"""The JSON API of one table as a router of FastAPI, which has it in its own OpenAPI document."""

from __future__ import annotations

# A scope may be anything, and pyright calls what isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import re
from collections.abc import Callable, Mapping, Sequence
from types import new_class
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from deebase import ConfigurationError
from deebase.web._rest.api_limits import Limits
from deebase.web._rest.asgi_app import body_reader, guarded, query_of
from deebase.web._rest.document_schemas import without_references
from deebase.web._rest.exposed_table import Call, ExposedTable
from deebase.web._rest.openapi_document import Operations, key_names
from deebase.web._rest.problem_details import PROTECTION
from deebase.web.access_rules import Access, Source

if TYPE_CHECKING:
    from fastapi import APIRouter
    from pydantic import BaseModel

#: Parts of an operation that FastAPI takes as arguments of a route, or of the router.
_OF_ROUTE: Final = ("operationId", "summary", "tags")
#: The name of the model of a response, by the operation.
_MODELS: Final = {"list": "{}Page", "get": "{}", "insert": "Inserted{}", "change": "Changed{}"}


def router_of(
    table: Source,
    *,
    scope: Callable[[Any], Any] | Mapping[str, Any] | None = None,
    read: bool | Sequence[str] = True,
    write: bool | Sequence[str] = (),
    insert: bool | None = None,
    delete: bool = False,
    page: int = 50,
    limits: Limits | None = None,
    **options: Any,
) -> APIRouter:
    """Return the JSON API of one table as a router of FastAPI.

    Args:
        table: a handle, whose scope holds for every request.
        scope: the columns and values of the rows that exist for a request, or a function of the request that returns
            them. It may be async, and may raise FastAPI's HTTPException.
        read: as in ``Access``.
        write: as in ``Access``.
        insert: as in ``Access``.
        delete: as in ``Access``.
        page: rows of a page, unless the request asks for another number.
        limits: further limits.
        **options: of ``APIRouter``, such as ``dependencies``; ``prefix`` and ``tags`` are the name of the table by
            default.

    Raises:
        ConfigurationError: a name is not a column, or FastAPI is not installed.

    Example:
        ```python
        from deebase.web import router_of

        scope = lambda request: {"tenant_id": request.state.tenant}
        api = router_of(posts, read=["id", "title"], write=["title"], scope=scope)
        app.include_router(api, prefix="/api")
        ```
    """
    try:
        from fastapi import APIRouter
    except ImportError as error:
        raise ConfigurationError("router_of needs FastAPI", hint="pip install fastapi") from error
    bounds = Limits(page=page, max_page=max(page, Limits.max_page)) if limits is None else limits
    access = Access(read=read, write=write, scope=scope, insert=insert, delete=delete)
    exposed = ExposedTable(table, access, bounds)
    held = list(scope) if isinstance(scope, Mapping) else []
    operations = Operations(exposed, table.name, _inline, has_users=callable(scope), held=held)
    width = len(exposed.keys)

    async def respond(request: Request, parts: tuple[str, ...], base: str) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}

        async def answer() -> Any:
            query = query_of(request.scope, bounds)
            call = Call(request.method, parts, query, headers, body_reader(request.scope, request.receive), base)
            return await exposed.answer(call, request)

        reply = await guarded(answer, bounds, f"{request.method} {request.url.path}")
        return Response(reply.body, reply.status, dict((*reply.headers, *PROTECTION)))

    async def of_table(request: Request) -> Response:
        """Answer a request for the table."""
        return await respond(request, (), quote(request.scope["path"]))

    async def of_row(request: Request) -> Response:
        """Answer a request for one of its rows."""
        return await respond(request, _parts(request.scope, width), _base(request.scope, width))

    given: dict[str, Any] = {
        "prefix": f"/{quote(table.name)}",
        "tags": [table.name],
        **options,
    }
    router = APIRouter(**given)
    names = key_names(exposed)
    path = "".join([f"/{{{name}}}" for name in names[:-1]]) + "".join([f"/{{{name}:path}}" for name in names[-1:]])
    _add_routes(router, "", of_table, operations.of_table(), (), table.name)
    _add_routes(router, path, of_row, operations.of_row(), operations.key_parameters(), table.name)
    return router


def _add_routes(
    router: APIRouter, place: str, endpoint: Any, made: dict[str, Any], keys: Sequence[dict[str, Any]], table: str
) -> None:
    """Add a route for each operation, by its method."""
    for method, operation in made.items():
        status, first = next(iter(operation["responses"].items()))
        model = _response_model(operation["operationId"].partition("_")[0], table, first.pop("content", None))
        extra: dict[str, Any] = {name: operation[name] for name in operation if name not in _OF_ROUTE}
        extra["parameters"] = [*keys, *operation["parameters"]]
        router.add_api_route(
            place,
            endpoint,
            methods=[method.upper()],
            response_class=Response,
            response_model=None,
            status_code=int(status),
            responses={} if model is None else {int(status): {"model": model}},
            operation_id=operation["operationId"],
            summary=operation["summary"],
            openapi_extra=extra,
        )


def _response_model(verb: str, table: str, content: Any) -> type[BaseModel] | None:
    """Return a model that FastAPI shows among the schemas of the application; None for a response without a body."""
    if content is None:
        return None
    from pydantic import BaseModel

    schema = content["application/json"]["schema"]

    row = "".join([part[:1].upper() + part[1:] for part in re.split(r"\W|_", table)])
    name = _MODELS[verb].format(row)

    def shown(cls: Any, core_schema: Any, handler: Any) -> Any:
        return schema

    members = {"__module__": __name__, "__get_pydantic_json_schema__": classmethod(shown)}
    return new_class(name, (BaseModel,), exec_body=lambda namespace: namespace.update(members))


def _inline(_: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema to be written where it is used: the document of the application has none of ours."""
    made: dict[str, Any] = without_references(schema)
    return made


def _parts(scope: Any, width: int) -> tuple[str, ...]:
    """Return the parts of the key at the end of a path; a slash inside of one is %2F."""
    raw: str = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    return tuple(map(unquote, raw.split("/")[-width:]))


def _base(scope: Any, width: int) -> str:
    raw: str = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
    return "/".join(raw.split("/")[:-width])
