"""The parts of DDL that both databases share: declarations of columns, renames, indexes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateColumn
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.elements import UnaryExpression

from deebase._backends.protocols import NewColumn
from deebase._model.columns import computed, sql_default
from deebase._model.create_statements import strict_type
from deebase._model.facts import TableInfo
from deebase._model.generated_names import foreign_key_index_name, index_name, shortened
from deebase._sql.json_paths.json_parts import JsonPart
from deebase._sqltext.tokens import folded
from deebase._types.text import length_check
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import ForeignKeyMark, JsonPath

#: A column by its name, a path into JSON, or an expression of columns.
IndexPart = str | JsonPath | ColumnElement[Any]


def column_declaration(table: str, column: NewColumn, dialect: Dialect, *, strict: bool) -> str:
    """Return the declaration of a new column of a table; ``strict`` says whether the table is STRICT."""
    spec, mark, key = column
    options: dict[str, Any] = {"nullable": spec.nullable}
    made = sql_default(spec, dialect)
    if made is not None:
        options["server_default"] = made
    kind = strict_type(spec.sa_type.compile(dialect=dialect)) if strict else spec.sa_type
    scratch = sa.Table(table, sa.MetaData(), sa.Column(spec.name, kind, *computed(spec, dialect), **options))
    text = str(CreateColumn(scratch.c[spec.name]).compile(dialect=dialect))
    check = type_check(sa.Column(spec.name, spec.sa_type), dialect)
    if check is not None:
        text += f" {check}"
    return text if mark is None else text + _reference(mark, key, dialect)


def choice_check(column: sa.Column[Any], dialect: Dialect) -> str | None:
    """Return the CHECK that restricts the column of an Enum or Literal to its texts; None for other types."""
    allowed: Sequence[str] = getattr(column.type, "allowed", ())
    if not allowed:
        return None
    check = sa.type_coerce(column, sa.String()).in_(list(allowed))
    written = check.compile(dialect=dialect, compile_kwargs={"literal_binds": True, "include_table": False})
    return f"CHECK ({written})"


def type_check(column: sa.Column[Any], dialect: Dialect) -> str | None:
    """Return the CHECK that belongs to the type of a column; None if there is none."""
    length = length_check(column.type, dialect.identifier_preparer.quote(column.name), dialect)
    return choice_check(column, dialect) if length is None else f"CHECK ({length})"


def qualified(facts: TableInfo, dialect: Dialect) -> str:
    """Return the quoted name of a table, with its schema."""
    quote = dialect.identifier_preparer.quote
    return quote(facts.name) if facts.schema is None else f"{quote(facts.schema)}.{quote(facts.name)}"


def rename_columns(facts: TableInfo, rename: Mapping[str, str], dialect: Dialect) -> list[str]:
    """Return ALTERs that rename columns; a column whose new name is in use is first renamed to a third name."""
    quote = dialect.identifier_preparer.quote
    table = qualified(facts, dialect)
    taken = {folded(column.name) for column in facts.columns}
    steps: list[tuple[str, str]] = []
    for place, (old, new) in enumerate(rename.items()):
        if folded(new) in taken:
            between = f"deebase_renamed_{place}"
            steps.insert(place, (old, between))
            steps.append((between, new))
        else:
            steps.insert(place, (old, new))
    return [f"ALTER TABLE {table} RENAME COLUMN {quote(old)} TO {quote(new)}" for old, new in steps]


def index_renames(facts: TableInfo, table: str, taken: Collection[str]) -> dict[str, str]:
    """Return the new names of indexes whose names were generated from the name of their table.

    The old names would conflict with those of a new table of the old name.

    Args:
        facts: the table before the change.
        table: its new name.
        taken: existing names.
    """
    result: dict[str, str] = {}
    start = f"ix_{facts.name}_"
    for index in facts.indexes:
        names = [name for name in index.columns if name is not None]
        made = [make for make in (index_name, foreign_key_index_name) if make(facts.name, names) == index.name]
        if made:
            # Also if the name was too long and was shortened.
            new = made[0](table, names)
        elif index.name.startswith(start):
            new = shortened(f"ix_{table}_{index.name.removeprefix(start)}")
        else:
            continue
        if new not in (*taken, *result.values()):
            result[index.name] = new
    return result


def refuse_uses(facts: TableInfo, uses: Mapping[str, Sequence[str]], operation: str) -> None:
    """Refuse to drop a column that something else uses.

    Args:
        facts: the table.
        uses: the objects that use each column.
        operation: the public method.

    Raises:
        InvalidOperationError: something uses a column.
    """
    for name, found in uses.items():
        if found:
            raise InvalidOperationError(
                f"{facts.qualified_name}.{name} is used by {', '.join(found)}",
                operation=operation,
                target=facts.qualified_name,
                hint="drop those first, and create them again without the column",
            )


def _reference(mark: ForeignKeyMark, key: str | None, dialect: Dialect) -> str:
    table, _, column = mark.target.partition(".")
    column = column or (key or "")
    if not column:
        raise ValidationError(
            f"{table} has no key of one column to refer to", field="fk", hint=f"ForeignKey('{table}.column')"
        )
    quote = dialect.identifier_preparer.quote
    actions = [(" ON DELETE", mark.on_delete), (" ON UPDATE", mark.on_update)]
    written = "".join([f"{what} {action.upper()}" for what, action in actions if action])
    return f" REFERENCES {quote(table)} ({quote(column)}){written}"


def create_index(
    table: sa.Table,
    name: str,
    parts: Sequence[str | ColumnElement[Any]],
    dialect: Dialect,
    *,
    unique: bool = False,
    where: str | None = None,
    if_not_exists: bool = False,
) -> str:
    """Return CREATE INDEX.

    Args:
        table: the table.
        name: the name of the index.
        parts: columns by name, or expressions of columns.
        dialect: the database.
        unique: see ``SchemaEditor.create_index``.
        where: see ``SchemaEditor.create_index``.
        if_not_exists: see ``SchemaEditor.create_index``.
    """
    preparer = dialect.identifier_preparer
    kind = (
        f"CREATE {'UNIQUE ' if unique else ''}INDEX {'IF NOT EXISTS ' if if_not_exists else ''}{preparer.quote(name)}"
    )
    listed = ", ".join([_index_part(part, dialect) for part in parts])
    return f"{kind} ON {preparer.format_table(table)} ({listed}){'' if where is None else f' WHERE {where}'}"


def _index_part(part: str | ColumnElement[Any], dialect: Dialect) -> str:
    if isinstance(part, (str, sa.Column)):
        return dialect.identifier_preparer.quote(part if isinstance(part, str) else part.name)
    if isinstance(part, UnaryExpression) and part.modifier in _DIRECTIONS:
        return f"{_index_part(part.element, dialect)} {_DIRECTIONS[part.modifier]}"
    options = {"literal_binds": True, "include_table": False}
    text = str(part.compile(dialect=dialect, compile_kwargs=options))
    # As CREATE INDEX of a new table has it: it is in parentheses already.
    return text if isinstance(part, JsonPart) else f"({text})"


_DIRECTIONS: dict[Any, str] = {operators.desc_op: "DESC", operators.asc_op: "ASC"}
