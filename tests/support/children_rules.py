"""Conditions over the notes of folders and their number, for the machine of three databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.support.dict_model import FOLDERS, Model, Record
from tests.support.query_rules import Tree, conditions, expression, scopes, truth


class ChildrenRules:
    """Rules about folders and the notes in them."""

    model: Model
    same: Callable[..., None]

    def _notes_of(self, scope: int | None, folder: Record, key: str, tree: Tree | None) -> list[Record]:
        """Return the notes in a folder that meet a condition."""
        rows = [row for row in self.model.seen(scope) if row[key] == folder["id"]]
        return [
            row for row in rows if tree is None or truth(tree, lambda path, row=row: self.model.value(scope, row, path))
        ]

    @rule(scope=scopes, key=st.sampled_from(["folder_id", "other_id"]), tree=conditions, least=st.integers(0, 2))
    def read_children(self, scope: int | None, key: str, tree: Tree, least: int) -> None:
        def expected() -> list[Any]:
            folders = [folder for folder in FOLDERS.values() if scope in (None, folder["owner"])]
            counts = {folder["id"]: len(self._notes_of(scope, folder, key, tree)) for folder in folders}
            inner = {
                folder["id"]: any(
                    self._notes_of(scope, each, key, tree) for each in folders if each["parent_id"] == folder["id"]
                )
                for folder in folders
            }
            return [
                [name for name, number in counts.items() if number],
                [name for name, number in counts.items() if not number],
                [[name, number] for name, number in counts.items() if number >= least],
                sum(counts.values()),
                [name for name, found in inner.items() if found],
                sorted(counts, key=lambda name: (-counts[name], name)),
            ]

        async def work(side: Any) -> list[Any]:
            folders = side.db.t["folder"]
            folders = folders if scope is None else folders.xtra(owner=scope)
            notes = side.notes(scope)
            condition = expression(notes, tree)
            children = folders.children(notes, key)
            number = folders.children(notes, key, condition).count
            rows = await folders(number >= least, select={"id": "id", "n": number}, order_by="id")
            inside = folders.children("folder", "parent_id").any(folders.children("note", key, condition).any())
            return [
                await folders(children.any(condition), order_by="id").scalars("id"),
                await folders(children.none(condition), order_by="id").scalars("id"),
                [[row["id"], row["n"]] for row in rows],
                await folders.sum(number) or 0,
                await folders(inside, order_by="id").scalars("id"),
                await folders(order_by=[number.desc(), folders.c.id]).scalars("id"),
            ]

        self.same(expected, work)
