"""The description of each tool for agents, and the JSON Schemas of their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from deebase.web._rest.exposed_table import ExposedTable

Schema = dict[str, Any]


#: What each tool does, for a model that has to choose one.
_DESCRIPTIONS: Final = {
    "list_tables": "List the tables and views that you can use: their columns, their key, and whether their rows can "
    "be searched, added, changed and deleted. Call this first.",
    "describe_table": "Describe one table: for each column its JSON Schema, and what it refers to; the conditions that "
    "where takes; columns of related rows. Call it before you use a table that you do not know.",
    "read_rows": "Read rows of one table that meet conditions. Pass next of the result as after, with the same where "
    "and order, to read on; it is null on the last page. To count or sum rows use group_rows, do not read them all.",
    "search_rows": "Find rows of one table by words (full-text search), the best hits first. list_tables says which "
    "tables have a search; for parts of words in other tables use read_rows with name__contains.",
    "group_rows": "Count the rows of one table that meet conditions, or compute sums, means, minima and maxima, for "
    "all of them or for each group of equal values. Without by and outputs it returns the number of rows.",
    "run_sql": "Run one query in SQL ({dialect}). It can only read, and sees all tables. Write values as :name, and "
    "give them in parameters. truncated of the result says that there are more rows. Use it for joins that the other "
    "tools cannot do.",
    "insert_rows": "Add rows to one table, all of them or none. {preview}",
    "update_rows": "Set columns of the rows with these keys, all of them or none. {preview}",
    "delete_rows": "Delete the rows with these keys, all of them or none. {preview}",
}
_PREVIEW: Final = (
    "A call without confirm stores nothing: it returns the rows before and after, and a text in confirm. To store the "
    "change, call again with the same arguments and this confirm."
)


def schemas_of(
    tables: Mapping[str, ExposedTable], rows: int, aggregates: Sequence[str], periods: Sequence[str], dialect: str
) -> dict[str, tuple[str, Schema]]:
    """Return a description and a schema for each tool.

    Args:
        tables: the tables that are shown.
        rows: rows of the largest result.
        aggregates: the functions of groups.
        periods: the periods of groups.
        dialect: the name of the SQL of the database.
    """
    parts = _arguments(tables, rows, aggregates, periods)
    arguments: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "list_tables": ((), ()),
        "describe_table": (("table",), ()),
        "read_rows": (("table",), ("where", "select", "order", "limit", "after")),
        "search_rows": (("table", "text"), ("where", "limit")),
        "group_rows": (("table",), ("by", "outputs", "where", "order", "limit")),
        "run_sql": (("query",), ("parameters",)),
        "insert_rows": (("table", "rows"), ("confirm",)),
        "update_rows": (("table", "keys", "values"), ("confirm",)),
        "delete_rows": (("table", "keys"), ("confirm",)),
    }
    return {
        name: (
            _DESCRIPTIONS[name].format(dialect=dialect, preview=_PREVIEW),
            {
                "type": "object",
                "properties": {part: parts[part] for part in (*required, *optional)},
                "required": list(required),
                "additionalProperties": False,
            },
        )
        for name, (required, optional) in arguments.items()
    }


def _arguments(
    tables: Mapping[str, ExposedTable], rows: int, aggregates: Sequence[str], periods: Sequence[str]
) -> dict[str, Schema]:
    names: Schema = {"type": "array", "items": {"type": "string"}}
    output = {
        "type": "object",
        "properties": {
            "function": {"enum": list(aggregates)},
            "column": {"type": "string", "description": "needed by all functions but count"},
        },
        "required": ["function"],
        "additionalProperties": False,
    }
    key = {
        "type": ["string", "integer", "array"],
        "description": "the value of the key column of a row; of a key of several columns the list of their values",
    }
    of_periods = ", ".join([f"{one}(at)" for one in periods])
    return {
        "table": {"enum": list(tables), "description": "the name of a table or view"},
        "where": {
            "type": "object",
            "description": "conditions, all of which hold: a column equals a value, or one of a list; with an operator "
            'after two underscores it is compared. {"city": "Berlin", "age__gte": 18, "name__contains": "a", '
            '"boss__null": true, "author_id.name": ["Ada", "Bob"]}. Operators: ne, gt, gte, lt, lte, in, null, and for '
            "text contains and startswith",
        },
        "select": {**names, "description": 'columns to return, such as ["title", "author_id.name"]; all by default'},
        "order": {**names, "description": 'columns to sort by; "-age" is descending'},
        "limit": {"type": "integer", "minimum": 1, "maximum": rows, "description": "rows of the result"},
        "after": {"type": ["string", "null"], "description": "next of the result before this one"},
        "text": {"type": "string", "description": 'words that all have to be there: words "a phrase" -without begin*'},
        "by": {
            **names,
            "description": f"columns whose equal values make a group, or periods of a date or time: {of_periods}",
        },
        "outputs": {
            "type": "object",
            "additionalProperties": output,
            "description": "what to compute, by names of your choice: "
            '{"n": {"function": "count"}, "total": {"function": "sum", "column": "price"}}',
        },
        "query": {"type": "string", "description": "one SELECT"},
        "parameters": {"type": ["object", "array"], "description": 'values of :name, {"name": 1}, or of ?, [1]'},
        "rows": {
            "type": "array",
            "items": {"type": "object"},
            "description": 'the new rows, such as [{"title": "New", "author_id": 1}], without keys that the database '
            "generates",
        },
        "keys": {"type": "array", "items": key},
        "values": {"type": "object", "description": 'columns and their new values, such as {"title": "New"}'},
        "confirm": {"type": "string", "description": "confirm of the preview, to store the change"},
    }
