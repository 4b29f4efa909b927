"""Phrases that are never right in texts of this project; CONTRIBUTING.md has the table of words to use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
    r"(?<!there )(?<!There )is no (?:column|table|view|row|index|key|name|number|value)": "is not a ...",
}
FORBIDDEN = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in PHRASES))

#: Files that still hold some. Remove an entry when its file is clean; never add one.
STILL_TO_DO: tuple[str, ...] = (
    "CHANGELOG.md",
    "docs/command-line.md",
    "src/deebase/_backends/postgres/inventory.py",
    "src/deebase/_backends/postgres/lane.py",
    "src/deebase/_backends/row_checks.py",
    "src/deebase/_backends/sqlite/engine.py",
    "src/deebase/_backends/sqlite/inventory.py",
    "src/deebase/_backends/sqlite/job.py",
    "src/deebase/_backends/sqlite/lane.py",
    "src/deebase/_backends/version_checks.py",
    "src/deebase/_engine/context.py",
    "src/deebase/_engine/executor.py",
    "src/deebase/_engine/sandbox.py",
    "src/deebase/_files/converting.py",
    "src/deebase/_files/exporting.py",
    "src/deebase/_files/field_texts.py",
    "src/deebase/_files/formats.py",
    "src/deebase/_files/guess.py",
    "src/deebase/_files/importing.py",
    "src/deebase/_files/inputs.py",
    "src/deebase/_lanes/holders.py",
    "src/deebase/_lanes/pool.py",
    "src/deebase/_model/change.py",
    "src/deebase/_model/columns.py",
    "src/deebase/_model/facts.py",
    "src/deebase/_model/postgres_types.py",
    "src/deebase/_model/reflected.py",
    "src/deebase/_pictures/notebook.py",
    "src/deebase/_schema/create.py",
    "src/deebase/_schema/match.py",
    "src/deebase/_schema/reflect.py",
    "src/deebase/_schema/transform.py",
    "src/deebase/_schema/views.py",
    "src/deebase/_sql/compiled.py",
    "src/deebase/_sql/keyed.py",
    "src/deebase/_sql/raw.py",
    "src/deebase/_sql/read_only.py",
    "src/deebase/_sql/related.py",
    "src/deebase/_sql/scope.py",
    "src/deebase/_sql/statement.py",
    "src/deebase/_sql/statements.py",
    "src/deebase/_sql/where.py",
    "src/deebase/_tables/bulk.py",
    "src/deebase/_tables/import_file.py",
    "src/deebase/_tables/navigation.py",
    "src/deebase/_tables/readable.py",
    "src/deebase/_tables/structure.py",
    "src/deebase/_tables/table.py",
    "src/deebase/_tables/view.py",
    "src/deebase/_types/arithmetic.py",
    "src/deebase/_types/base.py",
    "src/deebase/_types/choices.py",
    "src/deebase/_types/decimals.py",
    "src/deebase/_types/json_codecs.py",
    "src/deebase/_types/moment_sql.py",
    "src/deebase/_types/native.py",
    "src/deebase/_types/scalars.py",
    "src/deebase/_types/standard.py",
    "src/deebase/cli/commands/codegen_commands.py",
    "src/deebase/cli/commands/data_commands.py",
    "src/deebase/cli/commands/db_commands.py",
    "src/deebase/cli/commands/file_commands.py",
    "src/deebase/cli/commands/init_commands.py",
    "src/deebase/cli/commands/migrate_commands.py",
    "src/deebase/cli/commands/shell_commands.py",
    "src/deebase/cli/commands/table_change_commands.py",
    "src/deebase/cli/commands/view_commands.py",
    "src/deebase/cli/field_arguments.py",
    "src/deebase/cli/frame.py",
    "src/deebase/cli/recording.py",
    "src/deebase/cli/session.py",
    "src/deebase/cli/terminal.py",
    "src/deebase/cli/value_arguments.py",
    "src/deebase/config.py",
    "src/deebase/database.py",
    "src/deebase/migrations/check/contents.py",
    "src/deebase/migrations/check/hazards.py",
    "src/deebase/migrations/check/hazards_alter.py",
    "src/deebase/migrations/check/loss_guard.py",
    "src/deebase/migrations/check/trials.py",
    "src/deebase/migrations/chunks.py",
    "src/deebase/migrations/compare/alembic_inspector.py",
    "src/deebase/migrations/compare/changes.py",
    "src/deebase/migrations/compare/diff.py",
    "src/deebase/migrations/compare/models.py",
    "src/deebase/migrations/compare/schema.py",
    "src/deebase/migrations/files.py",
    "src/deebase/migrations/loading.py",
    "src/deebase/migrations/lock.py",
    "src/deebase/migrations/migrator.py",
    "src/deebase/migrations/plans.py",
    "src/deebase/migrations/runner.py",
    "src/deebase/migrations/scripts.py",
    "src/deebase/migrations/states.py",
    "src/deebase/migrations/upkeep/repair.py",
    "src/deebase/migrations/write/alteration.py",
    "src/deebase/migrations/write/drafts.py",
    "src/deebase/migrations/write/proposals.py",
    "src/deebase/migrations/write/steps.py",
    "src/deebase/testing/factories.py",
    "src/deebase/testing/rollback.py",
    "src/deebase/tools/backup.py",
    "src/deebase/tools/codegen/class_source.py",
    "src/deebase/tools/codegen/line_layout.py",
    "src/deebase/tools/codegen/writing.py",
    "src/deebase/tools/copying/copy.py",
    "src/deebase/tools/copying/copy_progress.py",
    "src/deebase/tools/doctor.py",
)

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


@pytest.mark.parametrize("path", [pytest.param(path, id=relative(path)) for path in texts()])
def test_texts_hold_no_phrase_that_is_never_right(path: Path) -> None:
    if relative(path) not in STILL_TO_DO:
        assert phrases_in(path) == []


def test_files_that_are_clean_are_no_longer_excepted() -> None:
    assert [name for name in STILL_TO_DO if not (ROOT / name).is_file() or not phrases_in(ROOT / name)] == []
