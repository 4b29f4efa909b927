"""The guard that stops a migration which loses rows or values: it compares the database before and after."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Sequence
from typing import TypeVar

from deebase._backends.stored_tables import Contents, Fate, Outcome, Profile, StoredTable, UnreadableSchemaError
from deebase.errors import MigrationError
from deebase.migrations.check.losses import gone, losses, survivor
from deebase.migrations.hints import either
from deebase.migrations.ledger import TABLE as LEDGER
from deebase.migrations.target import Target

T = TypeVar("T")

#: Few texts without one of these words lose anything: no table is counted for a migration that only adds.
_RISKY = frozenset(
    {
        *("delete", "do", "drop", "exec", "execute", "insert", "merge", "rename", "replace", "transform"),
        *("truncate", "type", "types", "update", "upsert", "writable"),
    }
)


class CountAgainError(Exception):
    """The verdict needs figures from before the migration, which is rolled back and runs again once they are taken."""


class Guard:
    """Compares tables, columns, rows and values inside the transaction of a migration.

    The tables that the text of the migration names are counted before it runs. Other tables that it writes to are known
    only afterwards: then it is rolled back, and runs again after these are counted, too. Where other sessions can write
    at the same time, they may be why rows are missing: the migration runs again while they are locked out, and the
    result of that run decides.

    Args:
        target: the database.
        name: the name of the migration, for messages.
        text: the text that it runs.
        allowed: tables that may lose rows and values; they are not counted.
        down: whether the migration is undone, for hints.
        left: what is left of it when it is refused, for messages.
    """

    def __init__(
        self,
        target: Target,
        name: str,
        text: str,
        allowed: Collection[str],
        *,
        down: bool = False,
        left: str = "nothing of it was kept",
    ) -> None:
        self._census = target.support.census(target, LEDGER)
        self._name = name
        self._text = text.lower()
        self._allowed = allowed
        self._verb = "down" if down else "up"
        self._left = left
        self._counted: set[Hashable] = set()
        self._held: set[Hashable] = set()
        self._contents: dict[Hashable, Contents] = {}

    async def begin(self) -> None:
        """Read the state before the migration."""
        tables = await self._census.begin()
        risky = not _RISKY.isdisjoint(re.findall("[a-z]+", self._text))
        self._counted |= {
            table.key for table in tables if risky and table.name.rpartition(".")[2].lower() in self._text
        }
        await self._census.hold([table for table in tables if table.key in self._held])
        self._contents = {
            table.key: await self._census.measure(table)
            for table in tables
            if table.key in self._counted and not table.is_called(self._allowed)
        }

    async def around(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a function, and check that nothing is lost by it.

        Raises:
            MigrationError: rows or values would be lost.
            CountAgainError: figures are needed for the verdict.
        """
        try:
            await self.begin()
            result = await work()
            await self.check()
            return result
        finally:
            await self.close()

    async def check(self, *, final: bool = False) -> None:
        """Compare the database with its state before the migration.

        Args:
            final: it cannot run again: changes of uncounted tables count as losses.

        Raises:
            MigrationError: rows or values would be lost.
            CountAgainError: figures are needed for the verdict.
        """
        outcome = await self._outcome()
        fates = [fate for fate in outcome.fates if fate.changed and not fate.before.is_called(self._allowed)]
        uncounted = {fate.before.key for fate in fates if fate.before.key not in self._contents}
        if uncounted and final:
            names = [fate.before.name for fate in fates if fate.before.key in uncounted]
            raise self.refusal([f"perhaps rows of {name}, which its text does not name" for name in names])
        if uncounted:
            self._counted |= uncounted
            raise CountAgainError
        found = {fate.before.key: await self._losses(fate, outcome.created) for fate in fates}
        lost = {key: texts for key, texts in found.items() if texts}
        if not lost:
            return
        if not self._census.alone and not final and not lost.keys() <= self._held:
            self._held |= lost.keys()
            raise CountAgainError
        raise self.refusal([text for texts in lost.values() for text in texts])

    async def _outcome(self) -> Outcome:
        try:
            return await self._census.end()
        except UnreadableSchemaError as error:
            raise self.refusal(["the schema, which the database cannot read after it"]) from error

    async def watch(self) -> None:
        """Read which tables exist, and count nothing."""
        await self._census.begin()

    async def glance(self) -> None:
        """Compare without figures.

        Raises:
            MigrationError: rows are deleted, or tables or columns are dropped.
        """
        outcome = await self._outcome()
        fates = [fate for fate in outcome.fates if not fate.before.is_called(self._allowed)]
        if texts := [text for fate in fates for text in _at_a_glance(fate)]:
            raise self.refusal(texts)

    def refusal(self, texts: Iterable[str]) -> MigrationError:
        """Return the error of a migration that loses something."""
        return refusal(self._name, texts, self._verb, self._left)

    async def _losses(self, fate: Fate, created: Sequence[StoredTable]) -> list[str]:
        before, was = fate.before, self._contents[fate.before.key]
        if fate.after is not None:
            now = _together([await self._census.measure(table) for table in (fate.after, *fate.detached)])
            emptied = fate.grown is not None and now.rows != was.rows + fate.grown
            return list(losses(before, was, fate.after, now, copied=False, deleted=fate.deleted or emptied))
        if was.rows == 0:
            return []
        others = [(table, await self._census.measure(table)) for table in created]
        found = survivor(before, was, others)
        return [gone(before, was)] if found is None else found[1]

    async def close(self) -> None:
        """Stop watching."""
        await self._census.close()


def _at_a_glance(fate: Fate) -> list[str]:
    before, after = fate.before, fate.after
    if after is None:
        return [f"table {before.name}"]
    left = {column.key for column in after.columns}
    return [
        *([f"rows of {before.name}"] if fate.deleted and not fate.moved else []),
        *([f"perhaps rows of {before.name}, which is emptied or rewritten"] if fate.grown is not None else []),
        *[f"column {before.name}.{column.name}" for column in before.columns if column.key not in left],
    ]


def refusal(name: str, texts: Iterable[str], verb: str, left: str = "nothing of it was kept") -> MigrationError:
    """Return the error of a migration that loses something.

    Args:
        name: the name of the migration.
        texts: what it loses.
        verb: "up" or "down".
        left: what is left of the migration.
    """
    allowed = either(f"{verb}(allow_destructive=True, backup=True)", f"{verb} --allow-destructive --backup")
    return MigrationError(
        f"{name} would lose what the database holds: {'; '.join(texts)}; {left}",
        hint=f"if that is meant: {allowed}; allow_destructive=[TABLE] or --may-lose TABLE allows it for single tables",
    )


def _together(contents: Sequence[Contents]) -> Contents:
    """Return the contents of tables that were one."""
    first, *others = contents
    for other in others:
        columns = {
            name: _sum(profile, other.columns[name]) if name in other.columns else profile
            for name, profile in first.columns.items()
        }
        first = Contents(first.rows + other.rows, columns)
    return first


def _sum(one: Profile, other: Profile) -> Profile:
    digest = tuple([first + second for first, second in zip(one.digest, other.digest, strict=True)])
    single = one.present == 0 or other.present == 0
    return Profile(one.present + other.present, one.filled + other.filled, single, digest)
