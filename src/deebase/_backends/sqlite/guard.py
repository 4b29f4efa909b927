"""SQLite's authorizer for read-only statements: at compile time, it rejects all actions that are not listed here.

The connection is ``query_only``, too, which protects the rows from every statement. The authorizer covers what that
setting does not: ATTACH, which creates files, pragmas, and functions that reach beyond the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from deebase._backends.sqlite.casts import FITS, STORED
from deebase._backends.sqlite.sql import SUM
from deebase._sql.read_only import OPERATION, explains
from deebase._sqltext.dialects import SQLITE
from deebase._types.base import KEPT
from deebase._types.forms.arithmetic import COMPUTED
from deebase._types.forms.moment_forms import KINDS
from deebase.errors import InvalidOperationError

_ALLOWED_ACTIONS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
#: Compiled by EXPLAIN, which does not run the statement.
_PLANNED_ACTIONS = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
#: Suffixes of tables whose changes SQLite itself compiles before it reads a virtual table: those of an R*Tree index,
#: and the schema, which no statement changes without writable_schema.
_OWN_TABLES = ("_node", "_rowid", "_parent", "sqlite_master", "sqlite_temp_master")

#: Functions of SQLite itself that read nothing but their arguments and the rows of the statement (sqlite.org:
#: lang_corefunc, lang_aggfunc, windowfunctions, lang_datefunc, lang_mathfunc, json1, fts3, fts5, rtree); and ours.
_FUNCTIONS = frozenset({
    "abs", "changes", "char", "coalesce", "concat", "concat_ws", "format", "glob", "hex", "if", "ifnull", "iif",
    "instr", "last_insert_rowid", "length", "like", "likelihood", "likely", "lower", "ltrim", "match", "max", "min",
    "nullif", "octet_length", "printf", "quote", "random", "randomblob", "regexp", "replace", "round", "rtrim", "sign",
    "soundex", "sqlite_compileoption_get", "sqlite_compileoption_used", "sqlite_source_id", "sqlite_version", "substr",
    "substring", "subtype", "total_changes", "trim", "typeof", "unhex", "unicode", "unistr", "unistr_quote", "unlikely",
    "upper", "zeroblob", "avg", "count", "group_concat", "median", "percentile", "percentile_cont", "percentile_disc",
    "string_agg", "sum", "total", "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag",
    "lead", "first_value", "last_value", "nth_value", "date", "time", "datetime", "julianday", "unixepoch", "strftime",
    "timediff", "current_date", "current_time", "current_timestamp", "acos", "acosh", "asin", "asinh", "atan", "atan2",
    "atanh", "ceil", "ceiling", "cos", "cosh", "degrees", "exp", "floor", "ln", "log", "log10", "log2", "mod", "pi",
    "pow", "power", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc", "json", "jsonb", "json_array",
    "jsonb_array", "json_array_length", "json_error_position", "json_extract", "jsonb_extract", "json_insert",
    "jsonb_insert", "json_object", "jsonb_object", "json_patch", "jsonb_patch", "json_pretty", "json_quote",
    "json_remove", "jsonb_remove", "json_replace", "jsonb_replace", "json_set", "jsonb_set", "json_type", "json_valid",
    "json_group_array", "jsonb_group_array", "json_group_object", "jsonb_group_object", "->", "->>", "bm25",
    "highlight", "matchinfo", "offsets", "rtreedepth", "rtreenode", "snippet",
}) | {COMPUTED, SUM, FITS, STORED, KEPT, *[kind.name for kind in KINDS]}  # fmt: skip

#: Pragmas that return information about the object that their argument names.
_ASKING = frozenset({
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo", "integrity_check",
    "quick_check", "table_info", "table_list", "table_xinfo",
})  # fmt: skip
#: Pragmas that return a list or a setting when they have no argument.
_READING = frozenset({
    "application_id", "auto_vacuum", "automatic_index", "busy_timeout", "cache_size", "cell_size_check",
    "checkpoint_fullfsync", "collation_list", "compile_options", "data_version", "database_list", "defer_foreign_keys",
    "encoding", "foreign_keys", "freelist_count", "fullfsync", "function_list", "hard_heap_limit",
    "ignore_check_constraints", "journal_mode", "journal_size_limit", "locking_mode", "max_page_count", "mmap_size",
    "module_list", "page_count", "page_size", "pragma_list", "query_only", "read_uncommitted", "recursive_triggers",
    "schema_version", "secure_delete", "soft_heap_limit", "synchronous", "temp_store", "threads", "trusted_schema",
    "user_version", "wal_autocheckpoint", "writable_schema",
})  # fmt: skip
_NAMES = {
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_TRANSACTION: "transaction control",
    sqlite3.SQLITE_SAVEPOINT: "transaction control",
}


class SqliteGuard:
    """The authorizer of one statement.

    Args:
        sql: the statement.
        added: functions of the application that it may call, too.
    """

    def __init__(self, sql: str, added: Collection[str] = ()) -> None:
        self._added = added
        self._actions = _ALLOWED_ACTIONS | (_PLANNED_ACTIONS if explains(sql, SQLITE) else set[int]())
        self._refused: str | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, _database: str | None, _by: str | None
    ) -> int:
        """Allow or refuse one action (sqlite.org/c3ref/c_alter_table.html explains the arguments)."""
        if action in self._actions or (action in _PLANNED_ACTIONS and (first or "").endswith(_OWN_TABLES)):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            name = (second or "").lower()
            allowed, what = name in _FUNCTIONS or name in self._added, f"the function {second}"
        elif action == sqlite3.SQLITE_PRAGMA:
            name = (first or "").lower()
            allowed, what = name in _ASKING or (name in _READING and second is None), f"PRAGMA {first}"
        else:
            allowed, what = False, _NAMES.get(action, "a statement that changes the database")
        if allowed:
            return sqlite3.SQLITE_OK
        self._refused = self._refused or what
        return sqlite3.SQLITE_DENY

    def refusal(self) -> InvalidOperationError | None:
        """Return the error for the first action that was refused, or None."""
        if self._refused is None:
            return None
        return InvalidOperationError(
            f"{self._refused} is not among what only reads", operation=OPERATION, hint="SELECT reads rows"
        )
