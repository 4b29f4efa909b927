"""Connects classes with existing tables: the handle then has all that ``create`` gives it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.catalog import Catalog
from deebase._model.design import TableSpec, sa_tables
from deebase._model.differences import differences, other_security
from deebase._model.facts import TableInfo
from deebase._model.layer import CatalogEntry
from deebase._sqltext.tokens import folded
from deebase.errors import SchemaError, ValidationError

Check = Literal["error", "warn"]


def entry_of(made: TableSpec, facts: TableInfo) -> CatalogEntry:
    """Return the entry of an existing table with what its class says of its rows."""
    columns = {column.name for column in facts.columns}
    specs = [spec for spec in made.columns if spec.name in columns]
    return CatalogEntry(
        facts,
        made.cls,
        {spec.name: spec.sa_type for spec in specs},
        {spec.name: spec.default_factory for spec in specs if spec.default_factory is not None},
        frozenset([spec.name for spec in specs if spec.updated_at is not None]),
        made.cls if hasattr(made.cls, "__dataclass_fields__") else dict,
    )


def bind(catalog: Catalog, designs: Sequence[TableSpec], check: Check) -> None:
    """Record the classes of registered tables.

    Args:
        catalog: the registered tables.
        designs: the specifications of the classes.
        check: what to do if a table differs from its class: raise an error, or warn.

    Raises:
        TableNotFoundError: a table is not registered.
        SchemaError: a table differs from its class; the message lists all differences.
    """
    if check not in ("error", "warn"):
        raise ValidationError('check is "error" or "warn"', field="check", value=check, hint='bind(User, check="warn")')
    found: list[tuple[TableSpec, TableInfo]] = []
    different: list[str] = []
    for made in designs:
        facts = catalog.facts(made.name)
        if facts is None or facts.kind != "table":
            raise catalog.unknown(made.name)
        found.append((made, facts))
        different += [f"{made.name}: {text}" for text in _differences(made, facts, catalog.dialect)]
    if different:
        names = ", ".join(dict.fromkeys(made.name for made in designs))
        message = f"{names} and the classes differ: {'; '.join(different)}"
        if check == "error":
            raise SchemaError(
                message,
                table_name=designs[0].name,
                hint='change the class, migrate the table, or bind(..., check="warn")',
            )
        warnings.warn(message, stacklevel=4)
    for made, facts in found:
        catalog.add(entry_of(made, facts))


def _differences(made: TableSpec, facts: TableInfo, dialect: Dialect) -> Iterator[str]:
    """Yield what a table lacks of its class, or has in another form."""
    alone = sa_tables([replace(made, references=())], sa.MetaData(), dialect)[made.name]
    yield from differences(alone, facts, dialect)
    yield from other_security(made.secure, facts)
    there = {index.name: index.unique for index in facts.indexes}
    unique = {frozenset(index.columns) for index in facts.indexes if index.is_unique_key}
    for index in made.indexes:
        if index.unique and not there.get(index.name) and frozenset(index.indexed) not in unique:
            yield f"({', '.join(map(str, index.columns))}) is not unique"
    keys = {(key.columns, folded(key.table)) for key in facts.foreign_keys}
    for reference in made.references:
        if (reference.columns, folded(reference.table)) not in keys:
            yield f"{reference.written} does not refer to {reference.table}"
