"""A migration written by comparison: its text, and the result of trying it in a scratch database."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from deebase.errors import DeeBaseError, MigrationError, ValidationError
from deebase.migrations.compare.changes import Changes
from deebase.migrations.compare.diff import compare
from deebase.migrations.compare.schema import Schema, TableState, read
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either
from deebase.migrations.runner import Runner
from deebase.migrations.target import Target
from deebase.migrations.write.body import INDENT, access
from deebase.migrations.write.drafts import sentence
from deebase.migrations.write.impossible_casts import check_casts
from deebase.migrations.write.steps import Steps
from deebase.tools.codegen.line_layout import Piece, call, comment
from deebase.tools.codegen.module import Module
from deebase.tools.codegen.value_source import quoted

#: Tables and columns with their new names: {"user.name": "full_name", "post": "article"}; a pair if a name has a dot.
Renames: TypeAlias = "Mapping[str | tuple[str, str], str]"


@dataclass(frozen=True)
class Rename:
    """A table, or a column of one, that is renamed."""

    table: str
    column: str | None
    new: str

    @property
    def back(self) -> Rename:
        """The rename that undoes it."""
        if self.column is None:
            return Rename(self.new, None, self.table)
        return Rename(self.table, self.new, self.column)

    def step(self) -> Piece:
        """Return its call."""
        if self.column is None:
            return call(f"{access(self.table)}.rename", Piece(quoted(self.new)))
        return call(f"{access(self.table)}.rename_column", Piece(quoted(self.column)), Piece(quoted(self.new)))

    async def run(self, target: Target) -> None:
        """Rename it in a database."""
        table = (await target.reflected()).t[self.table]
        await (table.rename(self.new) if self.column is None else table.rename_column(self.column, self.new))


def renames_of(given: Renames, schema: Schema) -> list[Rename]:
    """Return the renames, columns first, under their old names.

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
                f"{'.'.join(key) if isinstance(key, tuple) else key} is not a table or column of the migrations so far",
                field="renames",
                hint='renames={"user.name": "full_name"}',
            )
        found.append(Rename(table, column, new))
    return sorted(found, key=lambda rename: rename.column is None)


def _require_wanted(renames: Sequence[Rename], wanted: Schema) -> None:
    """Refuse new names that the models do not have: the renamed column would be dropped, with its values.

    Raises:
        ValidationError: the models lack a new name.
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
    """A migration that turns one schema into another, and back.

    Attributes:
        text: the text of the file.
        notes: what it does not do, and what to check; the text has them as comments.
    """

    text: str
    notes: tuple[str, ...]

    def require_complete(self, name: str) -> None:
        """Refuse a migration that would not make the same schema.

        Raises:
            MigrationError: it has notes.
        """
        if self.notes:
            raise MigrationError(
                f"{name} would not make the same schema: {'; '.join(self.notes)}",
                hint=f"write it by hand, as SQL: {either('new(name, sql=True)', 'new NAME --sql')}",
            )


async def propose(
    title: str,
    history: Target,
    target: Target,
    renames: Renames,
    path: Path,
    *,
    about: Sequence[str] = (),
    of_models: bool = False,
) -> Proposal:
    """Write the migration that turns the schema of a database into another one, and try it there.

    Args:
        title: its title.
        history: a scratch database with the old schema.
        target: a database with the new schema.
        renames: the renamed tables and columns; others are dropped, and added under the new name.
        path: the path of the file.
        about: further comments for its top.
        of_models: the new schema is that of models, which may leave out what no class can express.

    Raises:
        MigrationError: the schemas are equal; or a column would change between types without a cast.
    """
    before = await read(history)
    renamed = renames_of(renames, before)
    wanted = await read(target)
    _require_wanted(renamed, wanted)
    for rename in renamed:
        await rename.run(history)
    middle = await read(history) if renamed else before
    left_out = middle.kinds_beyond(wanted) if of_models else []
    up = (await compare(history, wanted, known=middle)).without(left_out)
    if not up and not renamed:
        raise MigrationError(
            "the migrations so far make what the models say: there is nothing to do",
            hint=f"{either('new(name, empty=True)', 'new NAME --empty')} opens an empty draft",
        )
    await check_casts(history, up)
    down = (await compare(target, middle, known=wanted)).without(left_out)
    notes = [
        f"{old} is dropped and {new} is added: if it was renamed, write this again with "
        f"new(..., renames={{{old!r}: {new!r}}})"
        for old, new in up.possible_renames()
    ]
    text, unhandled = _text(title, up, down, renamed, [*about, *notes])
    for rename in reversed(renamed):
        await rename.back.run(history)
    tried = [] if unhandled else await attempt(MigrationFile(path, text, None), history, before, wanted, left_out)
    if tried:
        text, _ = _text(title, up, down, renamed, [*about, *notes, *tried])
    return Proposal(text, (*notes, *unhandled, *tried))


async def attempt(
    file: MigrationFile, db: Target, before: Schema, after: Schema, left_out: Collection[str] = ()
) -> list[str]:
    """Run a migration up and down, and return the differences from what it should make.

    Args:
        file: the migration.
        db: a scratch database with the schema before it.
        before: that schema.
        after: the schema that it should make.
        left_out: kinds of objects that are not compared with that.
    """
    runner = Runner(db)
    try:
        await runner.apply(file)
        made = (await compare(db, after)).without(left_out)
        left = [f"after the upgrade {difference}" for difference in made.differences()]
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
    return text, list(dict.fromkeys([*steps_up.unhandled, *steps_down.unhandled]))


def _function(name: str, doc: str, database: str, lines: Sequence[str]) -> str:
    head = [f"async def {name}(db: {database}) -> None:", f'{INDENT}"""{doc}"""']
    # A migration starts with a handle that knows no tables.
    needs = any("db.t[" in line or "db.v[" in line for line in lines)
    return "\n".join([*head, *([f"{INDENT}await db.reflect()"] if needs else []), *lines])
