"""`deebase shell`: what is typed at the prompt is run, and may await."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from deebase.cli.commands.shell_commands import Completer, namespace
from deebase.cli.session import session
from tests.support.commands import Commands

TYPED = """\
await user.count()
rows = await user(order_by="id")
rows[0]["name"]
for row in rows:
    print(row["name"])

async def twice():
    return 2 * await user.count()

await twice()
import asyncio
task = asyncio.create_task(user.count())
await task
async with db.transaction():
    x = await user.insert(name="D", email="d@x")

x["name"]
await user.insert(name="E", email="d@x")
1 / 0
await db.item('SELECT count(*) FROM "user"')
"""


def test_statements_await_and_errors_do_not_end_the_prompt(users: Commands) -> None:
    process = users.process("shell", stdin=-1)
    shown, said = process.communicate(TYPED, timeout=100)
    assert process.returncode == 0
    answers = [line.lstrip(">. ") for line in shown.splitlines()]
    assert [answer for answer in answers if answer] == ["3", "'Ada'", "Ada", "Bob", "Cy", "6", "3", "'D'", "4"]
    assert "UniqueViolationError: " in said
    assert "ZeroDivisionError: division by zero" in said
    assert "runners.py" not in said, "frames of the library are no help"


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_commands_of_the_prompt_begin_with_a_backslash(users: Commands) -> None:
    users.ok("view", "create", "names", "--sql", 'SELECT name FROM "user"')
    typed = '\\dt\n\\d user;\n\\d names\n\\d\n\\d nix\n\\x\nx = """a\n\\\\q\nb"""\nx\n\\q\nprint(\'after\')\n'
    process = users.process("shell", stdin=-1)
    shown, said = process.communicate(typed, timeout=100)
    assert process.returncode == 0
    for text in ('"kind": "table", "columns": 4', '"ux_user_email"', '"kind": "view"', "'a\\n\\\\q\\nb'"):
        assert text in shown
    assert "TableNotFoundError: " in said
    assert "\\dt       tables" in said
    assert "after" not in shown


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_tables_are_known_by_name_where_they_can_be(users: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("list", "class", "a b", "db", "Table", "view"):
        users.ok("table", "create", name, "id:int")
    monkeypatch.setenv("DATABASE_URL", str(users.url))
    with session() as s:
        known = namespace(s.db)
        assert known["user"] is s.db.t.user
        assert known["view"] is s.db.t.view
        assert known["db"] is s.db
        assert known["Table"].__name__ == "Table"
        assert not {"list", "class", "a b"} & known.keys()
        complete = Completer(known).complete
        for text, whole in {"use": "user", "db.t.po": "db.t.post", "user.c.ema": "user.c.email"}.items():
            assert str(complete(text, 0)).rstrip("(") == whole


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_an_interrupt_at_a_statement_ends_that_alone(users: Commands, directory: Path) -> None:
    process = users.process("shell", stdin=-1)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("import asyncio\nprint('ready', flush=True) or await asyncio.sleep(60)\n")
    process.stdin.flush()
    while "ready" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    shown, said = process.communicate("await user.count()\n", timeout=100)
    assert "KeyboardInterrupt" in said
    assert "3" in shown
    assert process.returncode == 0
