"""Clients of the JSON API in the process of the test."""

from __future__ import annotations

import logging
from typing import Any

import httpx

# Its records of requests would be in the logs that tests read.
logging.getLogger("httpx").setLevel(logging.WARNING)


def client_of(app: Any, **headers: str) -> httpx.AsyncClient:
    """Return a client whose requests an ASGI application answers."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


def places(response: httpx.Response) -> dict[str, str]:
    """Return what a problem says of each place in the request."""
    assert response.headers["content-type"] == "application/problem+json"
    return {fault.get("pointer", fault.get("parameter")): fault["detail"] for fault in response.json()["errors"]}
