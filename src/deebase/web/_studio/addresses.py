"""Names and keys as parts of a URL: a tilde and two hexadecimal digits stand for each byte that is not a letter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_UNSAFE = re.compile(rb"[^A-Za-z0-9_-]")
_CODE = re.compile(rb"~([0-9A-F]{2})")
_SEGMENT = re.compile(r"(?:[A-Za-z0-9_-]|~[0-9A-F]{2})*\Z")
#: Stands for an empty text: an empty part of a path would be dropped.
_EMPTY = "~"


def encoded(name: str) -> str:
    """Return a text as a part of a path: no server and no browser changes its characters."""
    data = _UNSAFE.sub(lambda match: b"~%02X" % match[0][0], name.encode("utf-8", "surrogatepass"))
    return data.decode("ascii") or _EMPTY


def decoded(segment: str) -> str | None:
    """Return the text of a part of a path; None if ``encoded`` cannot have written it."""
    if segment == _EMPTY:
        return ""
    if not segment or _SEGMENT.match(segment) is None:
        return None
    data = _CODE.sub(lambda match: bytes([int(match[1], 16)]), segment.encode("ascii"))
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


def encoded_key(texts: Iterable[str]) -> str:
    """Return the values of a key as one part of a path."""
    return ".".join([encoded(text) for text in texts])


def decoded_key(segment: str) -> Sequence[str] | None:
    """Return the values of a key in a part of a path."""
    texts = [decoded(part) for part in segment.split(".")]
    return None if None in texts else [text for text in texts if text is not None]
