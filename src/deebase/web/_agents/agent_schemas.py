"""The description of each tool for agents, and the JSON Schemas of their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deebase.web._rest.exposed_table import ExposedTable

Schema = dict[str, Any]


def schemas_of(
    tables: Mapping[str, ExposedTable], rows: int, aggregates: Sequence[str], periods: Sequence[str]
) -> dict[str, tuple[str, Schema]]:
    """Return a description and a schema for each tool.

    Args:
        tables: the tables that are shown.
        rows: rows of the largest result.
        aggregates: the functions of groups.
        periods: the periods of groups.
    """
    parts = _arguments(tables, rows, aggregates, periods)
    confirm = "Without confirm it is only a preview, and nothing is stored. "
    described = {
        "list_tables": "List the tables and views with their columns.",
        "describe_table": "Describe the columns of a table: types, keys, references, and the conditions they have.",
        "read_rows": "Read rows of a table with conditions, in an order, page by page.",
        "search_rows": "Find rows by words: full-text search, the best hits first. It needs a search index.",
        "group_rows": "Count and sum groups of rows.",
        "run_sql": "Run one query in SQL. It can only read.",
        "insert_rows": f"{confirm}Add rows to a table, all of them or none.",
        "update_rows": f"{confirm}Set columns of the rows with these keys, all of them or none.",
        "delete_rows": f"{confirm}Delete the rows with these keys, all of them or none.",
    }
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
            described[name],
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
        "properties": {"function": {"enum": list(aggregates)}, "column": {"type": "string"}},
        "required": ["function"],
        "additionalProperties": False,
    }
    key = {"type": ["string", "integer", "array"], "description": "a key, or a list of its parts"}
    of_periods = ", ".join([f"{one}(at)" for one in periods])
    return {
        "table": {"enum": list(tables)},
        "where": {
            "type": "object",
            "description": 'conditions: {"city": "Berlin", "age__gte": 18, "name__contains": "a", "boss__null": true}; '
            "operators: ne, gt, gte, lt, lte, in, null, contains, startswith; a path to a related row: author_id.name",
        },
        "select": {**names, "description": "columns to return"},
        "order": {**names, "description": 'columns to sort by, "-age" is descending'},
        "limit": {"type": "integer", "minimum": 1, "maximum": rows},
        "after": {"type": ["string", "null"], "description": "next of the page before"},
        "text": {"type": "string", "description": 'words, "phrases", -without, prefix*'},
        "by": {
            **names,
            "description": f"columns, or periods of a column: {of_periods}",
        },
        "outputs": {"type": "object", "additionalProperties": output, "description": "results by names of yours"},
        "query": {"type": "string"},
        "parameters": {"type": ["object", "array"], "description": "values of :name or of ?"},
        "rows": {"type": "array", "items": {"type": "object"}, "description": "columns and their values"},
        "keys": {"type": "array", "items": key},
        "values": {"type": "object", "description": "columns and their new values"},
        "confirm": {"type": "string", "description": "confirm of the preview, to store the change"},
    }
