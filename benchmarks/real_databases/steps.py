"""The steps that a database passes through, by the command line and the public API; a reader of the catalog decides."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.real_databases.places import Place
from benchmarks.real_databases.values import catalog_differences, compared, unnamed

#: The titles of the steps, in the order in which they run.
STEPS = (
    "read",
    "codegen imports",
    "mypy --strict",
    "create_tables runs",
    "makes the same schema",
    "copy there and back",
    "copy to the same kind",
    "baseline",
    "applied: same catalog",
    "migrate new is empty",
    "files",
)
_ROOT = Path(__file__).parents[2]
#: Shown for a step that needs another one, which failed.
SKIPPED = "skipped"


@dataclass
class Outcome:
    """How a step went.

    Attributes:
        state: "ok", "named" (all differences are named by DeeBase), "fail" or "skipped".
        notes: what differs or failed, by name.
        seconds: how long it took.
    """

    state: str
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Failed(Exception):
    """A step failed; the arguments are its notes."""


@dataclass
class Trial:
    """Takes one database through all steps.

    Attributes:
        source: the database; only copies of it are changed.
        same: makes databases of the same kind.
        other: makes databases of the other kind.
        again: makes a copy of the source.
        directory: an empty directory for files.
        limit: the seconds that a process may take.
        only: the titles of the steps that are wanted; all by default.
    """

    source: Any
    same: Any
    other: Any
    again: Callable[[], Place]
    directory: Path
    limit: float
    only: Sequence[str] = ()
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self) -> dict[str, Outcome]:
        """Run the steps, and return the outcome of each by its title."""
        steps = (self._read, self._codegen, self._mypy, self._create, self._schema, self._there_and_back)
        steps += (self._same_kind, self._baseline, self._applied, self._new, self._files)
        needed = {"mypy --strict": "codegen imports", "create_tables runs": "codegen imports"}
        needed |= {"makes the same schema": "create_tables runs", "applied: same catalog": "baseline"}
        needed |= {"migrate new is empty": "baseline"}
        wanted = set(self.only or STEPS)
        wanted |= {needed.get(title, title) for title in wanted}
        wanted |= {needed.get(title, title) for title in wanted}
        for title, step in zip(STEPS, steps, strict=True):
            before = self.outcomes.get(needed.get(title, ""))
            if title not in wanted:
                continue
            if before is not None and before.state not in ("ok", "named"):
                self.outcomes[title] = Outcome(SKIPPED)
                continue
            start = time.perf_counter()
            try:
                outcome = step()
            except Failed as error:
                outcome = Outcome("fail", [str(note) for note in error.args])
            except Exception as error:  # one step that does not work must not take the others along
                outcome = Outcome("fail", [f"harness: {type(error).__name__}: {str(error)[:300]}"])
            outcome.seconds = time.perf_counter() - start
            self.outcomes[title] = outcome
        return self.outcomes

    def _read(self) -> Outcome:
        self._deebase("db", "info", "--url", self.source.url)
        self._deebase("table", "list", "--url", self.source.url)
        counts: dict[str, int] = json.loads(self._api("read", self.source.url))
        notes = []
        for name, rows in self.source.rows(loose=False).items():
            count = counts.get(name, counts.get(name.rpartition(".")[2]))
            if count != rows.counts.total():
                notes.append(f"{name}: {rows.counts.total()} rows, read {count}")
        return _judged(notes)

    def _codegen(self) -> Outcome:
        done = self._deebase("codegen", "-o", "models.py", "--url", self.source.url)
        (self.directory / "notes").write_text(done.stderr)
        self._run(sys.executable, "-W", "ignore", "-c", "import models")
        return Outcome("ok")

    def _mypy(self) -> Outcome:
        cache = self.directory.parent / "mypy-cache"
        self._run(sys.executable, "-m", "mypy", "--strict", "--no-color-output", f"--cache-dir={cache}", "models.py")
        return Outcome("ok")

    def _create(self) -> Outcome:
        self._made = self.same.empty()
        self._api("create", self._made.url, str(self.directory / "models.py"))
        return Outcome("ok")

    def _schema(self) -> Outcome:
        differences = catalog_differences(self.source.meaning(), self._made.meaning())
        self.same.drop(self._made)
        comments = re.findall(r"^\s*#.*$", (self.directory / "models.py").read_text(), re.MULTILINE)
        return _judged(differences, "\n".join([*comments, (self.directory / "notes").read_text()]))

    def _there_and_back(self) -> Outcome:
        there, back = self.other.empty(), self.same.empty()
        try:
            named = self._deebase("db", "copy", self.source.url, there.url).stderr
            named += self._deebase("db", "copy", there.url, back.url).stderr
            return _judged(compared(self.source.rows(loose=True), back.rows(loose=True)), named)
        finally:
            self.other.drop(there)
            self.same.drop(back)

    def _same_kind(self) -> Outcome:
        place = self.same.empty()
        try:
            named = self._deebase("db", "copy", self.source.url, place.url).stderr
            differences = catalog_differences(self.source.exact(), place.exact())
            differences += compared(self.source.rows(loose=False), place.rows(loose=False))
            return _judged(differences, named)
        finally:
            self.same.drop(place)

    def _baseline(self) -> Outcome:
        self._baselined = self.again()
        done = self._deebase("migrate", "baseline", "--url", self._baselined.url)
        (self.directory / "baseline-notes").write_text(done.stderr + done.stdout)
        changed = catalog_differences(self.source.exact(), self._baselined.exact())
        return _judged([f"baseline changed the database: {note}" for note in changed])

    def _applied(self) -> Outcome:
        place = self.same.empty()
        try:
            self._deebase("migrate", "up", "--url", place.url)
            named = (self.directory / "baseline-notes").read_text()
            return _judged(catalog_differences(self.source.exact(), place.exact()), named)
        finally:
            self.same.drop(place)

    def _new(self) -> Outcome:
        if not (self.directory / "models.py").exists():
            return Outcome(SKIPPED)
        (self.directory / "deebase.toml").write_text('models = "models"\n')
        before = set((self.directory / "migrations").iterdir())
        done = self._deebase("migrate", "new", "nothing", "--url", self._baselined.url, passes=(0, 1, 2, 3, 4))
        self.same.drop(self._baselined)
        new = sorted(set((self.directory / "migrations").iterdir()) - before)
        new = [path for path in new if path.suffix in (".py", ".sql")]
        if new:
            lines = [line.strip() for path in new for line in path.read_text().splitlines()]
            kept = [line[:140] for line in lines if re.match(r"await |ALTER|CREATE|DROP", line)]
            raise Failed(f"{len(kept)} statements", *kept[:12])
        if done.returncode and "nothing" not in done.stderr.lower() and "no difference" not in done.stderr.lower():
            raise Failed(_last_lines(done.stderr))
        return Outcome("ok")

    def _files(self) -> Outcome:
        return _judged(json.loads(self._api("files", self.source.url)))

    def _deebase(self, *arguments: str, passes: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, "-m", "deebase", *arguments, passes=passes)

    def _api(self, *arguments: str) -> str:
        return self._run(sys.executable, "-m", "benchmarks.real_databases.through_api", *arguments).stdout

    def _run(self, *command: str, passes: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        paths = [*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(_ROOT), str(self.directory)]
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "COLUMNS": "200"}
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Failed(f"no end after {self.limit:.0f} s") from None
        if process.returncode not in passes:
            raise Failed(_last_lines(err if err.strip() else out))
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def close(self) -> None:
        """Delete the files of this trial."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _judged(differences: Sequence[str], named: str = "") -> Outcome:
    """Return the outcome for differences: "named" if DeeBase named the object of each."""
    silent = unnamed(differences, named)
    if silent:
        return Outcome("fail", silent)
    return Outcome("named" if differences else "ok", list(differences))


def _last_lines(text: str) -> str:
    """Return the error in the output of a command: the last lines, or those with "error"."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line and not line.startswith("Found ")]
    return " | ".join((errors or lines)[-3:])[:400]
