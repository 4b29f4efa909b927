"""Scopes: columns of a handle that are restricted to one value each, in every statement."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from collections.abc import Mapping
from typing import Any

from deebase._rows.model import ColumnModel, TableModel
from deebase.errors import ScopeError, ValidationError
from deebase.types import SqlExpression, Unset


class _NoTenant:
    """In the place of a value: no row of a secured table is seen, because no tenant is set."""

    def __repr__(self) -> str:
        return "NO_TENANT"


NO_TENANT = _NoTenant()


class Scope:
    """An immutable set of ``column = value`` that restrict statements, records and other handles.

    Attributes:
        held: the values by column; must not be modified.
        shape: the part that the text of a statement depends on: the columns, and which of them are NULL.
        values: the values by the source names of parameters.
    """

    __slots__ = ("held", "shape", "values")

    def __init__(self, held: Mapping[str, Any] | None = None) -> None:
        self.held: dict[str, Any] = dict(held or {})
        self.shape: tuple[tuple[str, str], ...] = tuple((_kind(value), name) for name, value in self.held.items())
        # Columns never have such names, so one dict can hold the values of scope, conditions and columns.
        self.values: dict[str, Any] = {
            f"\0s{n}": None if value is NO_TENANT else value for n, value in enumerate(self.held.values())
        }

    def __bool__(self) -> bool:
        return bool(self.held)

    def __repr__(self) -> str:
        return f"<Scope of {', '.join(self.held)}>"

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.held)

    def narrowed(self, model: TableModel, more: Mapping[str, Any], *, writable: bool = True) -> Scope:
        """Return this scope with further columns.

        Args:
            model: the table or view.
            more: columns and values.
            writable: rows are written through the handle.

        Raises:
            ScopeError: a column is restricted to another value already.
            ValidationError: a value that a column cannot equal.
            SchemaError: a name is not a column.
        """
        if not more:
            raise ValidationError(f"{model.name}: xtra() of nothing", hint="name a column: t.xtra(owner_id=7)")
        held = dict(self.held)
        for name, value in more.items():
            column = model.column(name)
            _must_be_value(model, column, value, writable=writable)
            if name in held and held[name] is not NO_TENANT and not same(column, held[name], value):
                raise ScopeError(
                    f"{model.name}.{name}: the scope of this handle has another value",
                    field=name,
                    hint="start from the handle without a scope",
                )
            held[name] = value
        return Scope(held)

    def acting(self, model: TableModel, held: Mapping[str, Any] | None) -> Scope:
        """Return this scope with the columns that secure the rows of a table.

        Args:
            model: the table.
            held: the values that the task acts for; None without a tenant, as for each column that it lacks.

        Raises:
            ScopeError: the scope has another value of a column.
            ValidationError: a value that a column cannot equal.
        """
        made = self
        for name in model.secure:
            if held is not None and name in held:
                made = made.narrowed(model, {name: held[name]})
            elif name not in made.held or made.held[name] is None:
                made = Scope({**made.held, name: NO_TENANT})
        return made

    def carried_to(self, model: TableModel, origin: TableModel) -> Scope:
        """Return the part of the scope that applies to the rows of another table: the columns of the same name.

        A column that identifies the rows of either table has another meaning in the other one, so it is left out. So is
        a value that the other column cannot hold.

        Args:
            model: the other table.
            origin: the table of this scope.
        """
        common = {
            name: value
            for name, value in self.beyond(model, origin).held.items()
            if name in model.columns and value is not NO_TENANT and _holds(model.columns[name], value)
        }
        return Scope().narrowed(model, common, writable=False) if common else _EVERYTHING

    def beyond(self, model: TableModel, origin: TableModel) -> Scope:
        """Return the part of the scope that keeps its meaning beyond another table, which may lack its columns.

        Args:
            model: the other table.
            origin: the table that leads to it.
        """
        kept = {
            name: value
            for name, value in self.held.items()
            if not _identifies(origin, model, name) and not _identifies(model, origin, name)
        }
        return self if len(kept) == len(self.held) else Scope(kept)

    def filled(self, model: TableModel, given: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a new row, with those of the scope added.

        Raises:
            ScopeError: a value of the row contradicts the scope.
        """
        if not self.held:
            return given
        if NO_TENANT in self.held.values():
            name = next(name for name, value in self.held.items() if value is NO_TENANT)
            raise ScopeError(
                f"{model.name}.{name}: the rows are secured by it, and no tenant is set",
                field=name,
                hint=f"async with db.acting({name}=...): ..., or t.xtra({name}=...)",
            )
        self.check(model, given)
        return {**given, **self.held}

    def check(self, model: TableModel, given: Mapping[str, Any]) -> None:
        """Refuse values that would move a row out of the scope.

        Raises:
            ScopeError: a value contradicts the scope.
        """
        for name, value in self.held.items():
            if name not in given:
                continue
            if (
                value is NO_TENANT
                or isinstance(given[name], SqlExpression)
                or not same(model.column(name), value, given[name])
            ):
                raise ScopeError(
                    f"{model.name}.{name}: the value is outside of the scope of this handle",
                    field=name,
                    hint=f"omit {name}, which the scope fills in, or use the handle without a scope",
                )


def _kind(value: Any) -> str:
    return "no tenant" if value is NO_TENANT else "null" if value is None else "equal"


def _identifies(model: TableModel, other: TableModel, name: str) -> bool:
    """Whether a column identifies the rows of a table, rather than their owner.

    It is the key, or a part of it to which the other table refers by another name: with
    ``(tenant_id, order_id)`` that refers to ``(tenant_id, id)``, ``id`` is such a part and ``tenant_id`` is not.
    """
    if model.pks == (name,) or model.generated == name:
        return True
    return name in model.pks and any(
        target == name and column != name
        for key in other.foreign_keys
        if key.target == model.name
        for column, target in zip(key.columns, key.targets, strict=True)
    )


def _holds(column: ColumnModel, value: Any) -> bool:
    try:
        _bound(column, value)
    except ValidationError:
        return False
    return True


_EVERYTHING = Scope()


def no_scope() -> Scope:
    """Return the empty scope."""
    return _EVERYTHING


def same(column: ColumnModel, one: Any, other: Any) -> bool:
    """Whether two values are stored the same way (an Enum member and its value, equal Decimals)."""
    if one is None or other is None:
        return one is other
    return bool(_bound(column, one) == _bound(column, other))


def _bound(column: ColumnModel, value: Any) -> Any:
    return value if value is None or column.bind is None else column.bind(value)


def _must_be_value(model: TableModel, column: ColumnModel, value: Any, *, writable: bool) -> None:
    what: str | None = None
    if hasattr(value, "__clause_element__") or isinstance(value, (SqlExpression, Unset)):
        what = "a scope is a value, not an expression or UNSET"
    elif isinstance(value, (list, tuple, set, frozenset)) and not column.takes_collections:
        what = "a scope is one value, not a collection"
    elif column.computed and writable:
        what = "the database computes this column, so that an update could move a row out of the scope"
    if what is not None:
        raise ValidationError(f"{model.name}.{column.name}: {what}", field=column.name, hint="t.xtra(owner_id=7)")
    _bound(column, value)
