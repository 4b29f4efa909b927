"""The statements of Table and Query, as Core expressions compiled once per cache key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sql import own_form
from deebase._sql.compiled import CompiledStatement, Parameters, prepare
from deebase._sql.json_paths.merging import merged as merged_document
from deebase._sql.merged import WHOLE, Branch, branches, in_turn, merged, without_keys
from deebase._sql.operands import assigned
from deebase._sql.queries.joins import parents_in
from deebase._sql.queries.orders import order_by, plain_order
from deebase._sql.reread import Reread
from deebase._sql.seek import Seek
from deebase._sql.sql_rules import rules_of
from deebase._sql.where import Assigned, Where
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.forms.foreign_values import python_value
from deebase._types.forms.moment_sql import is_in_an_index
from deebase.errors import ValidationError
from deebase.types import Merge, SqlExpression


def _bound(parameters: Parameters, model: TableModel, name: str) -> Any:
    column = model.column(name)
    return parameters.add(name, column.sa_type, column.bind)


def _must_be_of_the_row(name: str, given: SqlExpression, where: Where) -> None:
    """Refuse a new value that takes columns of other rows without a SELECT.

    Raises:
        ValidationError: it has such a column.
    """
    related = parents_in(where.parts(given.element))
    if related:
        raise ValidationError(
            f"{where.model.name}.{name}: a new value has no columns of related rows, as of {related[0].path!r}",
            field=name,
            hint="a SELECT is a value: db.sql(sa.select(other.c.name).where(...).scalar_subquery())",
        )


def _must_stay_exact(model: TableModel, name: str, given: SqlExpression, dialect: Dialect) -> None:
    """Refuse an expression that a database without decimals would compute with binary fractions, which lose digits.

    Raises:
        ValidationError: an expression would lose digits.
    """
    keeps_digits = getattr(model.column(name).sa_type, "keeps_digits", None)
    if keeps_digits is None or capabilities_of(dialect).has_exact_decimals:
        return
    if not keeps_digits(given.element):
        raise ValidationError(
            f"{model.name}.{name} is a Decimal, which SQLite would compute from this expression with binary fractions",
            field=name,
            hint=f"+ - * / of the column are exact: db.sql(t.c.{name} - Decimal('0.01')), the Decimal on the left; "
            "or read the row with for_update=True in a transaction, and compute in Python",
        )


def insert(model: TableModel, dialect: Dialect, names: Collection[str]) -> CompiledStatement:
    """INSERT ... RETURNING every column."""
    parameters = Parameters()
    element = _insert(sa.insert, model, parameters, names)
    return _returning(element, model, dialect, parameters, names)


def insert_only(model: TableModel, dialect: Dialect, names: Collection[str]) -> CompiledStatement:
    """INSERT without RETURNING, for many rows at once."""
    parameters = Parameters()
    element = _insert(sa.insert, model, parameters, names)
    return prepare(element, dialect, parameters, reads=False, is_cheap=False)


def advance_sequence(model: TableModel, dialect: Dialect) -> CompiledStatement | None:
    """SELECT that advances the key's sequence past the value "key"; None without sequences."""
    parameters = Parameters()
    key = parameters.add("key", sa.BigInteger(), None)
    advanced = rules_of(dialect).advance_sequence(model, dialect, key)
    if advanced is None:
        return None
    return prepare(sa.select(advanced), dialect, parameters, reads=False, is_cheap=False)


def _insert(construct: Any, model: TableModel, parameters: Parameters, names: Collection[str]) -> Any:
    bound = {name: _bound(parameters, model, name) for name in names}
    values = {model.sa_table.c[name]: own_form.taken(model, name, bound) for name in names}
    # Inline, so that SQLAlchemy adds no RETURNING for the key.
    return construct(model.sa_table).values(values).inline()


def _returning(
    element: Any, model: TableModel, dialect: Dialect, parameters: Parameters, written: Collection[str] = ()
) -> CompiledStatement:
    columns, hidden = rules_of(dialect).returned(model, dialect, written)
    prepared = prepare(
        element.returning(*columns, *hidden), dialect, parameters, reads=False, is_cheap=True, hidden=len(hidden)
    )
    prepared.statement.reread = Reread(model, dialect)
    return prepared


def update(model: TableModel, dialect: Dialect, values: Mapping[str, Any], where: Where) -> CompiledStatement:
    """UPDATE ... WHERE ... RETURNING every column."""
    parameters = Parameters()
    element = _update(model, dialect, parameters, values, where)
    return _returning(element, model, dialect, parameters)


def update_where(model: TableModel, dialect: Dialect, values: Mapping[str, Any], where: Where) -> CompiledStatement:
    """UPDATE ... WHERE ..., for its row count."""
    parameters = Parameters()
    return prepare(_update(model, dialect, parameters, values, where), dialect, parameters, reads=False, is_cheap=False)


def _update(
    model: TableModel, dialect: Dialect, parameters: Parameters, values: Mapping[str, Any], where: Where
) -> Any:
    sets: dict[Any, Any] = {}
    plain = [name for name, given in values.items() if not isinstance(given, SqlExpression)]
    bound = {name: _bound(parameters, model, name) for name in plain}
    for name, given in values.items():
        if isinstance(given, Merge):
            sets[model.sa_table.c[name]] = merged_document(model.name, model.column(name), given, dialect)
        elif isinstance(given, SqlExpression):
            _must_be_of_the_row(name, given, where)
            _must_stay_exact(model, name, given, dialect)
            sets[model.sa_table.c[name]] = Assigned(name, where.within(given.element)) if where.scope else given.element
        else:
            sets[model.sa_table.c[name]] = own_form.stamped(model, name, own_form.changed(model, name, bound))
    for name in own_form.companions(model, bound):
        if name not in values:
            sets[model.sa_table.c[name]] = own_form.changed(model, name, bound)
    sets.update(own_form.touches(model, values))
    return sa.update(model.sa_table).values(sets).where(*where.clauses(parameters))


def upsert(
    model: TableModel,
    dialect: Dialect,
    names: Collection[str],
    target: tuple[str, ...],
    changed: tuple[str, ...],
    where: Where,
    *,
    returning: bool = True,
) -> CompiledStatement:
    """INSERT ... ON CONFLICT (target) DO UPDATE SET changed WHERE scope [RETURNING every column]."""
    parameters = Parameters()
    element = _insert(rules_of(dialect).insert, model, parameters, names)
    # If no column changes, set the target to itself: otherwise RETURNING returns no row.
    sets = {name: element.excluded[name] for name in changed or target}
    if model.sa_table.name.lower() == "excluded":
        # In a table called `excluded` this name is the existing row, so the new values are bound again.
        sets = {name: _bound(parameters, model, name) for name in sets}
    sets = {name: assigned(model.sa_table.c[name], new) for name, new in sets.items()}
    if changed:
        sets = {name: own_form.stamped(model, name, new) for name, new in sets.items()}
        sets.update({column.name: new for column, new in own_form.touches(model, changed).items()})
    element = element.on_conflict_do_update(
        index_elements=[model.sa_table.c[name] for name in target],
        set_=sets,
        # The row of another scope stays unchanged.
        where=sa.and_(*where.clauses(parameters)) if where.scope else None,
    )
    if not returning:
        return prepare(element, dialect, parameters, reads=False, is_cheap=False)
    return _returning(element, model, dialect, parameters, names)


def insert_ignore(
    model: TableModel, dialect: Dialect, names: Collection[str], target: tuple[str, ...] | None = None
) -> CompiledStatement:
    """INSERT ... ON CONFLICT DO NOTHING RETURNING every column (no row on a conflict)."""
    parameters = Parameters()
    element = _insert(rules_of(dialect).insert, model, parameters, names)
    element = element.on_conflict_do_nothing(index_elements=target)
    return _returning(element, model, dialect, parameters, names)


def delete(model: TableModel, dialect: Dialect, where: Where, *, is_cheap: bool) -> CompiledStatement:
    """DELETE ... WHERE ..., for its row count."""
    parameters = Parameters()
    element = sa.delete(model.sa_table).where(*where.clauses(parameters))
    return prepare(element, dialect, parameters, reads=False, is_cheap=is_cheap)


def select(
    model: TableModel,
    dialect: Dialect,
    columns: Iterable[str],
    where: Where,
    *,
    order: Any = None,
    limit: bool = False,
    offset: bool = False,
    lock: str | None = None,
    is_cheap: bool = False,
) -> CompiledStatement:
    """SELECT columns FROM table; limit and offset are the values "limit" and "offset"."""
    parameters = Parameters()
    listed = list(columns)

    def read(part: Branch) -> Any:
        return where.applied_to(_reading(model, listed), parameters, model.joins).where(*part.forms)

    def limited(element: Any) -> Any:
        if limit:
            element = element.limit(parameters.add("limit", sa.BigInteger(), None))
        return element.offset(parameters.add("offset", sa.BigInteger(), None)) if offset else element

    names = plain_order(model, order) if limit else ()
    parts = branches(model, names)
    if len(parts) > 1:
        element = without_keys(merged(model, parts, names, [*map(read, parts)], limited), names)
    else:
        element = limited(read(WHOLE).order_by(*order_by(model, order)[0]))
    return _locking(element, model, dialect, parameters, lock, is_cheap=is_cheap)


def _reading(model: TableModel, names: Iterable[str]) -> Any:
    """Return the SELECT of columns; those that are not of the table itself have their names in the statement."""
    table = model.sa_table.c
    return sa.select(*[table[name] if name in table else model.columns[name].sa_column.label(name) for name in names])


def _locking(
    element: Any, model: TableModel, dialect: Dialect, parameters: Parameters, lock: str | None, *, is_cheap: bool
) -> CompiledStatement:
    if lock is not None:
        # PostgreSQL cannot lock the rows of a table that is joined by LEFT JOIN.
        element = element.with_for_update(skip_locked=lock == "skip locked", of=model.sa_table)
    reads = lock is None or not capabilities_of(dialect).locks_rows
    return prepare(element, dialect, parameters, reads=reads, is_cheap=is_cheap)


def keyset(
    model: TableModel,
    dialect: Dialect,
    columns: Iterable[str],
    where: Where,
    seek: Seek,
    *,
    begins: bool,
    lock: str | None = None,
) -> CompiledStatement:
    """SELECT of the rows after a position in an order, which ``seek`` describes, or of the first rows.

    Sort columns may follow the requested columns.
    """
    parameters = Parameters()
    listed = list(columns)

    def read(part: Branch, *conditions: Any) -> Any:
        chosen = where.applied_to(_reading(model, listed), parameters, model.joins)
        return chosen.where(*part.forms, *conditions)

    def limited(element: Any) -> Any:
        return element.limit(parameters.add("limit", sa.BigInteger(), None))

    parts = branches(model, seek.directions)
    after = [[] if begins else seek.conditions(model, parameters, dialect, part.columns) for part in parts]
    any_of = [[sa.or_(*conditions)] if conditions else [] for conditions in after]
    if len(parts) > 1:
        reads = [read(part, *condition) for part, condition in zip(parts, any_of, strict=True)]
        element = merged(model, parts, seek.directions, reads, limited)
    elif len(after[0]) > 1 and lock is None and is_in_an_index(model.sa_table, seek.columns[0][0]):
        limit = parameters.add("limit", sa.BigInteger(), None)
        element = in_turn(model, [read(WHOLE, one) for one in after[0]], seek.directions, limited, limit)
    else:
        element = limited(read(WHOLE, *any_of[0]).order_by(*seek.order(model)))
    return _locking(element, model, dialect, parameters, lock, is_cheap=False)


def count(model: TableModel, dialect: Dialect, where: Where) -> CompiledStatement:
    """SELECT count(*)."""
    parameters = Parameters()
    counted: Any = sa.select(sa.func.count())
    element = where.applied_to(counted, parameters)
    return prepare(element, dialect, parameters, reads=True, is_cheap=False)


def exists(model: TableModel, dialect: Dialect, where: Where, *, is_cheap: bool) -> CompiledStatement:
    """SELECT 1 ... LIMIT 1."""
    parameters = Parameters()
    one: Any = sa.literal_column("1", sa.Integer())
    chosen: Any = sa.select(one)
    element = where.applied_to(chosen, parameters).limit(one)
    return prepare(element, dialect, parameters, reads=True, is_cheap=is_cheap)


def table_exists(model: TableModel, dialect: Dialect) -> CompiledStatement:
    """SELECT of one row if the table or view exists."""
    element = rules_of(dialect).table_exists(model.sa_table, dialect)
    return prepare(element, dialect, Parameters(), reads=True, is_cheap=True)


def whole_number(name: str, value: Any) -> int:
    """Return a limit or offset; reject an invalid one."""
    given = value if type(value) is int else python_value(value)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValidationError(
            f"{name} is a whole number that is not negative", field=name, value=value, hint=f"{name}=20"
        )
    return min(given, 2**63 - 1)
