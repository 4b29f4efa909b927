"""Progress bars for long work."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from deebase.cli.invocation import invocation
from deebase.cli.terminal import printable


@contextmanager
def bar(what: str) -> Generator[Callable[..., object] | None]:
    """Show a progress bar with rows per second, on a terminal; yield the callback that advances it."""
    if not sys.stderr.isatty() or invocation().dry_run:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rows]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        # The name of a file may look like markup.
        task = shown.add_task(printable(what, keep="").replace("[", "\\["), total=None, rows="")

        def advance(rows: int, done: int = 0, total: int | None = None) -> None:
            seconds = shown.tasks[0].elapsed or 0.0
            speed = f", {rows / seconds:,.0f} a second" if seconds else ""
            shown.update(task, completed=done, total=total, rows=f"{rows:,} rows{speed}")

        yield advance
