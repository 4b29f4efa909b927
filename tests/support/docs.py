"""The Python blocks of the documentation: found, and run page by page."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from deebase._types import registry as types_by_name
from deebase._types.base import KINDS
from tests.support.tree import ROOT, relative

#: A page is run once per backend if it opens this database; an address takes its place.
ADDRESS = re.compile(r'(?<=Database\()"app\.db"')
#: A page that reads this environment variable is run once per backend, too, and is left as it is.
URL_VARIABLE = "DATABASE_URL"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>[^\n]+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """One Python block of a page.

    Attributes:
        page: The file it stands in.
        line: Line number of its first line of code, from 1.
        code: Its text.
        reason: Why it is not run, or None.
    """

    page: Path
    line: int
    code: str
    reason: str | None

    @property
    def where(self) -> str:
        """File and line, as an editor understands them."""
        return f"{relative(self.page)}:{self.line}"

    def compile(self) -> CodeType:
        """Return code that may await at top level and whose tracebacks point at the page."""
        source = "\n" * (self.line - 1) + self.code
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(source, str(self.page), "exec", flags=flags, dont_inherit=True)
        return code


def pages() -> list[Path]:
    """Return the pages whose blocks are run."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[Block]:
    """Return the Python blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        if match["language"] != "python":
            continue
        marker = _NOT_RUN.search(text, 0, match.start())
        line = text.count("\n", 0, match.start("code")) + 1
        indent = match["indent"]
        code = "".join(row.removeprefix(indent) for row in match["code"].splitlines(keepends=True))
        found.append(Block(page, line, code, marker["reason"] if marker else None))
    return found


def cells(notebook: Path) -> list[Block]:
    """Return the code cells of a notebook, in order, numbered instead of by line."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = [(number, "".join(cell["source"])) for number, cell in enumerate(found, 1) if cell["cell_type"] == "code"]
    return [Block(notebook, number, source, None) for number, source in code]


def is_for_all_backends(page: Path) -> bool:
    """Tell whether the blocks of a page leave open which database they use."""
    code = "".join(block.code for block in blocks(page) if block.reason is None)
    return URL_VARIABLE in code or ADDRESS.search(code) is not None


def run_page(page: Path, url: str) -> None:
    """Run the blocks of a page on a database, as `run_blocks` does."""
    found = blocks(page)
    if any(URL_VARIABLE in block.code for block in found):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(URL_VARIABLE, url)
            run_blocks(found)
    else:
        run_blocks(replace(block, code=ADDRESS.sub(lambda _: repr(url), block.code)) for block in found)


def run_blocks(chosen: Iterable[Block]) -> None:
    """Run blocks one after another in one namespace and one event loop; close databases left open."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with types_forgotten(), asyncio.Runner() as runner:
        try:
            for block in chosen:
                if block.reason is None:
                    started = start_block(block, namespace)
                    if started is not None:
                        runner.run(started)
        finally:
            runner.run(_close_databases(namespace))


@contextmanager
def types_forgotten() -> Iterator[None]:
    """Forget the column types that are declared inside: other tests have types of the same name."""
    known = list(KINDS)
    try:
        yield
    finally:
        KINDS[:] = known
        types_by_name._cached.clear()


def start_block(block: Block, namespace: dict[str, Any]) -> Coroutine[Any, Any, None] | None:
    """Run a block that does not await at top level; return the coroutine of one that does."""
    code = block.compile()
    started: Coroutine[Any, Any, None] | None = eval(code, namespace)  # of a code object: exec, or its coroutine
    return started if code.co_flags & inspect.CO_COROUTINE else None


async def _close_databases(namespace: dict[str, Any]) -> None:
    from deebase import Database

    for value in namespace.values():
        if isinstance(value, Database):
            await value.close()
