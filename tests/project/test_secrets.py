"""Nothing of the machine it was written on, and nothing secret, is in the project."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.tree import ROOT, project_files, relative

#: Written in pieces, so that this file does not match itself.
FORBIDDEN = {
    "an absolute path of a machine": r"(?<![\w.])/" + r"(?:tmp|root|home|work|Users|opt)/[\w.-]+",
    "a package registry": r"(?:extra-)?index" + r"-url|find" + r"-links|registry\.[\w-]+\.\w+|files\.python" + "hosted",
    "a private key": "-----BEGIN [A-Z ]*PRIVATE" + " KEY-----",
    "an access token": r"\b(?:ghp|github_pat|glpat|xox[bp]|AKIA)[_-]?" + r"[A-Za-z0-9]{16,}",
}

#: The text of the license is what it is.
EXEMPT = {"LICENSE"}


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_holds_what_belongs_to_one_machine_or_is_secret() -> None:
    found = []
    for path in project_files():
        if relative(path) in EXEMPT:
            continue
        for number, line in enumerate(text_of(path).splitlines(), start=1):
            for what, pattern in FORBIDDEN.items():
                if re.search(pattern, line):
                    found.append(f"{relative(path)}:{number}: {what}")
    assert not found


def test_no_lock_file_or_database_is_tracked() -> None:
    unwanted = {".db", ".sqlite", ".sqlite3", ".lock", ".env"}
    assert [relative(path) for path in project_files() if path.suffix in unwanted or path.name in unwanted] == []


#: Evaluates source of its own that holds positions alone; tests/unit/test_makers.py looks at it.
EVALUATES = {"src/deebase/_rows/makers.py"}


def test_source_code_loads_nothing_that_can_run_foreign_code() -> None:
    pattern = re.compile(r"(?<![\w.])(?:eval|exec)\(|\bpickle\.loads?\(|\byaml\.load\(|shell=True")
    sources = (ROOT / "src").rglob("*.py")
    found = [
        f"{relative(path)}:{number}"
        for path in sources
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line) and relative(path) not in EVALUATES
    ]
    assert not found
