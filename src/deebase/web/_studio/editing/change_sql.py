"""Changes as the SQL that stands for them, with their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from deebase import DeeBaseError
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields

#: Characters of a literal that are shown.
LONGEST = 2_000


class ChangeSql:
    """Writes the statements of changes of one table.

    Args:
        site: whose table it is.
        fields: its columns.
    """

    def __init__(self, site: Site, fields: Fields) -> None:
        self._fields = fields
        self._dialect = site.db.dialect
        self._quoted = self._dialect.identifier_preparer.quote
        self._table = self._dialect.identifier_preparer.format_table(fields.handle.sa_table)

    def update(self, values: Mapping[str, Any], keys: Sequence[Mapping[str, Any]]) -> str:
        """Return the UPDATE of some rows."""
        sets = ",\n    ".join([f"{self._quoted(name)} = {self.literal(name, value)}" for name, value in values.items()])
        return f"UPDATE {self._table}\nSET {sets}\nWHERE {self._where(keys)};"

    def insert(self, values: Mapping[str, Any]) -> str:
        """Return the INSERT of one row, with the values of the scope."""
        given = {**self._scope(), **values}
        if not given:
            return f"INSERT INTO {self._table} DEFAULT VALUES;"
        names = ", ".join(map(self._quoted, given))
        literals = ", ".join([self.literal(name, value) for name, value in given.items()])
        return f"INSERT INTO {self._table} ({names})\nVALUES ({literals});"

    def delete(self, keys: Sequence[Mapping[str, Any]]) -> str:
        """Return the DELETE of some rows."""
        return f"DELETE FROM {self._table}\nWHERE {self._where(keys)};"

    def _where(self, keys: Sequence[Mapping[str, Any]]) -> str:
        names = list(self._fields.handle.pks)
        if len(names) == 1 and len(keys) > 1:
            literals = ", ".join([self.literal(names[0], key[names[0]]) for key in keys])
            found = [f"{self._quoted(names[0])} IN ({literals})"]
        else:
            found = [self._same({name: key[name] for name in names}) for key in keys]
        scope = self._scope()
        rows = found[0] if len(found) == 1 else "(" + "\n   OR ".join(found) + ")"
        return f"{rows} AND {self._same(scope)}" if scope else rows

    def _scope(self) -> dict[str, Any]:
        """Return what the user may know of the scope."""
        return {name: value for name, value in self._fields.scope.items() if name in self._fields.columns}

    def _same(self, values: Mapping[str, Any]) -> str:
        parts = [
            f"{self._quoted(name)} IS NULL" if value is None else f"{self._quoted(name)} = {self.literal(name, value)}"
            for name, value in values.items()
        ]
        return " AND ".join(parts)

    def literal(self, name: str, value: Any) -> str:
        """Return a value as a literal; the end of a long one is left out."""
        if value is None:
            return "NULL"
        kind = self._fields.columns[name].type
        try:
            text = kind.literal(kind.accept(value), self._dialect)
        except (DeeBaseError, SQLAlchemyError, NotImplementedError, ValueError, TypeError, AttributeError):
            # A value that other programs stored, and that the column would not accept.
            plain = sa.literal(value if isinstance(value, (int, float)) else str(value))
            text = str(plain.compile(dialect=self._dialect, compile_kwargs={"literal_binds": True}))
        if len(text) <= LONGEST:
            return text
        return f"{text[:LONGEST]}… /* {len(text):,} characters */"


def in_one_transaction(statements: Iterable[str]) -> str:
    """Return statements as the transaction that they are."""
    return "\n".join(["BEGIN;", *statements, "COMMIT;"])
