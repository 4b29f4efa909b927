"""Changes of one row by unique columns.

Other programs may have stored values that DeeBase refuses. Written back unchanged, they are left out of the change, so
that the other columns can be saved.
"""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from deebase._sql import statements
from deebase._sql.where import Where, key_source
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import SqlExpression

if TYPE_CHECKING:
    from deebase._engine.context import TableContext
    from deebase._rows.model import ColumnModel, TableModel
    from deebase._sql.compiled import CompiledStatement


def by_key(source: TableContext, keys: Sequence[str]) -> Where:
    """Return the condition of one row within the scope, whose key comes with each run."""
    where = source.where()
    where.match(keys)
    return where


def key_values(source: TableContext, key: Sequence[Any]) -> dict[str, Any]:
    """Return the values of such a condition."""
    values = {key_source(n): value for n, value in enumerate(key)}
    return {**values, **source.scope.values}


def check_change(source: TableContext, changed: Mapping[str, Any]) -> None:
    """Refuse a change of nothing, and one that moves a row out of the scope."""
    if not changed:
        raise ValidationError(
            f"{source.model.name}: nothing to change", hint="give at least one column besides the key"
        )
    source.scope.check(source.model, changed)


def key_of(source: TableContext, values: dict[str, Any]) -> tuple[Any, ...]:
    """Take the key out of a record; the scope may have a part that the record lacks."""
    model, held = source.model, source.scope.held
    key: list[Any] = []
    for name in model.pks:
        value = values.pop(name, None)
        if name in held:
            source.scope.check(model, {name: held[name] if value is None else value})
            value = held[name]
        if value is None:
            raise ValidationError(
                f"{model.name}: the record has no key {name!r}", field=name, hint="put it in, or give pk=..."
            )
        key.append(value)
    return tuple(key)


def require_unique(model: TableModel, wanted: Mapping[str, Any]) -> None:
    """Refuse a record for ``get_or_create`` that several rows may equal."""
    keys = [model.pks, *[unique.columns for unique in model.uniques.values() if not unique.partial]]
    if not any(columns and all(wanted.get(name) is not None for name in columns) for columns in keys):
        raise InvalidOperationError(
            f"get_or_create of {model.name}: no unique columns among {', '.join(wanted)}",
            operation="get_or_create",
            target=model.name,
            hint=f"create the table with a unique Index over {', '.join(wanted)}",
        )


async def change(
    source: TableContext, keys: tuple[str, ...], key: Sequence[Any], changed: Mapping[str, Any]
) -> list[Any]:
    """Return the driver's row with these unique values after the change, if it exists.

    Raises:
        ValidationError: a value that does not fit, and is not what the row holds.
    """

    def build() -> CompiledStatement:
        return statements.update(source.model, source.dialect, changed, by_key(source, keys))

    key_of_cache = None
    if not any(isinstance(value, SqlExpression) for value in changed.values()):
        key_of_cache = ("update", source.scope.shape, keys, *changed)
    prepared = source.cached(key_of_cache, build)
    try:
        statement, args = prepared.ready({**changed, **key_values(source, key)})
    except ValidationError:
        rest = await without_unchanged(source, keys, key, changed, misfits(source.model.columns, changed))
        if rest is None:
            raise
        return await _change_rest(source, keys, key, rest)
    return await source.executor.fetch(statement, args)


async def _change_rest(
    source: TableContext, keys: tuple[str, ...], key: Sequence[Any], rest: Mapping[str, Any]
) -> list[Any]:
    return await (change(source, keys, key, rest) if rest else source.by_key(keys, key, source.model.names))


async def merge(
    source: TableContext, target: tuple[str, ...], new: Mapping[str, Any], changed: Iterable[str]
) -> list[Any]:
    """Return the driver's row of an upsert that cannot insert, if the row exists and holds what cannot be sent.

    Args:
        source: the table, with its scope.
        target: the columns whose conflict is meant.
        new: the values of the row.
        changed: those that an existing row gets.

    Raises:
        ValidationError: a value that does not fit, and is not what the row holds.
    """
    model = source.model
    key = [new[name] for name in target]
    names = [*misfits(model.columns, new), *model.lacks_documents(new)]
    if not names or not set(target).isdisjoint(names):
        return []
    rest = await without_unchanged(source, target, key, new, names)
    if rest is None:
        return []
    for name in names:
        if name in rest:
            _check(model.columns[name], rest[name])
            return []
    fixed = {*target, *source.scope.held, *names}
    return await _change_rest(source, target, key, {name: rest[name] for name in changed if name not in fixed})


async def without_unchanged(
    source: TableContext, key: Sequence[str], key_values: Sequence[Any], values: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any] | None:
    """Return the values without those of the named ones that the row has; None if it has none of them.

    Args:
        source: the table, with its scope.
        key: unique columns.
        key_values: their values in the row.
        values: the values to store.
        names: those that cannot be sent.
    """
    columns = tuple(dict.fromkeys((*key, *names)))
    rows = await source.by_key(tuple(key), key_values, columns)
    for row in rows:
        stored = {name: _read(source.model.columns[name], value) for name, value in zip(columns, row, strict=True)}
        unchanged = {name for name in names if _same(values[name], stored[name])}
        if unchanged:
            return {name: value for name, value in values.items() if name not in unchanged}
    return None


def misfits(columns: Mapping[str, ColumnModel], values: Mapping[str, Any]) -> list[str]:
    """Return the columns that refuse their value."""
    return [name for name, value in values.items() if not _fits(columns[name], value)]


def _fits(column: ColumnModel, value: Any) -> bool:
    try:
        _check(column, value)
    except ValidationError:
        return False
    return True


def _check(column: ColumnModel, value: Any) -> None:
    if column.bind is not None and not isinstance(value, SqlExpression):
        column.bind(value)


def _read(column: ColumnModel, value: Any) -> Any:
    return value if value is None or column.read is None else column.read(value)


def _same(given: Any, stored: Any) -> bool:
    """Whether a value is the one that was read; unlike for ``==``, NaN is itself, and 1 is not True."""
    if type(given) is not type(stored):
        return False
    if isinstance(given, (list, tuple)):
        return len(given) == len(stored) and all(map(_same, given, stored))
    if isinstance(given, dict):
        return list(given) == list(stored) and all(_same(given[name], stored[name]) for name in given)
    if isinstance(given, Decimal):
        return bool(given.as_tuple() == stored.as_tuple())
    is_nan = given != given and stored != stored
    return bool(is_nan or given == stored)
