"""The differences between an existing table and its class."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.facts import TableInfo
from deebase._sqltext.type_names import same_type


def differences(table: sa.Table, found: TableInfo, dialect: Dialect) -> list[str]:
    """Return the differences between a table and its class in words.

    Args:
        table: the table of the class.
        found: the existing table.
        dialect: the database.
    """
    columns = {column.name: column for column in found.columns}
    result = [f"{column.name} is missing" for column in table.c if column.name not in columns]
    result += [f"{name} is not in the class" for name in columns if name not in table.c]
    for column in table.c:
        old = columns.get(column.name)
        if old is None:
            continue
        wanted = column.type.compile(dialect=dialect)
        if same_type(old.type) != same_type(wanted):
            result.append(f"{column.name} is {old.type}, the class says {wanted}")
        if not column.primary_key and old.not_null == bool(column.nullable):
            result.append(f"{column.name} is {'NOT NULL' if old.not_null else 'nullable'}, the class says otherwise")
    key = [column.name for column in table.primary_key.columns]
    if list(found.pks) != key:
        result.append(f"the key is ({', '.join(found.pks)}), the class says ({', '.join(key)})")
    return result
