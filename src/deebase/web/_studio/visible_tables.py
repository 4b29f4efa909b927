"""The tables, columns and rows that exist for one user of a studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from deebase import Column, ConfigurationError, Database, DeeBaseError, TableNotFoundError, View
from deebase.web._studio.table_fields import Fields, Handle
from deebase.web.access_rules import Access, Grant, Source, grant_of, scope_for


class Exposure:
    """The tables of a studio, and the rules of access to them.

    Args:
        db: the database.
        tables: the rules by the name of the table; None for all tables, columns and rows.
        write: whether rows can be written where there are no rules.
        has_users: whether requests have users.

    Raises:
        ConfigurationError: a rule names a column that does not exist, or needs a user and there is none.
    """

    def __init__(
        self, db: Database, tables: Mapping[str, Access] | None = None, *, write: bool = False, has_users: bool = False
    ) -> None:
        self.db = db
        self.tables = None if tables is None else dict(tables)
        self._write = write
        self._grants: dict[str, tuple[Source, Grant]] = {}
        for name, access in (self.tables or {}).items():
            if callable(access.scope) and not has_users:
                raise ConfigurationError(
                    f"the scope of {name} depends on the user, and user= is missing",
                    hint="studio(db, user=current_user, tables=...)",
                )
            if name in db.t or name in db.v:
                self.grant(name)

    def source(self, name: str) -> Source:
        """Return a table or view.

        Raises:
            TableNotFoundError: it does not exist.
        """
        return self.db.v[name] if name in self.db.v else self.db.t[name]

    def grant(self, name: str) -> Grant:
        """Return what can be done with a table.

        Raises:
            ConfigurationError: its rule does not fit it.
        """
        source = self.source(name)
        known = self._grants.get(name)
        if known is None or known[0] is not source:
            write = self._write and not isinstance(source, View)
            access = Access(write=write, delete=write) if self.tables is None else self.tables[name]
            known = self._grants[name] = (source, grant_of(source, access))
        return known[1]

    @property
    def writes(self) -> bool:
        """Whether anything can be written."""
        rules = (self.tables or {}).values()
        return self._write if self.tables is None else any(rule.write or rule.insert or rule.delete for rule in rules)

    def unknown(self) -> list[str]:
        """Return the tables of the rules that the database does not know."""
        return [name for name in self.tables or () if name not in self.db.t and name not in self.db.v]

    async def seen_by(self, user: Any) -> VisibleTables:
        """Return what exists for a user; None where the studio has no users."""
        if self.tables is None:
            return VisibleTables(self, None)
        held = {name: await scope_for(access, user) for name, access in self.tables.items()}
        return VisibleTables(self, {name: scope for name, scope in held.items() if scope is not None})


@dataclass(frozen=True)
class VisibleTables:
    """What exists for one user.

    Attributes:
        exposure: the tables, and the rules of access to them.
        scopes: the scope of each table that exists; None for all tables and rows.
    """

    exposure: Exposure
    scopes: Mapping[str, Mapping[str, Any]] | None
    _fields: dict[str, Fields] = field(default_factory=dict[str, Fields], repr=False)

    @property
    def is_all(self) -> bool:
        """Whether all tables, columns and rows exist for this user.

        Rules name tables. The database may have others, which it has not read yet, so that no rules give access to it
        as a whole.
        """
        return self.scopes is None

    def names(self) -> tuple[list[str], list[str]]:
        """Return the names of the tables and of the views."""
        db = self.exposure.db
        return [name for name in dir(db.t) if name in self], [name for name in dir(db.v) if name in self]

    def __contains__(self, name: str) -> bool:
        db = self.exposure.db
        return (self.scopes is None or name in self.scopes) and (name in db.t or name in db.v)

    def fields_of(self, name: str) -> Fields:
        """Return the columns of a table that exist, with the handle of its rows.

        Raises:
            TableNotFoundError: it does not exist, or not for this user.
            ConfigurationError: the scope does not fit its columns.
        """
        if name not in self:
            raise TableNotFoundError(
                f"table {name!r} does not exist", table_name=name, hint="go back to the list of tables"
            )
        if name not in self._fields:
            scope: Mapping[str, Any] = {} if self.scopes is None else self.scopes[name]
            rows: Handle = self.exposure.source(name).rows_as(dict)
            grant = self.exposure.grant(name)
            columns = [self._column(column) for column in rows.describe() if column.name in grant.columns]
            try:
                self._fields[name] = Fields.of(rows, columns, grant, scope)
            except DeeBaseError as error:
                # The program is wrong, and not the request.
                raise ConfigurationError(f"the scope of {name} does not fit its columns: {error.message}") from error
        return self._fields[name]

    def _column(self, column: Column) -> Column:
        """Return a column, without the table that it refers to if that does not exist for this user."""
        target = column.references
        if target is None or self.scopes is None:
            return column
        table, name = target
        is_seen = table in self and name in self.exposure.grant(table).columns
        return column if is_seen else replace(column, references=None)

    def hidden_names(self) -> set[str]:
        """Return the names of tables and columns that do not exist for this user."""
        hidden: set[str] = set()
        seen: set[str] = set()
        for name in [*dir(self.exposure.db.t), *dir(self.exposure.db.v)]:
            (seen if name in self else hidden).add(name)
            hidden.update([column.name for column in self.exposure.source(name).describe()])
            if name in self:
                fields = self.fields_of(name)
                seen.update(fields.columns, fields.grant.writable)
        return hidden - seen
