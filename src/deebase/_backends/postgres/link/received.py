"""A limit of the bytes that a server sends: the driver would read a row of any size into memory."""

from __future__ import annotations

import asyncio
import math
from typing import Any


class ReceiveLimit(asyncio.Protocol):
    """Stands between the link and the driver, and cuts the link when more bytes arrive than are allowed.

    Attributes:
        left: the bytes that may still arrive.
        exceeded: whether the link was cut.
    """

    def __init__(self, driver: Any) -> None:
        self.left: float = math.inf
        self.exceeded: bool = False
        self._transport: asyncio.Transport = driver._transport
        self._inner: asyncio.Protocol = driver._protocol
        self._transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes on."""
        self.left -= len(data)
        if self.left < 0:
            self.exceeded = True
            self._transport.abort()
        else:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand the end of the link on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hand the loss of the link on."""
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on that the buffer is full."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on that the buffer has room."""
        self._inner.resume_writing()
