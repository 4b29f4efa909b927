"""Values as the cells of a page."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

ELLIPSIS = "…"


@dataclass(frozen=True)
class Cell:
    """A value as a page shows it.

    Attributes:
        text: what is shown.
        kind: the class of its style.
        link: where it leads; None for nowhere.
        is_cut: whether the value is longer than the text.
    """

    text: str
    kind: str
    link: str | None = None
    is_cut: bool = False


def cell(value: Any, longest: int, link: str | None = None) -> Cell:
    """Return a value as a cell.

    Args:
        value: of a column, as it was read.
        longest: characters that are shown.
        link: where it leads.
    """
    kind, text = written(value)
    text, is_cut = shortened(text, longest)
    return Cell(text, kind, link, is_cut)


def written(value: Any) -> tuple[str, str]:
    """Return the kind of a value, and its text."""
    match value:
        case None:
            return "null", "null"
        case Enum():
            return written(value.value)
        case bool():
            return "bool", "true" if value else "false"
        case int() | float() | Decimal():
            return "number", str(value)
        case str():
            return "text", value
        case bytes():
            return "bytes", value[:512].hex(" ") + (ELLIPSIS if len(value) > 512 else "")
        case dict() | list():
            return "json", json.dumps(value, ensure_ascii=False, default=str)
        case dt.datetime():
            return "moment", value.isoformat(sep=" ")
        case dt.date() | dt.time():
            return "moment", value.isoformat()
        case _:
            return "text", str(value)


def shortened(text: str, longest: int) -> tuple[str, bool]:
    """Return the beginning of a text on one line, and whether something is missing."""
    # Half of a pair of surrogates cannot be sent.
    text = text[: longest + 1].encode("utf-8", "replace").decode()
    if len(text) <= longest:
        return text, False
    return text[:longest].rstrip() + ELLIPSIS, True


def sized(number: int | None) -> str:
    """Return a number of bytes in words."""
    if number is None:
        return ""
    size = float(number)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
