"""The statements behind Table and Query, as Core expressions compiled once per shape."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sql import own_form
from deebase._sql.compiled import CompiledStatement, Parameters, prepare
from deebase._sql.merged import WHOLE, Branch, branches, merged, without_keys
from deebase._sql.operands import assigned
from deebase._sql.reread import Reread, hidden_rowid
from deebase._sql.seek import Seek
from deebase._sql.where import Assigned, Where, order_by, plain_order
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.foreign_values import python_value
from deebase.errors import ValidationError
from deebase.types import SqlExpression


def _bound(parameters: Parameters, model: TableModel, name: str) -> Any:
    column = model.column(name)
    return parameters.add(name, column.sa_type, column.bind)


def _must_stay_exact(model: TableModel, name: str, given: SqlExpression, dialect: Dialect) -> None:
    """Refuse to have SQLite compute a Decimal with binary fractions, which lose digits.

    Raises:
        ValidationError: an expression would.
    """
    keeps_digits = getattr(model.column(name).sa_type, "keeps_digits", None)
    if dialect.name == "sqlite" and keeps_digits is not None and not keeps_digits(given.element):
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
    return _returning(element, model, dialect, parameters, moves=model.generated in names)


def insert_only(model: TableModel, dialect: Dialect, names: Collection[str]) -> CompiledStatement:
    """INSERT without RETURNING, for many rows at once."""
    parameters = Parameters()
    element = _insert(sa.insert, model, parameters, names)
    return prepare(element, dialect, parameters, reads=False, is_cheap=False)


def move_sequence_past(model: TableModel, dialect: Dialect) -> CompiledStatement:
    """SELECT that moves the key's sequence past the value "key" (PostgreSQL)."""
    parameters = Parameters()
    key = parameters.add("key", sa.BigInteger(), None)
    return prepare(sa.select(move_sequence(model, dialect, key)), dialect, parameters, reads=False, is_cheap=False)


def _insert(construct: Any, model: TableModel, parameters: Parameters, names: Collection[str]) -> Any:
    bound = {name: _bound(parameters, model, name) for name in names}
    values = {model.sa_table.c[name]: own_form.taken(model, name, bound) for name in names}
    # Inline: SQLAlchemy adds no RETURNING of its own for the key.
    return construct(model.sa_table).values(values).inline()


def _returning(
    element: Any, model: TableModel, dialect: Dialect, parameters: Parameters, *, moves: bool = False
) -> CompiledStatement:
    columns: list[Any] = list(model.sa_table.c)
    if dialect.name == "sqlite" and _is_real(columns[0], dialect):
        # SQLite's RETURNING makes floats of all numbers of such a table (seen in 3.40), but not of a function's.
        columns[1:] = [sa.func.ifnull(column, sa.null(), type_=column.type) for column in columns[1:]]
    hidden: list[Any] = []
    if moves and dialect.name == "postgresql":
        hidden = [move_sequence(model, dialect)]
    elif dialect.name == "sqlite":
        rowid = hidden_rowid(model)
        hidden = [] if rowid is None else [rowid]
    prepared = prepare(
        element.returning(*columns, *hidden), dialect, parameters, reads=False, is_cheap=True, hidden=len(hidden)
    )
    prepared.statement.reread = Reread(model, dialect)
    return prepared


def _is_real(column: sa.Column[Any], dialect: Dialect) -> bool:
    written = column.type.compile(dialect=dialect).upper()
    return any(part in written for part in ("REAL", "FLOA", "DOUB"))


def move_sequence(model: TableModel, dialect: Dialect, key: Any = None) -> Any:
    """Return an expression that moves the key's sequence past a key given by hand (PostgreSQL).

    ``key`` is the key of the row that is inserted unless given.

    nextval is atomic, setval is not: a setval computed from what was read a moment ago could set the
    sequence back behind another session. So short gaps are walked with nextval, and only a jump
    that nobody else can make meanwhile is set.
    """
    preparer = dialect.identifier_preparer
    quoted = preparer.format_table(model.sa_table)
    if key is None:
        key = sa.literal_column(f"{quoted}.{preparer.quote(str(model.generated))}", sa.BigInteger())
    sequence: Any = sa.func.pg_get_serial_sequence(quoted, model.generated).cast(REGCLASS)
    place = sa.select(
        sequence.label("seq"), sa.func.coalesce(sa.func.pg_sequence_last_value(sequence), 0).label("at")
    ).subquery("place")
    step = sa.func.generate_series(place.c["at"] + 1, key).column_valued("step")
    # The step in the argument keeps the aggregate in this query: without it, it would be the outer one's.
    walked = sa.select(sa.func.max(sa.func.nextval(place.c.seq) + sa.literal_column("0") * step))
    return (
        sa.select(
            sa.case((key - place.c["at"] > 1000, sa.func.setval(place.c.seq, key)), else_=walked.scalar_subquery())
        )
        .where(place.c.seq.is_not(None), key > place.c["at"])
        .scalar_subquery()
    )


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
        if isinstance(given, SqlExpression):
            _must_stay_exact(model, name, given, dialect)
            sets[model.sa_table.c[name]] = Assigned(name, given.element) if where.scope else given.element
        else:
            sets[model.sa_table.c[name]] = own_form.changed(model, name, bound)
    for name in own_form.companions(model, bound):
        if name not in values:
            sets[model.sa_table.c[name]] = own_form.changed(model, name, bound)
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
    element = _insert(dialect_insert(dialect), model, parameters, names)
    # A conflict update that changes nothing still has to return the row: set the target to itself.
    sets = {name: element.excluded[name] for name in changed or target}
    if model.sa_table.name.lower() == "excluded":
        # In a table of this name `excluded` is the row that is there: the new values are bound once more.
        sets = {name: _bound(parameters, model, name) for name in sets}
    sets = {name: assigned(model.sa_table.c[name], new) for name, new in sets.items()}
    element = element.on_conflict_do_update(
        index_elements=[model.sa_table.c[name] for name in target],
        set_=sets,
        # The row of another scope is left as it is.
        where=sa.and_(*where.clauses(parameters)) if where.scope else None,
    )
    if not returning:
        return prepare(element, dialect, parameters, reads=False, is_cheap=False)
    return _returning(element, model, dialect, parameters, moves=model.generated in names)


def insert_ignore(
    model: TableModel, dialect: Dialect, names: Collection[str], target: tuple[str, ...] | None = None
) -> CompiledStatement:
    """INSERT ... ON CONFLICT DO NOTHING RETURNING every column (no row on a conflict)."""
    parameters = Parameters()
    element = _insert(dialect_insert(dialect), model, parameters, names)
    element = element.on_conflict_do_nothing(index_elements=target)
    return _returning(element, model, dialect, parameters, moves=model.generated in names)


def dialect_insert(dialect: Dialect) -> Any:
    """Return the INSERT construct that knows ON CONFLICT."""
    if dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert
    from sqlalchemy.dialects.postgresql import insert as postgres_insert

    return postgres_insert


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
        chosen = sa.select(*[model.sa_table.c[name] for name in listed])
        return chosen.where(*where.clauses(parameters), *part.forms)

    def limited(element: Any) -> Any:
        if limit:
            element = element.limit(parameters.add("limit", sa.BigInteger(), None))
        return element.offset(parameters.add("offset", sa.BigInteger(), None)) if offset else element

    names = plain_order(model, order) if limit else ()
    parts = branches(model, names)
    if len(parts) > 1:
        element = without_keys(merged(model, parts, names, read, limited), names)
    else:
        element = limited(read(WHOLE).order_by(*order_by(model, order)[0]))
    return _locking(element, dialect, parameters, lock, is_cheap=is_cheap)


def _locking(
    element: Any, dialect: Dialect, parameters: Parameters, lock: str | None, *, is_cheap: bool
) -> CompiledStatement:
    if lock is not None:
        element = element.with_for_update(skip_locked=lock == "skip locked")
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
    """SELECT of the rows behind a place in an order, which ``seek`` describes (or of the first ones).

    Behind the columns there may be others, which the rows are sorted by.
    """
    parameters = Parameters()
    listed = list(columns)

    def read(part: Branch) -> Any:
        chosen = sa.select(*[model.sa_table.c[name] for name in listed])
        element = chosen.where(*where.clauses(parameters), *part.forms)
        return element if begins else element.where(seek.condition(model, parameters, dialect, part.columns))

    def limited(element: Any) -> Any:
        return element.limit(parameters.add("limit", sa.BigInteger(), None))

    parts = branches(model, seek.directions)
    if len(parts) > 1:
        element = merged(model, parts, seek.directions, read, limited)
    else:
        element = limited(read(WHOLE).order_by(*seek.order(model)))
    return _locking(element, dialect, parameters, lock, is_cheap=False)


def count(model: TableModel, dialect: Dialect, where: Where) -> CompiledStatement:
    """SELECT count(*)."""
    parameters = Parameters()
    element: Any = sa.select(sa.func.count()).select_from(model.sa_table).where(*where.clauses(parameters))
    return prepare(element, dialect, parameters, reads=True, is_cheap=False)


def exists(model: TableModel, dialect: Dialect, where: Where, *, is_cheap: bool) -> CompiledStatement:
    """SELECT 1 ... LIMIT 1."""
    parameters = Parameters()
    element: Any = (
        sa.select(sa.literal_column("1", sa.Integer()))
        .select_from(model.sa_table)
        .where(*where.clauses(parameters))
        .limit(1)
    )
    return prepare(element, dialect, parameters, reads=True, is_cheap=is_cheap)


def table_exists(model: TableModel, dialect: Dialect) -> CompiledStatement:
    """SELECT 1 if the table or view is in the database."""
    element: Any
    if dialect.name == "postgresql":
        name = dialect.identifier_preparer.format_table(model.sa_table)
        element = sa.select(sa.literal_column("1", sa.Integer())).where(sa.func.to_regclass(name).is_not(None))
    else:
        listed = sa.table("sqlite_master", sa.column("name", sa.String()), sa.column("type", sa.String()))
        element = sa.select(listed.c.name).where(
            sa.func.lower(listed.c.name) == model.sa_table.name.lower(), listed.c.type.in_(["table", "view"])
        )
    return prepare(element, dialect, Parameters(), reads=True, is_cheap=True)


def whole_number(name: str, value: Any) -> int:
    """Return a limit or offset, or refuse it."""
    given = value if type(value) is int else python_value(value)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValidationError(
            f"{name} is a whole number that is not negative", field=name, value=value, hint=f"{name}=20"
        )
    return min(given, 2**63 - 1)
