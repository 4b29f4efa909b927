"""Tables on the web: ``studio`` shows a database in a browser, ``rest`` and ``router_of`` make a JSON API.

The studio needs ``pip install 'deebase[web]'``; the API needs nothing but a server, or FastAPI for its router.
Everything here uses the public interface of DeeBase alone.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from deebase import InvalidOperationError

if TYPE_CHECKING:
    from deebase.web._agents.agent_tools import AgentLimits as AgentLimits
    from deebase.web._agents.mcp_server import serve_agent as serve_agent
    from deebase.web._rest.api_limits import Limits as Limits
    from deebase.web._rest.asgi_app import rest as rest
    from deebase.web._rest.fastapi_router import router_of as router_of
    from deebase.web._studio.app import studio as studio
    from deebase.web._studio.audit import Change as Change
    from deebase.web.access_rules import Access as Access

__all__ = ["Access", "AgentLimits", "Change", "Limits", "rest", "router_of", "serve_agent", "studio"]

#: Public name -> its module.
_PLACES = {
    "AgentLimits": "deebase.web._agents.agent_tools",
    "serve_agent": "deebase.web._agents.mcp_server",
    "Access": "deebase.web.access_rules",
    "Change": "deebase.web._studio.audit",
    "Limits": "deebase.web._rest.api_limits",
    "rest": "deebase.web._rest.asgi_app",
    "router_of": "deebase.web._rest.fastapi_router",
    "studio": "deebase.web._studio.app",
}
_NEEDED = ("starlette", "jinja2", "uvicorn", "python_multipart")


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "studio":
        require_extra()
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*__all__]


def require_extra() -> None:
    """Check that the packages of the extra are installed.

    Raises:
        InvalidOperationError: one of them is not.

    Example:
        ```python
        from deebase.web import require_extra

        require_extra()
        ```
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InvalidOperationError(
            f"the studio needs packages that are not installed: {', '.join(missing)}",
            operation="studio",
            hint="pip install 'deebase[web]'",
        )
