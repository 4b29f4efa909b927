"""Files of migrations: names, seals, drafts, sections, and how they are loaded."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deebase import Database, MigrationError, ValidationError
from deebase.migrations import Irreversible, files, irreversible
from deebase.migrations.files import DRAFT, MigrationFile
from deebase.migrations.ledger import LedgerEntry
from deebase.migrations.loading import loaded, sections
from deebase.migrations.status import Status, read_statuses
from deebase.migrations.write import drafts
from tests.support.migrations import FILE


class Heard:
    """Stands for a database: takes down what it is asked."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def q(self, sql: str) -> None:
        self.heard.append(sql)


def run(file: MigrationFile, direction: str) -> list[str]:
    heard = Heard()
    with loaded(file, FILE) as script:
        asyncio.run(getattr(script, direction)(cast(Database, heard)))
    return heard.heard


def draft(tmp_path: Path, *, sql: bool = False, data: bool = False) -> MigrationFile:
    path = tmp_path / ("draft-x.sql" if sql else "draft-x.py")
    return MigrationFile(path, drafts.template("add x", sql=sql, data=data), None)


def sealed(directory: Path, name: str, text: str = "-- upgrade\nSELECT 1;\n-- downgrade\nSELECT 2;\n") -> MigrationFile:
    return files.write(directory / name, text, sealed=True)


def entry(file: MigrationFile, position: int = 1, **changes: Any) -> LedgerEntry:
    now = datetime.now(UTC)
    values: dict[str, Any] = {"name": file.name, "suffix": file.suffix, "checksum": file.checksum, "source": file.text}
    values |= {"position": position, "started_at": now, "finished_at": now, "seconds": 0.1}
    return LedgerEntry(**{**values, **changes}, version="1")


def states(found: list[Status]) -> dict[str, str]:
    return {status.name: status.state for status in found}


# -- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Add age", "add-age"),
        ("  add   the_age!  ", "add-the-age"),
        ("../../etc/passwd", "etc-passwd"),
        ("naïve ÉTAT", "naïve-état"),
        ("表を作る", "表を作る"),
        ("a\0b\nc", "a-b-c"),
        ("x" * 300, "x" * 50),
    ],
)
def test_a_title_becomes_part_of_a_file_name(title: str, expected: str) -> None:
    assert files.slug(title) == expected


@given(st.text())
def test_no_title_leads_out_of_the_directory(title: str) -> None:
    try:
        name = files.name_for(7, files.slug(title))
    except ValidationError:
        return
    assert files.is_numbered(name)
    assert Path(name).name == name
    assert len(name.encode()) <= 255 - len(".py")


@pytest.mark.parametrize("title", ["", "---", "!?", "\n"])
def test_a_title_without_letters_is_refused(title: str) -> None:
    with pytest.raises(ValidationError):
        files.slug(title)


def test_names_have_numbers_and_drafts_have_none() -> None:
    assert files.number_of("0007-add-age") == 7
    assert files.number_of("12345-x") == 12345
    assert files.number_of("draft-add-age") is None
    assert not files.is_numbered("007-add")
    assert not files.is_numbered("0007_add")
    assert files.name_for(7, "a") == "0007-a"


# -- the seal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".py", ".sql"])
def test_a_seal_holds_the_checksum_and_is_not_part_of_the_text(tmp_path: Path, suffix: str) -> None:
    written = files.write(tmp_path / f"0001-a{suffix}", "text\n", sealed=True)
    read = files.read(written.path)
    assert read == written
    assert read.seal == read.checksum == files.checksum_of("text\n")
    first = written.path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"{'#' if suffix == '.py' else '--'} sealed: sha256:{read.checksum}"
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]


def test_ends_of_lines_and_a_byte_order_mark_do_not_break_a_seal(tmp_path: Path) -> None:
    file = sealed(tmp_path, "0001-a.sql")
    content = file.path.read_bytes()
    file.path.write_bytes(b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    assert files.read(file.path).checksum == file.seal


def test_an_edit_breaks_a_seal(tmp_path: Path) -> None:
    file = sealed(tmp_path, "0001-a.sql")
    with file.path.open("a", encoding="utf-8") as out:
        out.write("-- more\n")
    (status,) = read_statuses(tmp_path, {})
    assert status.state == "edited"
    assert "rerecord" in status.hint


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001-a.sql").write_bytes(b"\xff\xfe")
    with pytest.raises(MigrationError, match="not UTF-8"):
        read_statuses(tmp_path, {})


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="no directory") as caught:
        read_statuses(tmp_path / "nowhere", {})
    assert "new(" in str(caught.value)


# -- states ------------------------------------------------------------------------------------------


def test_a_migration_that_the_ledger_lacks_is_pending_for_any_number(tmp_path: Path) -> None:
    made = [sealed(tmp_path, f"000{n}-s{n}.sql", f"-- upgrade\nSELECT {n};\n-- downgrade\n") for n in (1, 2, 3, 4)]
    found = read_statuses(tmp_path, {file.name: entry(file) for file in (made[0], made[2])})
    assert states(found) == {"0001-s1": "applied", "0002-s2": "pending", "0003-s3": "applied", "0004-s4": "pending"}
    assert [status.name for status in found if status.late] == ["0002-s2"]


def test_numbers_are_compared_as_numbers(tmp_path: Path) -> None:
    for name in ("10000-b.sql", "9999-a.sql", "draft.py"):
        sealed(tmp_path, name)
    assert [status.number for status in read_statuses(tmp_path, {})] == [9999, 10000, None]


def test_states_that_need_attention_have_a_hint(tmp_path: Path) -> None:
    files.write(tmp_path / "0001-by-hand.sql", "SELECT 1;", sealed=False)
    for name in ("0002-a.sql", "0002-b.py", "3-short.sql"):
        sealed(tmp_path, name)
    gone = MigrationFile(tmp_path / "0009-gone.sql", "x", None)
    half = sealed(tmp_path, "0005-half.sql", "half")
    edited = sealed(tmp_path, "0006-edited.sql", "-- upgrade\nSELECT 2;\n")
    entries = {
        gone.name: entry(gone),
        half.name: entry(half, finished_at=None),
        edited.name: entry(edited, source="-- upgrade\nSELECT 1;\n", checksum="0" * 64),
    }
    found = {status.name: status for status in read_statuses(tmp_path, entries)}
    hints = {
        "0001-by-hand": ("refused", "seal('0001-by-hand')"),
        "0002-a": ("refused", "renumber()"),
        "0002-b": ("refused", "renumber()"),
        "3-short": ("refused", "NNNN-description"),
        "0005-half": ("failed", "repair('0005-half', applied=True)"),
        "0006-edited": ("edited", "rerecord()"),
        "0009-gone": ("missing", "repair()"),
    }
    assert {name: status.state for name, status in found.items()} == {name: state for name, (state, _) in hints.items()}
    for name, (_, hint) in hints.items():
        assert hint in str(found[name].error()), name
    assert "-SELECT 1;\n+SELECT 2;" in found["0006-edited"].note


def test_a_file_that_was_applied_by_another_name_is_not_applied_again(tmp_path: Path) -> None:
    file = sealed(tmp_path, "0008-moved.sql")
    found = read_statuses(tmp_path, {"0007-moved": entry(file, name="0007-moved")})
    assert states(found) == {"0007-moved": "missing", "0008-moved": "refused"}
    assert "0007-moved" in found[1].note


def test_two_drafts_are_refused_and_other_files_left_alone(tmp_path: Path) -> None:
    for name in ("draft-a.py", "draft-b.sql"):
        files.write(tmp_path / name, "", sealed=False)
    for name in ("__init__.py", "_shared.py", ".hidden.py", "README.md"):
        (tmp_path / name).write_text("")
    assert states(read_statuses(tmp_path, {})) == {"draft-a": "refused", "draft-b": "refused"}


def test_a_sealed_draft_whose_steps_were_recorded_here_counts_as_applied(tmp_path: Path) -> None:
    file = sealed(tmp_path, "0001-a.sql")
    assert states(read_statuses(tmp_path, {DRAFT: entry(file, name=DRAFT)})) == {"0001-a": "applied"}
    assert states(read_statuses(tmp_path, {DRAFT: entry(file, name=DRAFT, checksum="")})) == {"0001-a": "pending"}


# -- drafts ------------------------------------------------------------------------------------------

HOSTILE = [
    'CREATE TABLE "a;b--c\'d" (x int)',
    'CREATE TABLE "two\nlines\u2028three" (x int)',
    'CREATE TABLE t (x text DEFAULT \'a\\b"""\')',
    "CREATE TABLE t (\r\n x int)",
    "SELECT 'ends with a quote\"'\n, \"",
    "SELECT '\x0c\x1f{0} %s :x ?' -- a comment at the end",
]


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("sql", [False, True])
def test_an_open_draft_is_empty_and_cannot_be_sealed(tmp_path: Path, sql: bool, data: bool) -> None:
    file = draft(tmp_path, sql=sql, data=data)
    assert drafts.is_empty(file, FILE)
    with pytest.raises(MigrationError, match="does nothing"):
        drafts.check_finished(file, FILE)
    assert run(file, "upgrade") == []


@pytest.mark.parametrize("title", ['a "quoted" \\ title', "with a NUL \0 and\n\nlines", '"""', "x\ud800"])
@pytest.mark.parametrize("sql", [False, True])
def test_no_title_breaks_a_draft(tmp_path: Path, title: str, sql: bool) -> None:
    path = tmp_path / ("draft.sql" if sql else "draft.py")
    text = drafts.template(title, sql=sql, data=False)
    assert drafts.is_empty(files.write(path, text, sealed=False), FILE)


@pytest.mark.parametrize("sql", [False, True])
def test_recorded_steps_are_undone_the_other_way_round(tmp_path: Path, sql: bool) -> None:
    file = draft(tmp_path, sql=sql)
    for n in range(3):
        file = MigrationFile(file.path, drafts.appended(file, f"UP {n}", f"DOWN {n}"), None)
    drafts.check_finished(file, FILE)
    assert run(file, "upgrade") == ["UP 0", "UP 1", "UP 2"]
    assert run(file, "downgrade") == ["DOWN 2", "DOWN 1", "DOWN 0"]


@pytest.mark.parametrize("statement", HOSTILE)
def test_any_statement_is_recorded_as_it_is(tmp_path: Path, statement: str) -> None:
    file = draft(tmp_path)
    file = MigrationFile(file.path, drafts.appended(file, "FIRST", "LAST"), None)
    file = MigrationFile(file.path, drafts.appended(file, statement, statement), None)
    written = files.write(file.path, file.text, sealed=True)
    assert run(files.read(written.path), "upgrade") == ["FIRST", statement]
    assert run(files.read(written.path), "downgrade") == [statement, "LAST"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.text(alphabet="'\"\\\n\r-; x"))
def test_any_text_is_recorded_as_it_is(first: str, second: str) -> None:
    path = Path("draft.py")
    file = MigrationFile(path, drafts.template("x", sql=False, data=False), None)
    for text in (first, second):
        file = MigrationFile(path, drafts.appended(file, text, text), None)
    assert run(file, "upgrade") == [first, second]


def test_a_comment_at_the_end_of_a_statement_swallows_nothing(tmp_path: Path) -> None:
    file = draft(tmp_path, sql=True)
    for statement in ("SELECT 1 -- one", "SELECT 2"):
        file = MigrationFile(file.path, drafts.appended(file, statement, statement), None)
    assert run(file, "upgrade") == ["SELECT 1 -- one", "SELECT 2"]
    assert run(file, "downgrade") == ["SELECT 2", "SELECT 1 -- one"]


@pytest.mark.parametrize("line", ["-- upgrade", "--downgrade", "-- irreversible: no", "-- not transactional"])
def test_a_statement_that_reads_like_a_section_is_not_recorded_in_sql(tmp_path: Path, line: str) -> None:
    with pytest.raises(MigrationError, match="reads like a section"):
        drafts.appended(draft(tmp_path, sql=True), f'CREATE TABLE "\n{line}\n" (x int)', None)


@pytest.mark.parametrize("sql", [False, True])
def test_a_step_without_a_way_back_makes_the_draft_irreversible(tmp_path: Path, sql: bool) -> None:
    file = draft(tmp_path, sql=sql)
    for up, down in (("UP 0", "DOWN 0"), ("UP 1", None), ("UP 2", "DOWN 2")):
        file = MigrationFile(file.path, drafts.appended(file, up, down), None)
    drafts.check_finished(file, FILE)
    assert run(file, "upgrade") == ["UP 0", "UP 1", "UP 2"]
    with loaded(file, FILE) as script:
        assert script.final == "a step of it has no way back"


def test_what_was_written_by_hand_stays(tmp_path: Path) -> None:
    text = (
        "import os\n\n\nasync def upgrade(base):\n    if os:\n        await base.q(\n            'A'\n        )\n\n"
        "X = 1\n\nasync def downgrade(base):\n    # why\n    await base.q('B')\n"
    )
    file = MigrationFile(tmp_path / "draft.py", text, None)
    file = MigrationFile(file.path, drafts.appended(file, "C", "D"), None)
    assert run(file, "upgrade") == ["A", "C"]
    assert run(file, "downgrade") == ["D", "B"]
    assert all(line in file.text for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("async def upgrade(db): pass\nasync def downgrade(db): pass\n", "cannot be added to"),
        ("def upgrade(", "not valid Python: look at line 1"),
        ("x = 1\n", "no function 'async def upgrade"),
        ("upgrade = None\nasync def downgrade(db):\n    pass\n", "not a function"),
    ],
)
def test_a_draft_to_which_nothing_can_be_added_says_so(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MigrationError, match=message):
        drafts.appended(MigrationFile(tmp_path / "draft.py", text, None), "UP", "DOWN")


@pytest.mark.parametrize("sql", [False, True])
def test_a_way_back_that_was_forgotten_is_noticed(tmp_path: Path, sql: bool) -> None:
    file = draft(tmp_path, sql=sql)
    text = file.text.replace('"""Take the step."""', "await db.q('A')").replace("-- upgrade", "-- upgrade\nSELECT 1;")
    with pytest.raises(MigrationError, match="no way back"):
        drafts.check_finished(MigrationFile(file.path, text, None), FILE)


# -- loading -----------------------------------------------------------------------------------------

GOOD = "async def upgrade(db):\n    await db.q('A')\n\nasync def downgrade(db):\n    await db.q('B')\n"


def test_a_module_is_known_only_while_it_runs(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
        f"@dataclass\nclass User:\n    id: int\n\n{GOOD}"
    )
    file = files.write(tmp_path / "0001-a.py", text, sealed=True)
    before = set(sys.modules)
    assert run(file, "upgrade") == ["A"]
    assert not [name for name in set(sys.modules) - before if "migration" in name]
    assert [path.name for path in tmp_path.iterdir()] == ["0001-a.py"]


def test_what_runs_is_what_was_read(tmp_path: Path) -> None:
    file = files.write(tmp_path / "0001-a.py", GOOD, sealed=True)
    file.path.write_text(GOOD.replace("'A'", "'Z'"), encoding="utf-8")
    assert run(file, "upgrade") == ["A"]


def test_an_error_is_found_at_its_line(tmp_path: Path) -> None:
    file = files.write(tmp_path / "0001-a.py", GOOD.replace("await db.q('A')", "1 / 0"), sealed=True)
    with loaded(file, FILE) as script:
        with pytest.raises(ZeroDivisionError) as caught:
            asyncio.run(script.upgrade(cast(Database, None)))
        assert script.where(caught.value) == " at line 3"
    assert file.path.read_text(encoding="utf-8").splitlines()[2].strip() == "1 / 0"
    assert str(caught.traceback[-1].path) == str(file.path)
    assert str(caught.traceback[-1].statement).strip() == "1 / 0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name' at line 1"),
        ("x = 1\nx +", "SyntaxError: invalid syntax at line 2"),
        ("x = 1", "no function 'async def upgrade"),
        ("def upgrade(db): pass", "no function 'async def upgrade"),
        ("async def upgrade(db): pass\ndowngrade = None", "no function 'async def downgrade"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(tmp_path: Path, text: str, message: str) -> None:
    file = MigrationFile(tmp_path / "0001-a.py", text, None)
    with pytest.raises(MigrationError, match=message), loaded(file, FILE):
        raise AssertionError("it was loaded")
    assert not [name for name in sys.modules if name.startswith("_deebase_migration")]


async def test_irreversible_refuses_with_its_reason() -> None:
    downgrade = irreversible("the values are gone")
    assert isinstance(downgrade, Irreversible)
    with pytest.raises(MigrationError, match="the values are gone"):
        await downgrade(cast(Database, None))


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    python = (
        f"from deebase.migrations import irreversible\ntransactional = False\n{GOOD}downgrade = irreversible('y')\n"
    )
    sql = "-- not transactional\n-- upgrade\nVACUUM;\n-- downgrade\n-- irreversible: y\n"
    for name, text in (("0001-a.py", python), ("0001-a.sql", sql)):
        with loaded(MigrationFile(tmp_path / name, text, None), FILE) as script:
            assert (script.transactional, script.final) == (False, "y")
    with loaded(MigrationFile(tmp_path / "0001-a.py", GOOD, None), FILE) as script:
        assert (script.transactional, script.final) == (True, None)


def test_sql_is_cut_into_statements_and_an_error_found_at_one(tmp_path: Path) -> None:
    text = "-- what for\n-- upgrade\nSELECT ';'; -- one\nSELECT '\u2028';\n\n-- downgrade\nSELECT 3"
    file = MigrationFile(tmp_path / "0001-a.sql", text, None)
    assert run(file, "upgrade") == ["SELECT ';'", "-- one\nSELECT '\u2028'"]
    assert run(file, "downgrade") == ["SELECT 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT 1;\n-- upgrade\n-- downgrade", "begins without '-- upgrade'"),
        ("-- upgrade\nSELECT 1", "no section '-- downgrade'"),
        ("-- downgrade\nSELECT 1", "no section '-- upgrade'"),
        ("-- upgrade\n-- Upgrade\n-- downgrade", "two sections"),
        ("", "no section '-- upgrade'"),
    ],
)
def test_sections_are_one_of_each(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MigrationError, match=message):
        sections(MigrationFile(tmp_path / "0001-a.sql", text, None))
