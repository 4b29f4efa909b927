"""Converts a class to a SQLAlchemy table and to the model for reading and writing its rows."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.checks import by_value
from deebase._model.columns import ColumnSpec, computed, describe, must_be_columns, sql_default
from deebase._model.generated_names import foreign_key_index_name, index_name, serves
from deebase._model.marks import ClassOptions, mark_of, options_of
from deebase._model.table_options import SECURE, SECURED, given_search, given_secure, secure_check
from deebase._sql.json_paths.json_parts import indexed_part
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.quoted_columns import Column
from deebase._types.choices import checked_texts
from deebase._types.decimals import ExactNumber
from deebase._types.registry import column_type
from deebase._types.text import length_check, text_fault
from deebase.errors import ColumnNotFoundError, SchemaError, ValidationError
from deebase.fields import Check, Indexed, PrimaryKey, Unique
from deebase.types import ForeignKeyMark, Index, JsonPath, Search, must_be_flags, table_name

#: The key of the full-text search in ``info`` of a table that is drawn from a specification.
SEARCH = "deebase_search"


@dataclass(frozen=True)
class Reference:
    """A foreign key: the table that it refers to, and the columns of that; None for its key."""

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...] | None
    on_delete: str | None
    on_update: str | None

    @property
    def written(self) -> str:
        """Its columns for messages."""
        return self.columns[0] if len(self.columns) == 1 else f"({', '.join(self.columns)})"


@dataclass(frozen=True)
class TableSpec:
    """The table of a class, for any database."""

    cls: type
    name: str
    columns: tuple[ColumnSpec, ...]
    pks: tuple[str, ...]
    references: tuple[Reference, ...]
    indexes: tuple[Index, ...]
    checks: tuple[str, ...] = ()
    #: Indexes of foreign keys that no other index covers.
    key_indexes: tuple[Index, ...] = ()
    #: Whether the database generates the values of a single integer key.
    generate_key: bool = True
    #: Its full-text search.
    search: Search | None = None
    #: The columns that secure its rows.
    secure: tuple[str, ...] = ()

    @property
    def all_indexes(self) -> tuple[Index, ...]:
        """All indexes of the table."""
        return (*self.indexes, *self.key_indexes)

    @property
    def generated(self) -> str | None:
        """The key column whose values the database generates: a single integer key."""
        is_single = len(self.pks) == 1 and self.generate_key
        keys = [column for column in self.columns if is_single and column.name == self.pks[0]]
        return next((key.name for key in keys if key.python_type is int and key.foreign_key is None), None)


def design(
    cls: type,
    *,
    name: str | None,
    pk: str | Sequence[str] | None,
    indexes: Iterable[str | tuple[str, ...] | Index] = (),
    foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
    defaults: Mapping[str, Any] | None = None,
    checks: Iterable[str] = (),
    index_foreign_keys: bool = True,
    generate_key: bool = True,
    search: Search | Sequence[str] | str | None = None,
    secure: Sequence[str] | str | None = None,
    localns: Mapping[str, Any] | None = None,
    columns: Iterable[ColumnSpec] | None = None,
) -> TableSpec:
    """Return the table of a class; ``columns`` replaces the columns of the class.

    Raises:
        UnsupportedTypeError: an annotation has no column type.
        ValidationError: a default does not fit its column, a condition is not text, or the key is empty.
        SchemaError: pk, indexes, foreign_keys or defaults name a column the class lacks.
    """
    _must_be_class(cls)
    must_be_flags(index_foreign_keys=index_foreign_keys, generate_key=generate_key)
    own = options_of(cls)
    for argument, value in (("foreign_keys", own.foreign_keys), ("foreign_keys", foreign_keys), ("defaults", defaults)):
        _must_be_dict(cls, argument, value)
    foreign_keys = {**(own.foreign_keys or {}), **(foreign_keys or {})}
    if name is None:
        name = table_name(cls) if own.name is None else own.name
    table = name
    if not is_name(table):
        raise ValidationError(
            "a table name is text that a database can store, and not empty", field="name", hint="name='users'"
        )
    described = list(describe(cls, localns, defaults=defaults) if columns is None else columns)
    pks = _key(cls, table, own.pk if pk is None else pk, described)
    known = {column.name for column in described}
    for key in pks:
        _must_be_meant(table, key, known)
    specs = [ColumnSpec.key(key) for key in pks if key not in known] + described
    known.update(pks)
    referring = [name for key in foreign_keys for name in ((key,) if isinstance(key, str) else key)]
    must_be_columns(table, [*referring, *(defaults or {})], known)
    references = tuple(_references(table, specs, foreign_keys))
    given = _indexes(table, own, indexes, specs, known)
    conditions = [*_conditions(table, own.checks), *_conditions(table, checks)]
    marked = [mark.condition for column in specs for mark in column.marks if isinstance(mark, Check)]
    return TableSpec(
        cls=cls,
        name=table,
        columns=tuple(specs),
        pks=pks,
        references=references,
        indexes=given,
        key_indexes=tuple(_key_indexes(table, references, pks, given)) if index_foreign_keys else (),
        generate_key=generate_key,
        checks=tuple(dict.fromkeys([*conditions, *marked])),
        search=given_search(table, search, specs),
        secure=given_secure(table, own.secure if secure is None else secure, specs),
    )


def _key(cls: type, table: str, given: Any, columns: Iterable[ColumnSpec]) -> tuple[str, ...]:
    """Return the columns of the key: those that are given, or those that the fields mark, or the id."""
    marked = tuple([column.name for column in columns if any(isinstance(mark, PrimaryKey) for mark in column.marks)])
    if given is None:
        return marked or ("id",)
    pks: tuple[Any, ...] = (*given,) if isinstance(given, (list, tuple)) else (given,)  # pyright: ignore[reportUnknownVariableType]
    if not pks or not all(map(is_name, pks)):
        raise ValidationError(f"{table}: pk is the name of a column, or a list of names", field="pk", hint="pk='id'")
    if marked and set(marked) != set(pks):
        raise ValidationError(
            f"{table}: pk names {', '.join(pks)}, and the fields of {cls.__name__} mark {', '.join(marked)} as the key",
            field="pk",
            hint="say it in one place",
        )
    return pks


def _indexes(
    table: str, own: ClassOptions, given: Any, columns: Iterable[ColumnSpec], known: set[str]
) -> tuple[Index, ...]:
    """Return the indexes of a table: those of its class, those that are given, and those that the fields mark."""
    listed: list[Any] = []
    for items in (own.indexes or (), given):
        if not isinstance(items, Iterable):
            raise _no_index(table, items)
        listed.extend([items] if isinstance(items, str) else items)  # pyright: ignore[reportUnknownArgumentType]
    found = [_index(table, item, known) for item in listed]
    for column in columns:
        unique = mark_of(column.marks, Unique)
        if unique is None and mark_of(column.marks, Indexed) is None:
            continue
        made = _marked_index(table, column, unique)
        if not any(index.name == made.name or _does(index, made) for index in found):
            found.append(made)
    return tuple(dict.fromkeys(found))


def _marked_index(table: str, column: ColumnSpec, unique: Unique | None) -> Index:
    ignore_case = unique is not None and unique.ignore_case
    if ignore_case and column_type(column.sa_type).python is not str:
        raise ValidationError(
            f"{table}.{column.name} is not text, and only text has upper and lower case",
            field=column.name,
            hint="write Unique",
        )
    name = index_name(table, (column.name,))
    return Index(name, column.name, unique=unique is not None, ignore_case=ignore_case)


def _does(index: Index, wanted: Index) -> bool:
    """Whether an index makes one that a field marks unnecessary."""
    same = index.columns == wanted.columns and index.ignore_case == wanted.ignore_case and index.where is None
    return same and index.unique >= wanted.unique


def _conditions(table: str, given: Any) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, Iterable):
        raise _no_condition(table, given)
    items: Iterable[Any] = (given,) if isinstance(given, str) else given  # pyright: ignore[reportUnknownVariableType]
    return [_condition(table, item) for item in items]


def _key_indexes(
    table: str, references: Iterable[Reference], pks: Sequence[str], indexes: Iterable[Index]
) -> Iterable[Index]:
    """Yield the indexes of foreign keys that neither the key nor another index covers.

    Without such an index, each DELETE of a row reads all rows that may refer to it.
    """
    indexed: list[Sequence[str | None]] = [
        pks,
        *[index.indexed for index in indexes if index.where is None],
    ]
    for reference in references:
        if not serves(reference.columns, indexed):
            indexed.append(reference.columns)
            yield Index(foreign_key_index_name(table, reference.columns), *reference.columns)


def _must_be_class(given: Any) -> None:
    if isinstance(given, type):
        return
    kind = type(given).__name__
    hint = f"pass the class itself: db.create({kind})"
    if isinstance(given, (str, dict)):
        hint = "class User: with the columns as annotations, then db.create(User, name='users')"
    raise ValidationError(f"a table is created from a class, not from {kind}", field="cls", hint=hint)


def _must_be_dict(cls: type, argument: str, given: Any) -> None:
    if given is not None and not isinstance(given, Mapping):
        example = {"defaults": "{'status': 'new'}", "foreign_keys": "{'author_id': ForeignKey('user.id')}"}[argument]
        raise ValidationError(
            f"{cls.__name__}: {argument} is a dict by column, not {type(given).__name__}",
            field=argument,
            hint=f"{argument}={example}",
        )


def _must_be_meant(table: str, key: str, known: Collection[str]) -> None:
    """Refuse a key whose name is similar to a field: it would be added to the table as another column."""
    near = [] if key in known or key == "id" else difflib.get_close_matches(key, known, n=1, cutoff=0.8)
    if near:
        raise ColumnNotFoundError(
            f"{table} has no column {key!r} for its key",
            table_name=table,
            column_name=key,
            hint=f"did you mean {near[0]!r}? Give the class a field {key}: int if not",
        )


def _condition(table: str, item: Any) -> str:
    if not isinstance(item, str) or not item.strip() or text_fault(item) is not None:
        raise _no_condition(table, item)
    return item


def _no_condition(table: str, item: Any) -> ValidationError:
    return ValidationError(
        f"{table}: a check is a condition in SQL", field="checks", value=item, hint="checks=['age >= 0']"
    )


def is_name(name: Any) -> bool:
    """Whether something is text that a database can store as a name."""
    return isinstance(name, str) and bool(name) and text_fault(name) is None


def _references(
    table: str, columns: list[ColumnSpec], given: Mapping[str | tuple[str, ...], ForeignKeyMark]
) -> Iterable[Reference]:
    for column in columns:
        mark = given.get(column.name, column.foreign_key)
        if mark is not None:
            yield _reference(table, (column.name,), mark)
    for key, mark in given.items():
        if not isinstance(key, str):
            yield _reference(table, tuple(key), mark)


def _reference(table: str, columns: tuple[str, ...], mark: Any) -> Reference:
    if not isinstance(mark, ForeignKeyMark):
        raise ValidationError(
            f"{table}: a foreign key is ForeignKey('user.id'), not {type(mark).__name__}",
            field=columns[0],
            hint=f"foreign_keys={{{columns[0]!r}: ForeignKey('user.id', on_delete='cascade')}}",
        )
    target, _, target_column = mark.target.partition(".")
    targets = mark.columns if mark.columns is not None else (target_column,) if target_column else None
    if targets is not None and len(targets) != len(columns):
        raise SchemaError(
            f"{table}: a foreign key of {len(columns)} columns refers to {len(targets)} of {target}",
            table_name=table,
            column_name=columns[0],
            hint=f"ForeignKey({target!r}, columns=...) needs the same number of columns",
        )
    return Reference(columns, target, targets, mark.on_delete, mark.on_update)


def _index(table: str, item: Any, known: set[str]) -> Index:
    if isinstance(item, Index):
        made = item
    elif not isinstance(item, (str, tuple, list)):
        raise _no_index(table, item)
    else:
        names: tuple[Any, ...] = (item,) if isinstance(item, str) else (*item,)  # pyright: ignore[reportUnknownVariableType]
        parts = [name.column if isinstance(name, JsonPath) else name for name in names]
        made = Index(index_name(table, parts), *names)
    must_be_columns(table, made.names, known)
    return made


def _no_index(table: str, item: Any) -> ValidationError:
    return ValidationError(
        f"{table}: an index is a column, a tuple of columns or Index(...), not {type(item).__name__}",
        field="indexes",
        hint="indexes=['title', ('author_id', 'created_at'), Index('ux_slug', 'slug', unique=True)]",
    )


def sa_tables(designs: Sequence[TableSpec], metadata: sa.MetaData, dialect: Dialect) -> dict[str, sa.Table]:
    """Add the tables of specifications to the metadata, which holds the other tables that they refer to.

    Foreign keys are added when all tables exist, so they may form cycles.

    Raises:
        SchemaError: a foreign key to a table or column that does not exist.
    """
    tables = {made.name: _bare_table(made, metadata, dialect) for made in designs}
    for made in designs:
        for reference in made.references:
            tables[made.name].append_constraint(_foreign_key(made, reference, metadata))
    return tables


def _bare_table(made: TableSpec, metadata: sa.MetaData, dialect: Dialect) -> sa.Table:
    columns: list[sa.Column[Any]] = []
    for spec in made.columns:
        options: dict[str, Any] = {"nullable": spec.nullable and spec.name not in made.pks}
        default = sql_default(spec, dialect)
        if default is not None:
            options["server_default"] = default
        parts: list[Any] = []
        parts += computed(spec, dialect)
        if spec.name == made.generated:
            options["autoincrement"] = True
            if capabilities_of(dialect).has_sequences:
                parts.append(sa.Identity())
        elif spec.name in made.pks:
            options["autoincrement"] = False
        columns.append(Column(spec.name, spec.sa_type, *parts, **options))
    table = sa.Table(made.name, metadata, *columns, info={SEARCH: made.search, SECURED: made.secure})
    table.append_constraint(sa.PrimaryKeyConstraint(*[table.c[name] for name in made.pks]))
    for check in _checks(made, table, dialect):
        table.append_constraint(check)
    for index in made.all_indexes:
        options = {}
        if index.where is not None:
            # Not sa.text, which interprets a colon before a word as a parameter, also in strings.
            condition: Any = cast("Any", sa.literal_column(index.where))
            options = {"sqlite_where": condition, "postgresql_where": condition}
        sa.Index(index.name, *index_parts(index, table, dialect), unique=index.unique, **options)
    return table


def index_parts(index: Index, table: sa.Table, dialect: Dialect) -> list[Any]:
    """Return the columns and expressions of an index.

    Raises:
        ValidationError: a path into a column that does not hold JSON, or one over which there is no index.
    """
    parts = [
        indexed_part(table.c[part.column], part, table.name, dialect) if isinstance(part, JsonPath) else table.c[part]
        for part in index.columns
    ]
    return [sa.func.lower(part) for part in parts] if index.ignore_case else parts


def _checks(made: TableSpec, table: sa.Table, dialect: Dialect) -> Iterable[sa.CheckConstraint]:
    for spec in made.columns:
        allowed = checked_texts(spec.sa_type, dialect)
        if allowed:
            stored = sa.type_coerce(table.c[spec.name], sa.String())
            yield sa.CheckConstraint(stored.in_(list(allowed)))
    quote = dialect.identifier_preparer.quote
    lengths = [length_check(spec.sa_type, quote(spec.name), dialect) for spec in made.columns]
    for text in dict.fromkeys([*filter(None, lengths), *conditions_of(made, dialect)]):
        # Not sa.text, as for the condition of an index.
        yield sa.CheckConstraint(cast("Any", sa.literal_column(text)))
    if made.secure and not capabilities_of(dialect).secures_rows:
        yield sa.CheckConstraint(cast("Any", sa.literal_column(secure_check(made.secure, quote))), name=SECURE)


def conditions_of(made: TableSpec, dialect: Dialect) -> list[str]:
    """Return the conditions of a specification in the form for this database."""
    if capabilities_of(dialect).has_exact_decimals:
        return list(made.checks)
    decimals = [spec.name for spec in made.columns if isinstance(spec.sa_type, ExactNumber)]
    return [by_value(condition, decimals) for condition in made.checks]


def _foreign_key(made: TableSpec, reference: Reference, metadata: sa.MetaData) -> sa.ForeignKeyConstraint:
    target = metadata.tables.get(reference.table)
    if target is None:
        raise SchemaError(
            f"{made.name}.{reference.written} refers to table {reference.table!r}, which does not exist",
            table_name=made.name,
            column_name=reference.columns[0],
            hint=f"create {reference.table!r} first, or both together with db.create_all(...)",
        )
    names = reference.targets or tuple([column.name for column in target.primary_key.columns])
    count = len(reference.columns)
    if len(names) != count:
        hint = f"name the column: ForeignKey[int, '{reference.table}.column']"
        raise SchemaError(
            f"{made.name}.{reference.written}: {reference.table} has no key of "
            f"{'one column' if count == 1 else f'{count} columns'} to refer to",
            table_name=made.name,
            column_name=reference.columns[0],
            hint=hint if count == 1 else f"name them: ForeignKey({reference.table!r}, columns=...)",
        )
    for name in names:
        if name not in target.c:
            raise SchemaError(
                f"{made.name}.{reference.written} refers to {reference.table}.{name}, which does not exist",
                table_name=made.name,
                column_name=reference.columns[0],
                hint=f"columns of {reference.table}: {', '.join(column.name for column in target.c)}",
            )
    return sa.ForeignKeyConstraint(
        list(reference.columns),
        [target.c[name] for name in names],
        ondelete=reference.on_delete.upper() if reference.on_delete else None,
        onupdate=reference.on_update.upper() if reference.on_update else None,
    )
