"""How a table that exists differs from its class."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.facts import TableInfo, same_type


def differences(table: sa.Table, found: TableInfo, dialect: Dialect) -> list[str]:
    """Return in words how a table differs from its class.

    Args:
        table: what the class makes.
        found: what the database says.
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
