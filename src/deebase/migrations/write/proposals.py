"""A migration that is written by comparison: its text, and what comes of trying it."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from deebase.errors import DeeBaseError, MigrationError, ValidationError
from deebase.migrations.compare.changes import Changes
from deebase.migrations.compare.diff import compare
from deebase.migrations.compare.schema import Schema, TableState, read
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.runner import separate
from deebase.migrations.upkeep.history import runner_of
from deebase.migrations.write.body import INDENT, access
from deebase.migrations.write.drafts import sentence
from deebase.migrations.write.impossible_casts import check_casts
from deebase.migrations.write.steps import Steps
from deebase.tools.codegen.line_layout import Piece, call, comment
from deebase.tools.codegen.module import Module
from deebase.tools.codegen.value_source import quoted

if TYPE_CHECKING:
    from deebase.database import Database

#: What is renamed, and its new name: {"user.name": "full_name", "post": "article"}; a pair where a name has a dot.
Renames: TypeAlias = "Mapping[str | tuple[str, str], str]"


@dataclass(frozen=True)
class Rename:
    """A table, or a column of one, that gets another name."""

    table: str
    column: str | None
    new: str

    @property
    def back(self) -> Rename:
        """What undoes it."""
        if self.column is None:
            return Rename(self.new, None, self.table)
        return Rename(self.table, self.new, self.column)

    def step(self) -> Piece:
        """Return the call that does it."""
        if self.column is None:
            return call(f"{access(self.table)}.rename", Piece(quoted(self.new)))
        return call(f"{access(self.table)}.rename_column", Piece(quoted(self.column)), Piece(quoted(self.new)))

    async def run(self, db: Database) -> None:
        """Do it."""
        await db.reflect()
        table = db.t[self.table]
        await (table.rename(self.new) if self.column is None else table.rename_column(self.column, self.new))


def renames_of(given: Renames, schema: Schema) -> list[Rename]:
    """Return what is renamed, columns first, under the names of before.

    Raises:
        ValidationError: a key is neither a table nor a column.
    """
    found: list[Rename] = []
    for key, new in given.items():
        if isinstance(key, str) and key in schema.tables:
            found.append(Rename(key, None, new))
            continue
        table, column = key if isinstance(key, tuple) else key.rpartition(".")[::2]
        known = schema.tables.get(table)
        if known is None or column not in [facts.name for facts in known.facts.columns]:
            raise ValidationError(
                f"{'.'.join(key) if isinstance(key, tuple) else key} is no table or column of the migrations so far",
                field="renames",
                hint='renames={"user.name": "full_name"}',
            )
        found.append(Rename(table, column, new))
    return sorted(found, key=lambda rename: rename.column is None)


def _must_be_wanted(renames: Sequence[Rename], wanted: Schema) -> None:
    """Refuse new names that the models do not know: what was renamed would be dropped, with its values.

    Raises:
        ValidationError: there is one.
    """
    names = {rename.table: rename.new for rename in renames if rename.column is None}
    for rename in renames:
        table = wanted.tables.get(names.get(rename.table, rename.table))
        known = list(wanted.tables) if rename.column is None else [] if table is None else _columns(table)
        if rename.new in known:
            continue
        what = rename.table if rename.column is None else f"{rename.table}.{rename.column}"
        near = difflib.get_close_matches(rename.new, known, n=1)
        raise ValidationError(
            f"{what} cannot be renamed to {rename.new}, which the models do not have",
            field="renames",
            hint=f"did you mean {near[0]!r}?" if near else "correct the new name, or the models",
        )


def _columns(table: TableState) -> list[str]:
    return [column.name for column in table.facts.columns]


@dataclass(frozen=True)
class Proposal:
    """A migration that takes one schema to another, and back.

    Attributes:
        text: of the file.
        notes: what it does not do, or what is to be looked at; they are in the text too.
    """

    text: str
    notes: tuple[str, ...]


async def propose(title: str, history: Database, target: Database, renames: Renames, path: Path) -> Proposal:
    """Write the migration that takes a database to another schema, and try it there.

    Args:
        title: what it is for.
        history: a scratch database with the schema of before.
        target: one with the schema that is wanted.
        renames: what is renamed; without it, one name is dropped and another one added.
        path: of the file that it is going to be.

    Raises:
        MigrationError: there is nothing to do; or a column is to change between types without a cast.
    """
    before = await read(history)
    renamed = renames_of(renames, before)
    _must_be_wanted(renamed, await read(target))
    for rename in renamed:
        await rename.run(separate(history))
    middle = await read(history)
    up = await compare(history, target)
    if not up and not renamed:
        raise MigrationError(
            "the migrations so far make what the models say: there is nothing to do",
            hint=f"{either('new(name, empty=True)', 'new NAME --empty')} opens an empty draft",
        )
    await check_casts(history, up)
    down = await compare(target, middle)
    notes = [
        f"{old} goes and {new} comes: if that is one thing with another name, write this anew with "
        f"new(..., renames={{{old!r}: {new!r}}})"
        for old, new in up.possible_renames()
    ]
    text, undone = _text(title, up, down, renamed, notes)
    for rename in reversed(renamed):
        await rename.back.run(separate(history))
    tried = [] if undone else await _try(MigrationFile(path, text, None), history, before, target)
    if tried:
        text, _ = _text(title, up, down, renamed, [*notes, *tried])
    return Proposal(text, (*notes, *undone, *tried))


async def _try(file: MigrationFile, db: Database, before: Schema, after: Database) -> list[str]:
    """Run a migration up and down, and return what is not as it should be then."""
    runner = runner_of(db)
    try:
        await runner.apply(file, late=False)
        left = [f"after the upgrade {difference}" for difference in (await compare(db, after)).differences()]
        await runner.undo(file)
    except DeeBaseError as error:
        return [f"in a scratch database it failed: {error}"]
    changes = await compare(db, before)
    return left + [f"after the downgrade {difference}" for difference in changes.differences()]


def _text(
    title: str, up: Changes, down: Changes, renames: Sequence[Rename], notes: Sequence[str]
) -> tuple[str, list[str]]:
    outlines = [table.outline for table in (*up.create, *down.create) if table.outline is not None]
    module = Module(outlines)
    database = module.names.use("deebase", "Database")
    steps_up, steps_down = Steps(up, module).body(), Steps(down, module).body()
    renaming = [rename.step().after("await ").lines(INDENT) for rename in renames]
    undoing = [rename.back.step().after("await ").lines(INDENT) for rename in reversed(renames)]
    functions = [
        _function("upgrade", "Take the step.", database, [*renaming, *steps_up.lines]),
        _function("downgrade", "Undo the step.", database, [*steps_down.lines, *undoing]),
    ]
    classes = [*module.nested, *[made.source for made in module.classes]]
    head = [f'"""{sentence(title)}."""', *["\n".join([comment(note) for note in notes])], module.names.source()]
    text = "\n\n".join([part for part in head if part]) + "\n\n\n" + "\n\n\n".join([*classes, *functions]) + "\n"
    ast.parse(text)
    return text, list(dict.fromkeys([*steps_up.undone, *steps_down.undone]))


def _function(name: str, doc: str, database: str, lines: Sequence[str]) -> str:
    head = [f"async def {name}(db: {database}) -> None:", f'{INDENT}"""{doc}"""']
    # A migration begins without knowing of any table.
    needs = any("db.t[" in line or "db.v[" in line for line in lines)
    return "\n".join([*head, *([f"{INDENT}await db.reflect()"] if needs else []), *lines])
