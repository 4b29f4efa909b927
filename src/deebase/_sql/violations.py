"""Finds the violated constraint and its table, as far as the statement shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from deebase._rows.model import BUILD_ALL, TableModel
from deebase.errors import CheckViolationError, ForeignKeyViolationError, IntegrityError, QueryError


class WriteTarget:
    """The target of a generated statement: "insert", "update" or "delete" of a table."""

    __slots__ = ("table", "verb")

    def __init__(self, verb: str, table: sa.Table) -> None:
        self.verb: str = verb
        self.table: sa.Table = table

    def violation(self, error: IntegrityError) -> IntegrityError:
        """Return the same error, with the columns and tables that follow from the statement.

        SQLite reports nothing about a violated foreign key, and only name or condition of a CHECK. PostgreSQL reports
        the name of the constraint and of its table.
        """
        if isinstance(error, ForeignKeyViolationError):
            return self._foreign_key(error)
        return self._check(error) if isinstance(error, CheckViolationError) and error.table_name is None else error

    def _check(self, error: CheckViolationError) -> CheckViolationError:
        condition = error.constraint_name
        checks = [one for one in self.table.constraints if isinstance(one, sa.CheckConstraint)]
        own = any(condition in (check.name, str(check.sqltext)) for check in checks)
        named = f" (constraint {condition})" if condition else ""
        place = self.table.fullname if own else f"{self.table.fullname}, or a table that its triggers write"
        return CheckViolationError(
            f"{place}: the row violates a CHECK condition{named}",
            hint=error.hint,
            constraint=error.constraint,
            constraint_name=condition,
            table_name=self.table.fullname if own else None,
        )

    def _foreign_key(self, error: ForeignKeyViolationError) -> ForeignKeyViolationError:
        name = error.constraint_name
        own = [key for key in _keys(self.table) if _may_be(key, name)]
        others = [key for key in _referring(self.table) if _may_be(key, name)]
        if self.verb == "insert":
            others = []
        elif self.verb == "delete":
            own = [key for key in own if key in others]
        if others and not (own and self.verb == "update"):
            return self._still_referred_to(error, others)
        return self._missing(error, own) if own and not others else error

    def _missing(self, error: ForeignKeyViolationError, keys: list[Any]) -> ForeignKeyViolationError:
        columns = tuple(keys[0].column_keys) if len(keys) == 1 else ()
        listed = " or ".join(f"{self.table.fullname}.{' + '.join(key.column_keys)}" for key in keys)
        tables = " or ".join(dict.fromkeys(map(_target, keys)))
        return _same(
            error,
            f"{listed} refers to a row of {tables} that does not exist",
            f"insert the row of {tables} first",
            self.table.fullname,
            columns,
        )

    def _still_referred_to(self, error: ForeignKeyViolationError, keys: list[Any]) -> ForeignKeyViolationError:
        listed = " or ".join(dict.fromkeys(f"{key.table.fullname} ({', '.join(key.column_keys)})" for key in keys))
        tables = " or ".join(dict.fromkeys(key.table.fullname for key in keys))
        return _same(
            error,
            f"{self.table.fullname}: rows of {listed} still refer to this one",
            f"delete the rows of {tables} first, or declare the foreign key with on_delete",
            self.table.fullname,
            (),
        )


def _keys(table: sa.Table) -> list[Any]:
    return sorted(table.foreign_key_constraints, key=lambda key: key.column_keys)


def _referring(table: sa.Table) -> list[Any]:
    """Return the foreign keys of registered tables that refer to this one."""
    # A catalog builds tables at their first use.
    build_all = table.metadata.info.get(BUILD_ALL)
    if build_all is not None:
        build_all()
    return [key for other in table.metadata.tables.values() for key in _keys(other) if _leads_to(key, table)]


def _target(key: Any) -> str:
    return str(key.referred_table.fullname)


def _leads_to(key: Any, table: sa.Table) -> bool:
    return _target(key) == table.fullname


def _may_be(key: Any, name: str | None) -> bool:
    if name is None:
        return True
    # The name that PostgreSQL generates (manual, "Constraints").
    return name == (key.name or f"{key.table.name}_{'_'.join(key.column_keys)}_fkey")


def _same(
    error: ForeignKeyViolationError, message: str, hint: str, table: str, columns: tuple[str, ...]
) -> ForeignKeyViolationError:
    return ForeignKeyViolationError(
        # Without the name of the constraint, so that the message is the same on both databases.
        message,
        hint=hint,
        constraint=error.constraint,
        constraint_name=error.constraint_name,
        table_name=table,
        columns=columns,
    )


def no_target(model: TableModel, names: Sequence[str], error: QueryError) -> QueryError:
    """Return an error that names table and columns if no unique index covers ``on``; otherwise the same error."""
    if error.sqlstate != "42P10" and "ON CONFLICT clause does not match" not in error.message:
        return error
    partial = [name for name, unique in model.uniques.items() if unique.partial and set(unique.columns) == {*names}]
    listed = ", ".join(names)
    what = f"no unique constraint or index covers {listed}"
    if partial:
        what = f"the unique index {partial[0]} over {listed} covers only the rows that meet its condition"
    columns = repr(names[0]) if len(names) == 1 else repr(list(names))
    return QueryError(
        f"{model.name}: {what}, so the database cannot detect a conflict",
        hint=f"await t.create_index({columns}, unique=True), or pass the columns of another one as on=",
        sqlstate=error.sqlstate,
        statement=error.statement,
    )
