"""The changes that turn one schema into another, and their description in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from deebase._backends.schema_parts import Feature, ViewState
from deebase._backends.schema_script import SchemaObject
from deebase._model.facts import IndexInfo
from deebase._rows.model import ForeignKeyModel
from deebase.migrations.compare.schema import Schema, TableState
from deebase.types import UNSET, Search, Unset


@dataclass(frozen=True)
class Difference:
    """A difference between two schemas.

    Attributes:
        name: the table, view or other object.
        text: the difference, in words.
        column: the column, if it is about one.
    """

    name: str
    text: str
    column: str | None = None

    def __str__(self) -> str:
        return f"{self.name}{f'.{self.column}' if self.column is not None else ''}: {self.text}"


@dataclass
class TableChange:
    """The changes of one table that exists before and after.

    Attributes:
        before: the table before.
        after: the table after.
        add: columns that are added.
        drop: columns that are dropped.
        types: columns that change their type.
        not_null: columns that start (True) or stop to refuse NULL.
        defaults: columns that change their default.
        pk: the new key; None if it stays.
        add_keys: foreign keys that are added.
        drop_keys: foreign keys that are dropped.
        add_indexes: indexes that are added; one that changes is dropped and added.
        drop_indexes: indexes that are dropped.
        add_features: features that are added.
        drop_features: features that are dropped.
        search: the new search, None for none; UNSET if it stays.
        secure: the columns that secure the rows, () for none; None if they stay.
        unexplained: differences of the definitions that nothing else shows, in words.
    """

    before: TableState
    after: TableState
    add: list[str] = field(default_factory=lambda: list[str]())
    drop: list[str] = field(default_factory=lambda: list[str]())
    types: list[str] = field(default_factory=lambda: list[str]())
    not_null: dict[str, bool] = field(default_factory=lambda: dict[str, bool]())
    defaults: list[str] = field(default_factory=lambda: list[str]())
    pk: tuple[str, ...] | None = None
    add_keys: list[ForeignKeyModel] = field(default_factory=lambda: list[ForeignKeyModel]())
    drop_keys: list[ForeignKeyModel] = field(default_factory=lambda: list[ForeignKeyModel]())
    add_indexes: list[IndexInfo] = field(default_factory=lambda: list[IndexInfo]())
    drop_indexes: list[IndexInfo] = field(default_factory=lambda: list[IndexInfo]())
    add_features: list[Feature] = field(default_factory=lambda: list[Feature]())
    drop_features: list[Feature] = field(default_factory=lambda: list[Feature]())
    search: Search | Unset | None = UNSET
    secure: tuple[str, ...] | None = None
    unexplained: list[str] = field(default_factory=lambda: list[str]())

    @property
    def name(self) -> str:
        """The table."""
        return self.after.name

    def differences(self) -> Iterator[Difference]:
        """Yield the differences, in words."""
        name = self.name
        old = {column.name: column for column in self.before.facts.columns}
        new = {column.name: column for column in self.after.facts.columns}
        yield from [Difference(name, f"is missing, {new[column].type}", column) for column in self.add]
        yield from [Difference(name, "is not wanted", column) for column in self.drop]
        for column in self.types:
            was, wanted = old[column].type, new[column].type
            text = f"is {was}, and should be {wanted}" if was != wanted else "has another list of values"
            yield Difference(name, text, column)
        for column, refuses in self.not_null.items():
            yield Difference(name, f"should {'refuse' if refuses else 'take'} NULL", column)
        for column in self.defaults:
            yield Difference(
                name, f"has the default {old[column].default}, and should have {new[column].default}", column
            )
        if self.pk is not None:
            yield Difference(name, f"has the key {_listed(self.before.facts.pks)}, and should have {_listed(self.pk)}")
        yield from self._of_parts()

    def _of_parts(self) -> Iterator[Difference]:
        for what, keys in (("lacks", self.add_keys), ("should not have", self.drop_keys)):
            for key in keys:
                columns, targets = _listed(key.columns), _listed(key.targets)
                yield Difference(
                    self.name, f"{what} a foreign key of {columns} to {key.table} {targets}{_actions(key)}"
                )
        changed = {index.name for index in self.add_indexes} & {index.name for index in self.drop_indexes}
        yield from [Difference(self.name, f"has another index {name}") for name in sorted(changed)]
        for what, indexes in (("lacks", self.add_indexes), ("should not have", self.drop_indexes)):
            yield from [
                Difference(self.name, f"{what} the index {index.name}")
                for index in indexes
                if index.name not in changed
            ]
        for what, features in (("lacks", self.add_features), ("should not have", self.drop_features)):
            yield from [Difference(self.name, f"{what}: {feature.text}") for feature in features]
        if not isinstance(self.search, Unset):
            was = self.before.facts.search
            has = "is not searchable" if was is None else f"has the search {was.search}"
            wanted = "should not be" if self.search is None else f"should have {self.search}"
            yield Difference(self.name, f"{has}, and {wanted}")
        if self.secure is not None:
            had, wants = (" and ".join(names) or "nothing" for names in (self.before.facts.secure, self.secure))
            yield Difference(self.name, f"has rows that are secured by {had}, and should have them secured by {wants}")
        yield from [Difference(self.name, text) for text in self.unexplained]


def _listed(columns: tuple[str, ...]) -> str:
    return f"({', '.join(columns)})"


def _actions(key: ForeignKeyModel) -> str:
    actions = [(" on delete ", key.on_delete), (" on update ", key.on_update)]
    return "".join([f"{what}{action.lower()}" for what, action in actions if action])


@dataclass
class Changes:
    """The changes that turn the schema ``before`` into ``after``."""

    before: Schema
    after: Schema
    create: list[TableState] = field(default_factory=lambda: list[TableState]())
    drop: list[TableState] = field(default_factory=lambda: list[TableState]())
    alter: list[TableChange] = field(default_factory=lambda: list[TableChange]())
    create_views: list[ViewState] = field(default_factory=lambda: list[ViewState]())
    drop_views: list[ViewState] = field(default_factory=lambda: list[ViewState]())
    create_objects: list[SchemaObject] = field(default_factory=lambda: list[SchemaObject]())
    drop_objects: list[SchemaObject] = field(default_factory=lambda: list[SchemaObject]())

    def __bool__(self) -> bool:
        return any(True for _ in self.differences())

    def differences(self) -> Iterator[Difference]:
        """Yield the differences, in words: what ``before`` lacks, and what it should not have."""
        yield from [Difference(table.name, "is a table that is missing") for table in self.create]
        yield from [Difference(table.name, "is a table that is not wanted") for table in self.drop]
        for change in self.alter:
            yield from change.differences()
        for kind, (new, old) in self.others().items():
            article = "an" if kind[0] in "aeiou" else "a"
            yield from [Difference(name, f"is {article} {kind} that is missing") for name in sorted(new - old)]
            yield from [Difference(name, f"is {article} {kind} that is not wanted") for name in sorted(old - new)]
            yield from [Difference(name, f"is another {kind}") for name in sorted(old & new)]

    def others(self) -> dict[str, tuple[set[str], set[str]]]:
        """Return the names of the views and other objects that are created, and of those that are dropped, by kind."""
        found: dict[str, tuple[set[str], set[str]]] = {}
        for place, objects, views in (
            (0, self.create_objects, self.create_views),
            (1, self.drop_objects, self.drop_views),
        ):
            for kind, name in [*[(item.kind, item.name) for item in objects], *[("view", view.name) for view in views]]:
                found.setdefault(kind, (set(), set()))[place].add(name)
        return found

    def without(self, kinds: Collection[str]) -> Changes:
        """Return the changes without those of objects of some kinds."""
        return replace(
            self,
            create_objects=[item for item in self.create_objects if item.kind not in kinds],
            drop_objects=[item for item in self.drop_objects if item.kind not in kinds],
        )

    def possible_renames(self) -> list[tuple[str, str]]:
        """Return what is dropped and added that may be a rename: ``("user.name", "full_name")``."""
        found: list[tuple[str, str]] = []
        for change in self.alter:
            old = {column.name: column.type for column in change.before.facts.columns}
            new = {column.name: column.type for column in change.after.facts.columns}
            found += [
                (f"{change.name}.{gone}", added)
                for gone in change.drop
                for added in change.add
                if old[gone] == new[added]
            ]
        for gone_table in self.drop:
            columns = {(column.name, column.type) for column in gone_table.facts.columns}
            found += [
                (gone_table.name, made.name)
                for made in self.create
                if columns == {(column.name, column.type) for column in made.facts.columns}
            ]
        return found
