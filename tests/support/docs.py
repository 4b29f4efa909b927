"""The Python blocks of the documentation: found, and run page by page."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import re
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from deebase._types import registry as types_by_name
from deebase._types.base import KINDS
from tests.support.tree import ROOT, relative

#: A page that uses this environment variable is run once per backend.
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


def run_page(page: Path) -> None:
    """Run the blocks of a page as `run_blocks` does."""
    run_blocks(blocks(page))


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
