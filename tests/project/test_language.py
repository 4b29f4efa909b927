"""Phrases that are never right in texts of this project; CONTRIBUTING.md has the table of words to use."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.tree import ROOT, python_modules, relative

#: Each with what to write instead. A phrase is listed only if it has no correct use in these texts.
PHRASES = {
    r"anew": "again, refreshed",
    r"(?<!there )(?:is|are) none": "is not a ..., is None, has no ...",
    r"nobody|somebody|whoever|whomever": "no task, another process, the caller, the user who",
    r"however many": "for any number of",
    r"(?:was|were|is|are|be) told": "is reported, is raised, gets an error",
    r"mend(?:s|ed|ing)?": "repair, fix",
    r"on its way": "while it is sent, during",
    r"held to": "restricted to",
    r"that (?:is|are) there": "existing",
    r"(?:is|are) not there": "does not exist, is missing",
    r"(?:is|are) there already|there already": "already exists",
    r"once more": "again",
    r"belongs? into": "is part of, goes to",
    r"that (?:is|are) to be": "to ...",
    r"(?:is|are|was|were) looked at": "is checked, is read",
    r"(?<!there )(?<!There )is no (?:column|table|view|row|index|key|name|number|value)": "is not a ...",
}
FORBIDDEN = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in PHRASES))

#: Files that still hold some, in the words of former releases. Remove an entry when its file is clean; never add one.
STILL_TO_DO: tuple[str, ...] = ("CHANGELOG.md",)

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md", "mkdocs.yml")


def texts() -> list[Path]:
    return [*(ROOT / page for page in PAGES), *sorted((ROOT / "docs").rglob("*.md")), *python_modules()]


def phrases_in(path: Path) -> list[str]:
    """Return the forbidden phrases of a file, across line breaks; the table of words quotes them, and is left out."""
    text = re.sub(r"^\| instead of \|.*?\n\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\s*\n\s*(?:#:?|\*|>)?\s*", " ", text)
    return FORBIDDEN.findall(text)


def test_a_phrase_is_found_across_lines(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("The table is\nnot there, and is made\n    # anew. There is no row, and `x` is no column.\n")
    assert phrases_in(page) == ["is not there", "anew", "is no column"]


def test_texts_hold_no_phrase_that_is_never_right() -> None:
    found = {relative(path): phrases_in(path) for path in texts() if relative(path) not in STILL_TO_DO}
    assert {name: phrases for name, phrases in found.items() if phrases} == {}


def test_files_that_are_clean_are_no_longer_excepted() -> None:
    assert [name for name in STILL_TO_DO if not (ROOT / name).is_file() or not phrases_in(ROOT / name)] == []
