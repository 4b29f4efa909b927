"""The page about a first project: its commands are typed in their order, and show what it says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Commands
from tests.support.sessions import Typed, Written, same, shown_by, steps
from tests.support.tree import ROOT

PAGE = ROOT / "docs" / "first-project.md"

#: The server of the page.
SERVER = "postgresql://localhost/shop"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of models are forgotten afterwards, and nothing of them is kept in caches."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    sys.modules.pop("models", None)


def test_the_session_of_the_page(nowhere: Commands, directory: Path, postgres_url: str, models: None) -> None:
    run = 0
    for step in steps(PAGE):
        if isinstance(step, Written):
            (directory / step.path).write_text(step.text, encoding="utf-8")
            # As for somebody who types the next command: each is a program of its own.
            sys.modules.pop("models", None)
            continue
        assert step.shown is not None
        here = Typed(step.line, step.text.replace(SERVER, f"'{postgres_url}'"), step.shown)
        shown = shown_by(nowhere, here)
        assert same(shown, step.shown), f"line {step.line}: {step.text}\n{shown}"
        run += 1
    assert run >= 40
