"""Reads the tables of a SQLite file for a copy into another kind of database."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from deebase._backends.copy_forms import (
    PLAIN,
    Access,
    Batch,
    Convert,
    CopiedColumn,
    CopiedIndex,
    CopyTarget,
    Form,
    Skeleton,
    TablePlan,
)
from deebase._backends.database_defaults import ON_SQLITE, common_default
from deebase._backends.sqlite.copying.column_profiles import ColumnProfile, declared_forms
from deebase._backends.sqlite.copying.copy_values import reader
from deebase._backends.sqlite.search.search_ddl import IS_PART
from deebase._model.checks import conditions
from deebase._model.facts import ColumnInfo, IndexInfo, TableInfo
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens
from deebase.errors import DatabaseError

#: Those of a search come with that.
_TRIGGERS = f"SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND NOT {IS_PART} ORDER BY tbl_name, name"
_VIEWS = "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY rowid"
_VIRTUAL = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow') ORDER BY name"
#: In the error of text that is not UTF-8.
_UNDECODABLE = "is not valid UTF-8"


class SqliteSource:
    """``CopySource`` for SQLite."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def plan(self, facts: TableInfo, target: CopyTarget, *, as_text: bool) -> TablePlan:
        """Return how a table is copied, after one pass over its values."""
        plan = TablePlan(facts, tuple([_undecided(column) for column in facts.columns]))
        try:
            profiles = await self._profiles(plan, target)
        except DatabaseError as error:
            if _UNDECODABLE not in error.message:
                raise
            plan = replace(plan, undecodable=True)
            profiles = await self._profiles(plan, target)
        columns: list[CopiedColumn] = []
        notes: list[str] = []
        misfits = 0
        keyed = _keyed(facts)
        for info, column, profile in zip(facts.columns, plan.columns, profiles, strict=True):
            form, unfit = profile.form(as_text=as_text, is_key=info.name in keyed)
            misfits += unfit
            if info.not_null and profile.nulls:
                if as_text:
                    column = replace(column, not_null=False)
                    notes.append(f"{info.name} holds NULL, and is not NOT NULL")
                else:
                    misfits += profile.nulls
            style = profile.style(form)
            expected = declared_forms(info.type)[:1]
            is_kept = not style and _is_said_by(form, info.type) and ((form,) == expected or form.kind not in _STORED)
            if (form,) != expected and profile.count:
                notes.append(f"{info.name} is declared {info.type or 'without a type'}, and its values make it {form}")
            columns.append(replace(column, form=form, declared="" if is_kept else info.type or "BLOB", style=style))
        key, indexes = facts.pks, [made for index in facts.indexes if (made := _index(index)) is not None]
        if any(profile.nulls for profile, name in zip(profiles, plan.names, strict=True) if name in key):
            notes.append(f"the primary key ({', '.join(key)}) holds NULL, and becomes a unique constraint")
            key, indexes = (), [CopiedIndex("", True, "", key), *indexes]
        return replace(
            plan,
            columns=tuple(columns),
            key=key,
            checks=tuple([condition.sql for condition in conditions(facts, ())]),
            indexes=tuple(indexes),
            notes=tuple(notes),
            misfits=misfits,
            as_text=as_text,
            last_key=await self._last_key(facts),
        )

    async def _profiles(self, plan: TablePlan, target: CopyTarget) -> list[ColumnProfile]:
        """Return what the values of each column are: one pass, and another one for columns of other values."""
        found = {column.name: ColumnProfile(column.type, target) for column in plan.facts.columns}
        await self._profile(plan, found)
        unsettled = {name: profile.thorough() for name, profile in found.items() if not profile.is_settled}
        if unsettled:
            await self._profile(plan, unsettled)
        return list((found | unsettled).values())

    async def _profile(self, plan: TablePlan, profiles: Mapping[str, ColumnProfile]) -> None:
        async with self._access.savepoint(), aclosing(self.rows(plan, list(profiles))) as batches:
            async for batch in batches:
                for profile, values in zip(profiles.values(), batch, strict=True):
                    await profile.add(values)
        for profile in profiles.values():
            await profile.settle()

    async def _last_key(self, facts: TableInfo) -> int | None:
        """Return the last key of a table with AUTOINCREMENT."""
        if "AUTOINCREMENT" not in (facts.sql or "").upper():
            return None
        rows = await self._access.read("SELECT seq FROM sqlite_sequence WHERE name = ?", [facts.name])
        return rows[0][0] if rows else None

    async def schemas(self) -> list[str | None]:
        """Return None: a file has no schemas."""
        return [None]

    def prepare(self) -> list[str]:
        """Return nothing: a file has no settings that change what is read."""
        return []

    async def skeleton(self, tables: Collection[str]) -> Skeleton:
        """Return the views, and the names of triggers."""
        views = [(str(name), _definition(str(sql))) for name, sql in await self._access.read(_VIEWS, [])]
        triggers = [f"trigger {name} of {table}" for name, table in await self._access.read(_TRIGGERS, [])]
        virtual = [str(name) for (name,) in await self._access.read(_VIRTUAL, [])]
        copied = [f"virtual table {name}: copied as a plain table" for name in virtual if name in tables]
        return Skeleton(tuple(views), (*triggers, *copied))

    async def rows(self, plan: TablePlan, names: Sequence[str]) -> AsyncGenerator[Batch, None]:
        """Yield the stored values of columns; text that is not UTF-8 as bytes."""
        quoted = [identifier(name) for name in names]
        if plan.undecodable:
            parts = [f"CASE typeof({one}) WHEN 'text' THEN CAST({one} AS BLOB) ELSE {one} END" for one in quoted]
            quoted = [sql for part, one in zip(parts, quoted, strict=True) for sql in (part, f"typeof({one})")]
        sql = f"SELECT {', '.join(quoted)} FROM {identifier(plan.name)}"
        async with aclosing(self._access.stream(sql)) as pieces:
            async for rows in pieces:
                if rows:
                    columns = list(zip(*rows, strict=True))
                    yield _decoded(columns) if plan.undecodable else columns

    async def violations(self, facts: TableInfo, key: ForeignKeyModel) -> int:
        """Return 0: other databases have keys that are not validated."""
        return 0

    def converters(self, plan: TablePlan, names: Sequence[str]) -> list[Convert | None]:
        """Return what converts stored values to the forms of their columns."""
        found = {column.name: column for column in plan.columns}
        return [_converter(found[name], plan) for name in names]

    async def total(self, plan: TablePlan) -> int:
        """Return the number of rows."""
        rows = await self._access.read(f"SELECT count(*) FROM {identifier(plan.name)}", [])
        return int(rows[0][0])


def _converter(column: CopiedColumn, plan: TablePlan) -> Convert:
    """Return what converts a value; a value that is in its form already stays the same."""
    convert, plain = reader(column.form, loosely=plan.as_text), PLAIN.get(column.form.kind)
    return convert if plain is None else lambda value: value if type(value) is plain else convert(value)


def _decoded(columns: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
    """Return pairs of columns, values and their storage classes, as columns; text that is not UTF-8 stays bytes."""
    return [
        [_text(value) if kind == "text" else value for value, kind in zip(values, kinds, strict=True)]
        for values, kinds in zip(columns[::2], columns[1::2], strict=True)
    ]


def _text(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _keyed(facts: TableInfo) -> set[str | None]:
    """Return the columns whose equal values must stay equal, and different ones different."""
    keys = [facts.pks, *[index.columns for index in facts.indexes if index.unique]]
    return {name for columns in [*keys, *[key.columns for key in facts.foreign_keys]] for name in columns}


def _undecided(info: ColumnInfo) -> CopiedColumn:
    return CopiedColumn(
        name=info.name,
        form=Form("text"),
        not_null=info.not_null,
        default=None if info.default is None else common_default(info.default, ON_SQLITE) or info.default,
        is_generated=info.generated,
        is_computed=info.computed is not None,
    )


#: Kinds of values that SQLite stores as they are: the declared type of their column may be any.
_STORED = frozenset({"decimal", "integer", "real", "text", "bytes"})


def _is_said_by(form: Form, declared: str) -> bool:
    """Whether the form implies a declared type with the same affinity."""
    if form.kind == "decimal":
        return declared.startswith("DECIMAL TEXT")
    return form.kind not in _STORED or bool(declared)


def _index(index: IndexInfo) -> CopiedIndex | None:
    plain = tuple([name for name in index.columns if name is not None])
    if index.sql is None:
        return CopiedIndex("", index.unique, "", plain) if index.unique and not index.partial else None
    code = code_tokens(index.sql, SQLITE)
    opening = next((token for token in code if token.text == "("), None)
    assert opening is not None
    is_plain = (
        len(plain) == len(index.columns)
        and not index.partial
        and not re.search(r"\b(?:COLLATE|DESC)\b", index.sql[opening.start :], re.IGNORECASE)
    )
    return CopiedIndex(index.name, index.unique, index.sql[opening.start :], plain if is_plain else ())


def _definition(sql: str) -> str:
    """Return a CREATE VIEW from the name on, without it."""
    code = code_tokens(sql, SQLITE)
    place = next(n for n, token in enumerate(code) if token.word == "VIEW") + 1
    if code[place].word == "IF":
        place += 3
    if code[place + 1].text == ".":
        place += 2
    return sql[code[place].end :].strip().rstrip(";")
