"""The tables one Database knows."""

from __future__ import annotations

import difflib
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase.errors import TableNotFoundError


class Catalog:
    """SQLAlchemy's metadata of a database, and the model and row type of each table."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.metadata = sa.MetaData()
        self._models: dict[str, TableModel] = {}
        self._classes: dict[str, type] = {}

    def add(self, model: TableModel, row_class: type) -> None:
        """Remember a table; one of the same name is replaced."""
        self._models[model.name] = model
        self._classes[model.name] = row_class

    def forget(self, name: str) -> None:
        """Drop what is known of a table."""
        self._models.pop(name, None)
        self._classes.pop(name, None)
        table = self.metadata.tables.get(name)
        if table is not None:
            self.metadata.remove(table)

    def model(self, name: str) -> TableModel:
        """Return the model of a table.

        Raises:
            TableNotFoundError: it is not known here; the nearest name is suggested.
        """
        model = self._models.get(name)
        if model is None:
            near = difflib.get_close_matches(name, self._models, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "create it with db.create(cls)"
            raise TableNotFoundError(f"table {name!r} is not known", table_name=name, hint=hint)
        return model

    def name_of(self, cls: type) -> str | None:
        """Return the table that was created from a class."""
        for name, known in self._classes.items():
            if known is cls:
                return name
        return None

    def names(self) -> list[str]:
        """Return the names of all known tables, sorted."""
        return sorted(self._models)

    def unique_columns(self, constraint: str | None) -> tuple[str, tuple[str, ...]] | None:
        """Return table and columns of a unique constraint, for the message of its violation."""
        for model in self._models.values():
            columns = model.pks if constraint == f"{model.name}_pkey" else model.uniques.get(constraint or "")
            if columns is not None:
                return model.name, columns
        return None

    def __contains__(self, name: Any) -> bool:
        return name in self._models
