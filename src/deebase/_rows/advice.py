"""Hints for names of other libraries: the DeeBase call to use instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import NoReturn

#: Keyword arguments that the method does not accept, and what to use instead.
_KEYWORDS = {
    "alter": "columns are added with add_column or transform",
    "asc": "order_by='age' is ascending",
    "batch_size": "insert_all reads its rows in batches automatically",
    "before": "page(after=page.previous) is the previous page",
    "columns": "select=['id', 'name'] chooses columns",
    "conflict": "upsert(..., on='email'), or insert_all(..., on_conflict='ignore')",
    "conn": "statements inside of db.transaction() use its connection automatically",
    "default": "get(key, default=None); get_or_create(..., defaults={...})",
    "defaults": "get_or_create(..., defaults={...})",
    "desc": "order_by='-age' is descending",
    "distinct": "db.q(sa.select(...).distinct())",
    "fields": "select=['id', 'name'] chooses columns",
    "group_by": "db.q(sa.select(...).group_by(...))",
    "having": "db.q(sa.select(...).having(...))",
    "ignore": "insert_all(rows, on_conflict='ignore') skips existing rows",
    "join": "with_parents and with_children read related rows; db.q(sa.select(...).join(...)) joins",
    "limit": "t(..., limit=20) limits rows, page(size=20) those of a page",
    "offset": "t(..., limit=20, offset=40); page(after=page.next) needs no offset",
    "on": "upsert(..., on='email'), upsert_all or insert_all name the columns of the conflict",
    "on_conflict": "upsert(...), or insert_all(rows, on_conflict='ignore')",
    "order": "order_by='-age'",
    "order_by": "t(..., order_by='-age') and page(order_by='-age') sort",
    "orderby": "order_by='-age'",
    "page": "page(size=20, after=page.next)",
    "params": "params belongs to where=: t(where='age > ?', params=[30])",
    "per_page": "page(size=20)",
    "pk": "update(..., pk=key) names a row and db.create(cls, pk='id') a key; upsert takes on='email'",
    "primary_key": "db.create(cls, pk='id')",
    "replace": "upsert({...}) changes an existing row",
    "returning": "insert, update and upsert return the stored row; insert_all(rows, returning=True)",
    "reverse": "order_by='-age' is descending",
    "select": "t(..., select=['id', 'name'])",
    "session": "statements inside of db.transaction() use its connection automatically",
    "sort": "order_by='-age'",
    "sort_by": "order_by='-age'",
    "where": "t(where='age > ?', params=[30]), or the text by position: ('age > ?', [30])",
    "where_args": "params=[...] holds the values: t(where='age > ?', params=[30])",
}

#: Suffixes of Django's keywords, and the equivalent condition.
_LOOKUPS = {
    "contains": "t(t.c.{0}.contains(value))",
    "date": "t(sa.func.date(t.c.{0}) == value)",
    "endswith": "t(t.c.{0}.endswith(value))",
    "exact": "t({0}=value)",
    "gt": "t(t.c.{0} > value)",
    "gte": "t(t.c.{0} >= value)",
    "icontains": "t(t.c.{0}.icontains(value))",
    "iendswith": "t(t.c.{0}.iendswith(value))",
    "iexact": "t(t.c.{0}.ilike(value))",
    "ilike": "t(t.c.{0}.ilike(value))",
    "in": "t({0}=[...])",
    "isnull": "t({0}=None), or t(t.c.{0}.is_not(None))",
    "istartswith": "t(t.c.{0}.istartswith(value))",
    "like": "t(t.c.{0}.like(value))",
    "lt": "t(t.c.{0} < value)",
    "lte": "t(t.c.{0} <= value)",
    "ne": "t(t.c.{0} != value)",
    "not": "t(t.c.{0} != value)",
    "not_in": "t(t.c.{0}.not_in([...]))",
    "range": "t(t.c.{0}.between(low, high))",
    "startswith": "t(t.c.{0}.startswith(value))",
}

#: Attributes that tables, views and queries do not have, and what to use instead.
_OF_ROWS = {
    "add": "await {0}.insert(...)",
    "all": "await {0}()",
    "bulk_create": "await {0}.insert_all([...])",
    "bulk_insert": "await {0}.insert_all([...])",
    "create": "await {0}.insert(...); a table is created with db.create(cls)",
    "delete": "await {0}.delete_where(...)",
    "delete_many": "await {0}.delete_where(...), or delete_all([keys])",
    "distinct": "await db.q(sa.select(...).distinct())",
    "exclude": "await {0}({0}.c.name != value)",
    "execute": "await db.q('SELECT ...')",
    "fetch": "await {0}()",
    "fetch_all": "await {0}()",
    "fetch_one": "await {0}(...).first()",
    "fetchall": "await {0}()",
    "fetchone": "await {0}(...).first()",
    "filter": "await {0}(name=value), or {0}({0}.c.age > 30)",
    "filter_by": "await {0}(name=value)",
    "find": "await {0}.get(key), or {0}(name=value)",
    "find_one": "await {0}(name=value).first()",
    "first": "await {0}(...).first()",
    "get": "await {0}.get(key)",
    "get_by_id": "await {0}.get(key)",
    "get_or_none": "await {0}.get(key, default=None)",
    "group_by": "await db.q(sa.select(...).group_by(...))",
    "insert_many": "await {0}.insert_all([...])",
    "join": "await {0}.with_parents(...), or db.q(sa.select(...).join(...))",
    "last": "await {0}(order_by='-id').first()",
    "limit": "await {0}(..., limit=20)",
    "objects": "await {0}(name=value)",
    "offset": "await {0}(..., limit=20, offset=40)",
    "one": "await {0}(...).one()",
    "one_or_none": "await {0}(...).first()",
    "order_by": "await {0}(..., order_by='-age')",
    "page": "await {0}.page(size=20, ...)",
    "paginate": "await {0}.page(size=20)",
    "query": "await {0}(...)",
    "rows": "await {0}(), or async for row in {0}",
    "rows_where": "await {0}('age > ?', [30])",
    "save": "await {0}.upsert(...)",
    "scalar": "await {0}(..., limit=1).scalars('name')",
    "select": "await {0}(..., select=['id', 'name'])",
    "sort": "await {0}(..., order_by='-age')",
    "to_list": "await {0}(...)",
    "update": "await {0}.update_where({{...}}, ...)",
    "update_many": "await {0}.update_where({{...}}, ...), or update_all([...])",
    "update_or_create": "await {0}.upsert(..., on='email')",
    "values": "await {0}(..., select=['id', 'name'])",
    "values_list": "await {0}(...).scalars('name')",
    "where": "await {0}('age > ?', [30]), or {0}({0}.c.age > 30)",
}

#: Attributes that a database does not have, and what to use instead.
_OF_DATABASES = {
    "add": "await db.t.user.insert(...)",
    "begin": "async with db.transaction(): ...",
    "commit": "async with db.transaction(): ... commits at its end; a call outside of it commits at once",
    "conn": "tx.connection inside of `async with db.transaction() as tx`",
    "connect": "nothing, a database opens its connections when they are needed",
    "connection": "tx.connection inside of `async with db.transaction() as tx`",
    "create_table": "await db.create(cls)",
    "create_tables": "await db.create_all(User, Post)",
    "cursor": "await db.q('SELECT ...')",
    "disconnect": "await db.close()",
    "execute": "await db.q('SELECT ...')",
    "execute_many": "await db.t.user.insert_all([...])",
    "executemany": "await db.t.user.insert_all([...])",
    "executescript": "await db.script('...')",
    "fetch": "await db.q('SELECT ...')",
    "fetch_all": "await db.q('SELECT ...')",
    "fetch_one": "await db.q('SELECT ...')",
    "fetch_val": "await db.item('SELECT ...')",
    "fetchall": "await db.q('SELECT ...')",
    "fetchone": "await db.q('SELECT ...')",
    "fetchval": "await db.item('SELECT ...')",
    "open": "nothing, a database opens its connections when they are needed",
    "query": "await db.q('SELECT ...')",
    "rollback": "an exception that leaves `async with db.transaction()` rolls back",
    "run": "await db.q('...')",
    "scalar": "await db.item('SELECT ...')",
    "session": "async with db.transaction(): ...; there is no session",
    "table": "db.t.user, or db.t['user']",
    "table_names": "[table.name for table in db.t]",
    "tables": "db.t, after await db.reflect()",
    "view_names": "[view.name for view in db.v]",
    "views": "db.v, after await db.reflect()",
}


def hint_for_column(name: str, columns: Sequence[str]) -> str:
    """Return the hint for an unknown column: the intended argument, otherwise the nearest column."""
    if name in _KEYWORDS:
        return f"if you mean an argument: {_KEYWORDS[name]}"
    field, _, lookup = name.rpartition("__")
    if field in columns:
        form = _LOOKUPS.get(lookup, "t(t.c.{0} > value)")
        return f"a condition other than equality is an expression: {form.format(field)}"
    near = difflib.get_close_matches(name, columns, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(columns)}"


def refuse_attribute(thing: object, name: str, called: str, columns: Iterable[str] = ()) -> NoReturn:
    """Raise the error for an attribute that a table, view, query or database does not have.

    Args:
        thing: the object.
        name: the attribute.
        called: the name of the object in the example.
        columns: the names of its columns.

    Raises:
        AttributeError: always.
    """
    kind = type(thing).__name__
    message = f"{kind!r} object has no attribute {name!r}"
    # Other libraries look up such names; users do not write them.
    if name.startswith("_"):
        raise AttributeError(message, name=name)
    advice = (_OF_DATABASES if kind == "Database" else _OF_ROWS).get(name)
    if name in columns:
        message += f"; a row has row[{name!r}], the column is {called}.c.{name}"
    elif advice is not None:
        message += f"; instead: {advice.format(called)}"
    else:
        known = [one for one in (*dir(type(thing)), *columns) if not one.startswith("_")]
        near = difflib.get_close_matches(name, known, n=1)
        message += f"; did you mean {near[0]!r}?" if near else ""
    raise AttributeError(message, name=name)
