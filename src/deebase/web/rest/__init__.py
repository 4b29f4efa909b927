"""A JSON API from tables: filters, pages, inserts, changes and deletes, with OpenAPI.

``rest`` makes an ASGI application for any framework, ``router_of`` a router of FastAPI.
"""

from __future__ import annotations

from deebase.web._rest.api_limits import Limits
from deebase.web._rest.asgi_app import RestApp, rest
from deebase.web._rest.fastapi_router import router_of
from deebase.web.access import Access

__all__ = ["Access", "Limits", "RestApp", "rest", "router_of"]
