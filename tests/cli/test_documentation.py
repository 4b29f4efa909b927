"""The page about the command line says what happens."""

from __future__ import annotations

import pytest

from tests.support.commands import Commands, all_commands, parse
from tests.support.sessions import same, shown_by, typed
from tests.support.tree import ROOT

PAGE = ROOT / "docs" / "command-line.md"


def test_each_command_has_a_section() -> None:
    headings = {line.removeprefix("### ") for line in PAGE.read_text(encoding="utf-8").splitlines()}
    commands = [name for name, command in all_commands() if not hasattr(command, "commands")]
    assert [name for name in commands if name not in headings] == []


def test_the_session_of_the_page_shows_what_the_page_says(nowhere: Commands) -> None:
    run = 0
    for command in typed(PAGE):
        if command.shown is not None:
            run += 1
            shown = shown_by(nowhere, command)
            assert same(shown, command.shown), f"line {command.line}: {command.text}\n{shown}"
    assert run > 40


@pytest.mark.parametrize(
    "command", [pytest.param(command, id=command.text) for command in typed(PAGE) if not command.shown]
)
def test_a_command_that_is_not_run_can_be_typed(command: object) -> None:
    from tests.support.sessions import Typed

    assert isinstance(command, Typed)
    if command.arguments[:1] != ["COMMAND"]:
        parse(command.arguments)
