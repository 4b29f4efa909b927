"""Converts a class to a SQLAlchemy table and to the model for reading and writing its rows."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.checks import by_value
from deebase._model.columns import ColumnSpec, describe, refuse_options, snake_case, sql_default
from deebase._model.generated_names import foreign_key_index_name, index_name, serves
from deebase._rows.model import ColumnModel, ForeignKeyModel, TableModel, UniqueModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import folded
from deebase._types.base import locate, refused
from deebase._types.choices import checked_texts
from deebase._types.decimals import ExactNumber
from deebase._types.moments import Moment
from deebase._types.native import storable
from deebase._types.number import Float
from deebase._types.registry import checker, column_type, located
from deebase._types.text import text_fault
from deebase.errors import ColumnNotFoundError, DataError, SchemaError, ValidationError
from deebase.types import ForeignKeyMark, Index


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
    pk: str | Sequence[str],
    indexes: Iterable[str | tuple[str, ...] | Index] = (),
    foreign_keys: Mapping[str | tuple[str, ...], ForeignKeyMark] | None = None,
    defaults: Mapping[str, Any] | None = None,
    checks: Iterable[str] = (),
    index_foreign_keys: bool = True,
    generate_key: bool = True,
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
    _must_be_dict(cls, "foreign_keys", foreign_keys)
    _must_be_dict(cls, "defaults", defaults)
    table = name if name is not None else snake_case(cls.__name__)
    if not _is_name(table):
        raise ValidationError(
            "a table name is text that a database can store, and not empty", field="name", hint="name='users'"
        )
    pks: tuple[Any, ...] = tuple(pk) if isinstance(pk, (list, tuple)) else (pk,)
    if not pks or not all(map(_is_name, pks)):
        raise ValidationError(f"{table}: pk is the name of a column, or a list of names", field="pk", hint="pk='id'")
    refuse_options(cls, table)
    described = list(describe(cls, localns, defaults=defaults) if columns is None else columns)
    known = {column.name for column in described}
    for key in pks:
        _must_be_meant(table, key, known)
    specs = [ColumnSpec.key(key) for key in pks if key not in known] + described
    known.update(pks)
    referring = [name for key in foreign_keys or {} for name in ((key,) if isinstance(key, str) else key)]
    _must_be_columns(table, [*referring, *(defaults or {})], known)
    references = tuple(_references(table, specs, foreign_keys or {}))
    given = tuple(_index(table, item, known) for item in ((indexes,) if isinstance(indexes, str) else indexes))
    return TableSpec(
        cls=cls,
        name=table,
        columns=tuple(specs),
        pks=pks,
        references=references,
        indexes=given,
        key_indexes=tuple(_key_indexes(table, references, pks, given)) if index_foreign_keys else (),
        generate_key=generate_key,
        checks=tuple(_condition(table, item) for item in ((checks,) if isinstance(checks, str) else checks)),
    )


def _key_indexes(
    table: str, references: Iterable[Reference], pks: Sequence[str], indexes: Iterable[Index]
) -> Iterable[Index]:
    """Yield the indexes of foreign keys that neither the key nor another index covers.

    Without such an index, each DELETE of a row reads all rows that may refer to it.
    """
    indexed: list[Sequence[str]] = [pks, *[index.columns for index in indexes if index.where is None]]
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
        raise ValidationError(
            f"{table}: a check is a condition in SQL", field="checks", value=item, hint="checks=['age >= 0']"
        )
    return item


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and bool(name) and text_fault(name) is None


def check_names(designs: Iterable[TableSpec], dialect: Dialect) -> None:
    """Refuse names that a database does not accept or would truncate, and too many columns.

    Raises:
        ValidationError: a name is empty, holds NUL or a lone surrogate, is too long or reserved; ``.value`` is it.
    """
    for made in designs:
        _check_columns(made, dialect)
        columns = [("the name of a column", column.name) for column in made.columns]
        indexes = [("the name of an index", index.name) for index in made.indexes]
        for what, name in [("the name of the table", made.name), *columns, *indexes]:
            check_name(what, name, dialect)


def _check_columns(made: TableSpec, dialect: Dialect) -> None:
    most = capabilities_of(dialect).max_columns
    if len(made.columns) > most:
        raise ValidationError(
            f"table {made.name} would have {len(made.columns):,} columns, and this database allows {most:,}",
            field="name",
            value=made.name,
            hint="split it into several tables, or store related values in one JSON column",
        )
    can = capabilities_of(dialect)
    known: dict[str, str] = {}
    for column in made.columns:
        name = column.name
        if name in can.system_columns:
            raise ValidationError(
                f"{made.name}: {can.title} has a system column {name} in every table",
                field=name,
                value=name,
                hint="rename the column",
            )
        key = folded(name) if can.ignores_case_of_names else name
        if known.setdefault(key, name) != name:
            raise ValidationError(
                f"{made.name}: {can.title} treats the columns {known[key]!r} and {name!r} as the same",
                field=name,
                value=name,
                hint="rename one of them",
            )


def check_name(what: str, name: Any, dialect: Dialect) -> None:
    """Refuse one name; ``what`` describes it.

    Raises:
        ValidationError: as for ``check_names``.
    """
    can = capabilities_of(dialect)
    if not _is_name(name):
        reason = "is empty" if name == "" else "holds a character that cannot be stored"
        raise ValidationError(f"{what} {reason}", field="name", value=name, hint="choose another one")
    if can.max_name_bytes is not None and len(name.encode()) > can.max_name_bytes:
        raise ValidationError(
            f"{what} has more than the {can.max_name_bytes} bytes that {can.title} keeps: {name}",
            field="name",
            value=name,
            hint="choose a shorter one; Index(name, ...) names an index",
        )


def _must_be_columns(table: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ColumnNotFoundError(
                f"{table} has no column {name!r}",
                table_name=table,
                column_name=name,
                hint=f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(sorted(known))}",
            )


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
        raise ValidationError(
            f"{table}: an index is a column, a tuple of columns or Index(...), not {type(item).__name__}",
            field="indexes",
            hint="indexes=['title', ('author_id', 'created_at'), Index('ux_slug', 'slug', unique=True)]",
        )
    else:
        names: tuple[Any, ...] = (item,) if isinstance(item, str) else (*item,)  # pyright: ignore[reportUnknownVariableType]
        made = Index(index_name(table, names), *names)
    _must_be_columns(table, made.columns, known)
    return made


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
        if spec.name == made.generated:
            options["autoincrement"] = True
            if capabilities_of(dialect).has_sequences:
                parts.append(sa.Identity())
        elif spec.name in made.pks:
            options["autoincrement"] = False
        columns.append(sa.Column(spec.name, spec.sa_type, *parts, **options))
    table = sa.Table(made.name, metadata, *columns)
    table.append_constraint(sa.PrimaryKeyConstraint(*[table.c[name] for name in made.pks]))
    for check in _checks(made, table, dialect):
        table.append_constraint(check)
    for index in made.all_indexes:
        options = {}
        if index.where is not None:
            # Not sa.text, which interprets a colon before a word as a parameter, also in strings.
            condition: Any = cast("Any", sa.literal_column(index.where))
            options = {"sqlite_where": condition, "postgresql_where": condition}
        sa.Index(index.name, *[table.c[name] for name in index.columns], unique=index.unique, **options)
    return table


def _checks(made: TableSpec, table: sa.Table, dialect: Dialect) -> Iterable[sa.CheckConstraint]:
    for spec in made.columns:
        allowed = checked_texts(spec.sa_type, dialect)
        if allowed:
            stored = sa.type_coerce(table.c[spec.name], sa.String())
            yield sa.CheckConstraint(stored.in_(list(allowed)))
    for text in conditions_of(made, dialect):
        # Not sa.text, as for the condition of an index.
        yield sa.CheckConstraint(cast("Any", sa.literal_column(text)))


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


def table_model(
    table: sa.Table,
    dialect: Dialect,
    *,
    generated: str | None,
    uniques: Mapping[str, UniqueModel] | None = None,
    foreign_keys: Iterable[ForeignKeyModel] = (),
    factories: Mapping[str, Callable[[], Any]] | None = None,
    lenient: bool = False,
) -> TableModel:
    """Return the model of a table for statements.

    Args:
        table: the table.
        dialect: the database.
        generated: the key column whose values the database generates.
        uniques: its unique constraints and indexes, by name.
        foreign_keys: its foreign keys.
        factories: functions that make the values of columns that a new row omits.
        lenient: return a stored value of another type than its column unchanged.
    """
    known = factories or {}
    columns = [column_model(column, dialect, known.get(column.name), lenient=lenient) for column in table.c]
    return TableModel(table, columns, generated=generated, uniques=uniques or {}, foreign_keys=foreign_keys)


def column_model(
    column: sa.Column[Any], dialect: Dialect, factory: Callable[[], Any] | None = None, *, lenient: bool = False
) -> ColumnModel:
    """Return the model of one column: how its values are checked, sent and read.

    Args:
        column: the column.
        dialect: the database.
        factory: makes missing values.
        lenient: return a stored value of another type unchanged.
    """
    implementation = column.type.dialect_impl(dialect)
    check = checker(column.name, column.type, table_name=column.table.name)
    send = implementation.bind_processor(dialect)
    read: Any = implementation.result_processor(dialect, None)
    locate(read, f"{column.table.name}.{column.name}")
    if lenient and read is not None:
        read = _lenient(read)

    def binding(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def bind(value: Any) -> Any:
            checked = check(value)
            try:
                return checked if checked is None or send is None else send(checked)
            except ValidationError as error:
                # Values that only one of the databases cannot store.
                raise located(error, column.name, column.table.name, value) from None

        return bind if send is not None else check

    operand = binding(check)
    limited = check if lenient else _limited(check, column)
    can = capabilities_of(dialect)
    normal = column.type.kind.normal if isinstance(column.type, Moment) and not can.has_moments else None
    return ColumnModel(
        column,
        bind=operand if limited is check else binding(limited),
        bind_operand=operand,
        accept_all=column_type(column.type).accept_all,
        send=send,
        # SELECT of SQLite always returns REAL as a float; RETURNING may return an int.
        read=None if isinstance(column.type, Float) else read,
        read_returned=read,
        takes_collections=column_type(column.type).takes_collections,
        default_factory=factory,
        order_column=_order_column(column),
        normal=normal,
        bind_place=operand if can.checks_types else _place(operand, normal),
    )


def _limited(check: Callable[[Any], Any], column: sa.Column[Any]) -> Callable[[Any], Any]:
    """Return the check of values that are written, which refuses those that the column cannot hold."""
    limit = column_type(column.type).limiter()
    if limit is None:
        return check

    def process(value: Any) -> Any:
        checked = check(value)
        reason = None if checked is None else limit(checked)
        if reason is None:
            return checked
        error = refused(value, reason, "change the value, or the type of the column")
        raise located(error, column.name, column.table.name, value)

    return process


def _place(bind: Callable[[Any], Any], normal: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return the converter for values of rows; one that does not fit its column has SQLite's stored form."""

    def process(value: Any) -> Any:
        try:
            return bind(value)
        except ValidationError:
            # A Decimal is stored as text, even NaN.
            stored = storable(str(value) if isinstance(value, Decimal) else value)
            return stored if normal is None else normal(stored)

    return process


def _lenient(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def process(value: Any) -> Any:
        try:
            return read(value)
        except DataError:
            return value

    return process


def _order_column(column: sa.Column[Any]) -> Any:
    ordered = getattr(column.type, "order_expression", None)
    return None if ordered is None else ordered(column)
