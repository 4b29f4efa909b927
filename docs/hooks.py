"""What the documentation has that no page can hold: patterns in the navigation, and parts made when it is built.

MkDocs calls the functions whose names begin with ``on_``.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent

Nav = list[Any]


def on_config(config: Any) -> Any:
    """Put pages where the patterns of the navigation stand, so that a new page needs no entry of its own."""
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    narrow_first = sorted((entry for entry in _entries(config["nav"]) if "*" in entry), key=len, reverse=True)
    found: dict[str, list[str]] = {}
    free = [page for page in pages if page not in _entries(config["nav"])]
    for pattern in narrow_first:
        found[pattern] = [page for page in free if _matches(page, pattern)]
        free = [page for page in free if page not in found[pattern]]
    config["nav"] = _filled(config["nav"], found)
    return config


def _matches(page: str, pattern: str) -> bool:
    return page.count("/") == pattern.count("/") and fnmatch.fnmatch(page, pattern)


def _entries(nav: Nav) -> list[str]:
    found: list[str] = []
    for entry in nav:
        if isinstance(entry, str):
            found.append(entry)
        else:
            for below in entry.values():
                found += [below] if isinstance(below, str) else _entries(below)
    return found


def _filled(nav: Nav, found: dict[str, list[str]]) -> Nav:
    filled: Nav = []
    for entry in nav:
        if isinstance(entry, str):
            filled += found.get(entry, [entry])
        else:
            filled.append({name: _filled(below, found) for name, below in entry.items()})
    return filled
