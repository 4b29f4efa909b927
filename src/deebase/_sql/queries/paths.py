"""Paths over foreign keys: ``author_id.company_id.name`` is a column of a related row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Protocol

from deebase._rows.model import ColumnModel, ForeignKeyModel, TableModel
from deebase._rows.parents import Parent
from deebase.errors import ColumnNotFoundError, SchemaError, ValidationError

#: Foreign keys of the longest path.
MAX_STEPS = 5


class Tables(Protocol):
    """The registered tables."""

    def model(self, name: str) -> TableModel:
        """Return a table.

        Raises:
            TableNotFoundError: it is not registered.
        """
        ...

    def foreign_keys(self, model: TableModel) -> tuple[ForeignKeyModel, ...]:
        """Return the current foreign keys of a table."""
        ...


def matching_key(keys: Sequence[ForeignKeyModel], names: tuple[Any, ...]) -> ForeignKeyModel | None:
    """Return the foreign key with these columns; one column of it is enough if no other key has it."""
    for key in keys:
        if key.columns == names:
            return key
    holding = [key for key in keys if len(names) == 1 and names[0] in key.columns]
    return holding[0] if len(holding) == 1 else None


def is_path(model: TableModel, name: str) -> bool:
    """Whether a name is meant as a path; an existing column takes precedence."""
    return "." in name and name not in model.columns


def path_column(tables: Tables, model: TableModel, text: str) -> tuple[Parent, ColumnModel]:
    """Return the column at the end of a path, and its table.

    Raises:
        ColumnNotFoundError: a part of the path is not a foreign key, or the last one is not a column.
        ValidationError: the path is too long.
        TableNotFoundError: a foreign key leads to a table that is not registered.
    """
    parent: Parent | None = None
    at, rest = model, text
    # A column of another program may have dots in its own name.
    while "." in rest and (parent is None or rest not in at.columns):
        keys = tables.foreign_keys(at)
        steps: list[str] = list(accumulate(rest.split(".")[:-1], "{}.{}".format))
        matching = [(step, matching_key(keys, (step,))) for step in steps]
        found = next(((step, key) for step, key in matching if key is not None), None)
        if found is None:
            raise _no_step(at, keys, rest.partition(".")[0], text)
        parent = reached(tables, model, parent, found[1])
        at, rest = parent.model, rest[len(found[0]) + 1 :]
    if parent is None:
        raise model.unknown_column(text)
    return parent, parent.column(rest)


def reached(tables: Tables, root: TableModel, origin: Parent | None, key: ForeignKeyModel) -> Parent:
    """Return the table that a foreign key leads to, the same object at each call.

    Args:
        tables: the registered tables.
        root: the table where the path begins.
        origin: the table that has the foreign key; None for ``root``.
        key: the foreign key.

    Raises:
        ValidationError: the path is too long.
        TableNotFoundError: the table is not registered.
    """
    if origin is not None and origin.steps >= MAX_STEPS:
        raise ValidationError(
            f"{root.name}: a path has at most {MAX_STEPS} foreign keys, and {origin.path!r} goes on after {MAX_STEPS}",
            field=origin.path,
            hint="write the join with SQLAlchemy, and pass it to db.q(select)",
        )
    known = root.parents if origin is None else origin.parents
    model = tables.model(key.target)
    found = known.get(key)
    if found is None or found.model is not model:
        found = known[key] = Parent(root, origin, key, model)
    return found


def _no_step(model: TableModel, keys: Sequence[ForeignKeyModel], step: str, text: str) -> SchemaError:
    if step not in model.columns:
        error = model.unknown_column(step)
        error.hint = f"the path {text!r} begins with foreign keys; {_listed(keys)}"
        return error
    several = sum(step in key.columns for key in keys) > 1
    what = "a column of several foreign keys" if several else "not a foreign key"
    hint = "take the column of the related row from t.fk['a', 'b'].c" if several else _listed(keys)
    return ColumnNotFoundError(
        f"{model.name}.{step} is {what}, in the path {text!r}", table_name=model.name, column_name=step, hint=hint
    )


def _listed(keys: Sequence[ForeignKeyModel]) -> str:
    known = [", ".join(key.columns) for key in keys]
    return f"the foreign keys are {'; '.join(known)}" if known else "the table has no foreign keys"
