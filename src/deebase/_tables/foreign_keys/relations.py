"""Foreign keys: from a row to the one it refers to, and back to those that refer to it."""

from __future__ import annotations

# Rows are the user's own and may be of any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from deebase._engine.context import TableContext
from deebase._rows.model import ForeignKeyModel, TableModel
from deebase._rows.parents import Parent
from deebase._sql.queries.paths import matching_key, reached
from deebase._sql.related import Within
from deebase._sqltext.create_table import collations
from deebase._sqltext.tokens import folded
from deebase._tables.query import Query, conditions_of
from deebase._tables.readable import Readable
from deebase.errors import SchemaError, ValidationError

#: A column, or the columns of a composite key.
Columns = str | Sequence[str]


class Reference:
    """``posts.fk.author_id``: call it with a row for the row that this one refers to.

    ``.c`` has the columns of that row for conditions and the like, whose statement then joins its table.

    Example:
        ```python
        author = await posts.fk.author_id(post)
        rows = await posts(posts.fk.author_id.c.status == "active", order_by=posts.fk.author_id.c.name)
        ```
    """

    __slots__ = ("_key", "_origin", "_source")

    def __init__(self, source: Any, key: Any, origin: Any) -> None:
        # Only `fk` makes one, so these types are no part of the public interface.
        self._source: TableContext = source
        self._key: ForeignKeyModel = key
        self._origin: Parent | None = origin

    def __repr__(self) -> str:
        return f"<Foreign key {', '.join(self._key.columns)} of {self._source.model.name} to {self._key.target}>"

    def __call__(self, row: Any) -> Awaitable[Any]:
        return parent_of(self._source, row, self._key)

    @property
    def c(self) -> ReadOnlyColumnCollection[str, sa.Column[Any]]:
        """The columns of the row, NULL where there is none."""
        columns: ReadOnlyColumnCollection[str, sa.Column[Any]] = self._reached().alias.c
        return columns

    @property
    def fk(self) -> ForeignKeys:
        """The foreign keys of the row: ``posts.fk.author_id.fk.company_id.c.name``."""
        return ForeignKeys(self._source.of_table(self._key.target), self._reached())

    def _reached(self) -> Parent:
        origin = self._origin
        root = self._source.model if origin is None else origin.root
        return reached(self._source.catalog, root, origin, self._key)


class ForeignKeys:
    """``posts.fk``: for each foreign key a function from a row to the row it refers to, which also has its columns.

    Example:
        ```python
        author = await posts.fk.author_id(post)
        order = await lines.fk["order_id", "region"](line)  # a composite key
        rows = await posts(posts.fk.author_id.c.name == "Ada")
        ```
    """

    def __init__(self, source: Any, origin: Any = None) -> None:
        # Only tables make one, so these types are no part of the public interface.
        self._source: TableContext = source
        #: The table as the end of a path; None for the table of a handle.
        self._origin: Parent | None = origin

    def __repr__(self) -> str:
        return f"<Foreign keys of {self._source.model.name}: {', '.join(self.__dir__()) or 'none'}>"

    def __getattr__(self, column: str) -> Reference:
        if column.startswith("__"):
            raise AttributeError(column)
        return self[column]

    def __getitem__(self, column: Columns) -> Reference:
        return Reference(self._source, foreign_key(self._source, column), self._origin)

    def __iter__(self) -> Iterator[Any]:
        # As `__getitem__` takes them: a column, or the tuple of a composite key.
        return (key.columns[0] if len(key.columns) == 1 else key.columns for key in self._source.foreign_keys)

    def __len__(self) -> int:
        return len(self._source.foreign_keys)

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        return [key.columns[0] for key in self._source.foreign_keys if len(key.columns) == 1]


def foreign_key(source: TableContext, column: Columns) -> ForeignKeyModel:
    """Return the foreign key of a column, or of all columns of a composite key.

    Raises:
        SchemaError: no foreign key matches; the message lists the existing ones.
    """
    names = tuple(column) if isinstance(column, (list, tuple)) else (column,)
    keys, model = source.foreign_keys, source.model
    found = matching_key(keys, names)
    if found is not None:
        return found
    known = [", ".join(key.columns) for key in keys]
    raise SchemaError(
        f"{model.name}: {', '.join(map(str, names))} is not a foreign key",
        table_name=model.name,
        column_name=str(names[0]) if names else None,
        hint=f"the foreign keys are {'; '.join(known)}{_misplaced(names)}"
        if known
        else "the table has no foreign keys",
    )


def _misplaced(names: Sequence[Any]) -> str:
    """Return what to add to the hint where a condition stands in the place of the column."""
    if all(isinstance(name, str) and name.isidentifier() for name in names):
        return ""
    return "; conditions come after it: get_children(row, 'post', 'author_id', 'views > ?', [30])"


def described(source: TableContext) -> list[dict[str, Any]]:
    """Return the foreign keys as ``[{"column": "author_id", "references": "user.id"}]``.

    Of a composite key both are lists.
    """
    result: list[dict[str, Any]] = []
    for key in source.foreign_keys:
        targets = [f"{key.target}.{name}" for name in key.targets]
        alone = len(targets) == 1
        entry: dict[str, Any] = {
            "column": key.columns[0] if alone else list(key.columns),
            "references": targets[0] if alone else targets,
        }
        actions = {"on_delete": key.on_delete, "on_update": key.on_update}
        entry.update({name: action.lower() for name, action in actions.items() if action is not None})
        result.append(entry)
    return result


def values_in(row: Any, names: Sequence[str], model: TableModel) -> tuple[Any, ...]:
    """Return the values of columns in a row, be it a mapping or an object.

    Raises:
        ValidationError: the row lacks one.
    """
    values: list[Any] = []
    for name in names:
        try:
            values.append(row[name] if isinstance(row, Mapping) else getattr(row, name))
        except (KeyError, AttributeError):
            raise ValidationError(
                f"the row has no {name!r}, which {model.name} is related by", field=name, hint="select this column too"
            ) from None
    return tuple(values)


async def parent_of(source: TableContext, row: Any, key: ForeignKeyModel) -> Any:
    """Return the row that a row refers to, or None: NULL, dangling, or out of the scope."""
    values = values_in(row, key.columns, source.model)
    if any(value is None for value in values):
        return None
    parents = source.of_table(key.target)
    rows = await parents.by_key(key.targets, values, parents.model.names, waits=True)
    return parents.row(rows[0]) if rows else None


def children_of(source: TableContext, children: TableContext, column: Columns | None) -> ForeignKeyModel:
    """Return the foreign key by which the rows of one table refer to those of another.

    Raises:
        SchemaError: no foreign key leads there, or several do and no column is named.
    """
    parent, child = source.model, children.model
    keys = children.foreign_keys
    leading = [key for key in keys if key.target == parent.name]
    if column is not None:
        key = foreign_key(children, column)
        if key in leading:
            return key
        raise SchemaError(
            f"{child.name}.{', '.join(key.columns)} refers to {key.target}, not to {parent.name}",
            table_name=child.name,
            column_name=key.columns[0],
            hint=f"call it on the table {key.target}",
        )
    if len(leading) != 1:
        what = "no foreign key" if not leading else "several foreign keys"
        raise SchemaError(
            f"{child.name} has {what} to {parent.name}",
            table_name=child.name,
            hint=f"name one: {'; '.join(', '.join(key.columns) for key in leading or keys)}",
        )
    return leading[0]


def child_source(source: TableContext, child: Any) -> TableContext:
    """Return the table of the children, by name or as a handle, with the scopes of both."""
    if isinstance(child, str):
        return source.of_table(child)
    given: Any = getattr(child, "_source", None)
    if not isinstance(given, TableContext):
        raise ValidationError(
            f"the children are a table or the name of one, not {type(child).__name__}",
            hint="users.get_children(user, 'post', 'author_id')",
        )
    return carried(source, given)


def carried(source: TableContext, other: TableContext) -> TableContext:
    """Return a table with the columns of another table's scope that it has, too, besides its own scope."""
    held = source.scope.carried_to(other.model, source.model).held
    return other.scoped(other.scope.narrowed(other.model, held, writable=False)) if held else other


def within_scope(source: TableContext, children: TableContext, key: ForeignKeyModel) -> Within | None:
    """Return what restricts a parent to those columns of its scope that its children lack; None if they lack none.

    The rows may come from a request: without this, children of a row of another scope would be shown.
    """
    left = {name: value for name, value in source.scope.held.items() if name not in children.scope.held}
    if not left:
        return None
    parent = source.model.sa_table.alias()
    held = [parent.c[name] == value for name, value in left.items()]
    return lambda values: sa.exists().where(
        *[parent.c[name] == value for name, value in zip(key.targets, values, strict=True)], *held
    )


def compared_by(source: TableContext, children: TableContext, key: ForeignKeyModel) -> dict[str, str]:
    """Return the collations by which columns of a foreign key are compared, where those are not their own.

    SQLite compares by the collation of the column that is referred to (sqlite.org/foreignkeys.html). Where the
    database does not store the statement that made a table, columns are compared by their own.
    """

    def found(table: TableContext) -> Mapping[str, str]:
        facts = table.catalog.facts(table.model.name)
        return {} if facts is None else collations(facts.sql or "")

    parents, own = found(source), found(children)
    pairs = {
        name: (parents.get(folded(target), "BINARY"), own.get(folded(name), "BINARY"))
        for name, target in zip(key.columns, key.targets, strict=True)
    }
    return {name: parent for name, (parent, child) in pairs.items() if parent != child}


def children_query(
    source: TableContext,
    row: Any,
    child: Any,
    column: Columns | None,
    where: Sequence[Any],
    selection: Mapping[str, Any],
) -> Query[Any]:
    """Return the query of the rows that refer to a row; ``where`` and ``selection`` are those of a call of a table."""
    children = child_source(source, child)
    key = children_of(source, children, column)
    values = values_in(row, key.targets, source.model)
    query = Readable[Any](children)(*where, **selection)
    condition = conditions_of(query)
    within = within_scope(source, children, key)
    if within is not None:
        condition.expression(within(values))
    collated = compared_by(source, children, key)
    for name, value in zip(key.columns, values, strict=True):
        if value is None:
            # No row refers to NULL.
            condition.nothing()
        elif name in collated:
            condition.expression(sa.collate(children.model.column(name).sa_column, collated[name]) == value)
        else:
            condition.equal(name, value)
    return query
