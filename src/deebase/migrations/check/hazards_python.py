"""Lint of Python: the calls in a module, as far as their arguments are literals."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from deebase._sqltext.capabilities import Capabilities
from deebase.migrations.check import rules
from deebase.migrations.check.hazards_sql import SqlReader, created_by, writes
from deebase.migrations.check.rules import Hazard, hazard
from deebase.migrations.files import MigrationFile
from deebase.migrations.loading import is_one_transaction
from deebase.types import snake_case


def is_transactional(file: MigrationFile) -> bool:
    """Whether a migration runs in one transaction, as far as its text shows."""
    if file.suffix == ".sql":
        return is_one_transaction(file)
    try:
        body = ast.parse(file.text).body
    except (SyntaxError, ValueError):
        return True
    assigned = {
        (target.id, node.value.value)
        for node in body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return ("transactional", False) not in assigned and ("resumable", True) not in assigned


class Reader:
    """Reads the calls in a module, except those of its other direction.

    Args:
        file: the migration.
        database: the database.
        down: read its downgrade, and leave its upgrade out.
        transactional: whether it runs in one transaction.
        bounded: whether waits for a lock have a limit.
    """

    def __init__(
        self,
        file: MigrationFile,
        database: Capabilities,
        *,
        down: bool = False,
        transactional: bool = True,
        bounded: bool = True,
    ) -> None:
        self._database = database
        #: Reads the SQL in its calls.
        self.sql: SqlReader = SqlReader(database, transactional=transactional, bounded=bounded)
        self._first_line = 1 if file.seal is None else 2
        try:
            body = ast.parse(file.text).body
        except (SyntaxError, ValueError):
            body = []  # loading the file reports the error
        left_out = "upgrade" if down else "downgrade"
        kept = [node for node in body if getattr(node, "name", None) != left_out]
        self._calls = [node for part in kept for node in ast.walk(part) if isinstance(node, ast.Call)]
        #: The tables that the migration creates itself.
        self.created: set[str] = {
            name for call in self._calls if not _is_true(_keyword(call, "replace")) for name in self._created(call)
        }

    def _created(self, call: ast.Call) -> Iterator[str]:
        method = _method(call)
        if method in ("create", "create_all"):
            given = _text(_keyword(call, "name"))
            for argument in call.args:
                if isinstance(argument, ast.Name):
                    yield given or snake_case(argument.id)
        elif method in _SQL:
            yield from created_by(_text(_argument(call)) or "", self._database)

    def hazards(self) -> Iterator[Hazard]:
        """Yield the hazards, in the order of lines."""
        # By the names before the migration, which are those that the database knows.
        tables: dict[str | None, str | None] = {}
        columns: dict[tuple[str | None, str | None], str | None] = {}
        for call in sorted(self._calls, key=lambda call: call.lineno):
            line = call.lineno + self._first_line - 1
            for found in self._of_call(call):
                table = tables.get(found.table, found.table)
                column = columns.get((table, found.column), found.column)
                yield replace(found, line=line, table=table, column=column)
            now = _accessed(call)[0]
            table, first = tables.get(now, now), _text(_argument(call))
            if _method(call) == "rename_column":
                columns[table, _text(_argument(call, 1))] = columns.get((table, first), first)
            elif _method(call) == "rename":
                tables[first] = table

    def writes_rows(self) -> bool:
        """Whether it writes rows."""
        return any(
            _method(call) in _WRITING
            or (isinstance(call.func, ast.Name) and call.func.id == "chunked")
            or (_method(call) in _SQL and writes(_text(_argument(call)) or "", self._database))
            for call in self._calls
        )

    def _of_call(self, call: ast.Call) -> Iterator[Hazard]:
        method = _method(call)
        if method in _SQL:
            yield from self.sql.read(_text(_argument(call)) or "", call.lineno + self._first_line - 1)
            return
        table, is_view = _accessed(call)
        first = _text(_argument(call))
        if method == "drop":
            yield hazard(rules.DROP_VIEW if is_view else rules.DROP_TABLE, table)
        elif method == "create" and _is_true(_keyword(call, "replace")):
            yield from [hazard(rules.DROP_TABLE, name) for name in self._created(call)]
        elif method == "drop_column":
            yield hazard(rules.DROP_COLUMN, table, first)
        elif method == "truncate" or (method == "delete_where" and _is_true(_keyword(call, "all"))):
            yield hazard(rules.DELETE_ROWS, table)
        elif method in ("rename", "rename_column"):
            yield hazard(rules.RENAME, table, first if method == "rename_column" else None)
        elif method == "create_index":
            yield hazard(rules.INDEX, table)
        elif method == "drop_index":
            yield hazard(rules.DROP_INDEX, table)
        elif method == "refresh" and is_view and not _is_true(_keyword(call, "concurrently")):
            yield hazard(rules.REFRESH, table)
        elif method == "add_column":
            yield from _of_add_column(call, table, first)
        elif method == "transform":
            yield from _of_transform(call, table)


_SQL = ("q", "script", "item")
_WRITING = frozenset(
    {
        *("insert", "insert_all", "update", "update_where", "upsert", "upsert_all", "get_or_create"),
        *("delete", "delete_where", "truncate", "import_file"),
    }
)


def _of_add_column(call: ast.Call, table: str | None, column: str | None) -> Iterator[Hazard]:
    annotation = _argument(call, 1) or _keyword(call, "type")
    written = "" if annotation is None else ast.unparse(annotation)
    if _keyword(call, "default") is None and "None" not in written and "Optional" not in written:
        yield hazard(rules.ADD_NOT_NULL, table, column)
    if _keyword(call, "fk") is not None or "ForeignKey" in written:
        yield hazard(rules.FOREIGN_KEY, table, column)


def _of_transform(call: ast.Call, table: str | None) -> Iterator[Hazard]:
    dropped = _keyword(call, "drop")
    if dropped is not None:
        for column in _texts(dropped) or [None]:
            yield hazard(rules.DROP_COLUMN, table, column)
    refusing = _keyword(call, "not_null")
    if isinstance(refusing, ast.Dict):
        pairs = zip(refusing.keys, refusing.values, strict=True)
        yield from [hazard(rules.SET_NOT_NULL, table, _text(key)) for key, value in pairs if _is_true(value)]
    elif refusing is not None:
        yield from [hazard(rules.SET_NOT_NULL, table, column) for column in _texts(refusing) or [None]]
    for keyword, rule in (
        ("rename", rules.RENAME),
        ("types", rules.CHANGE_TYPE),
        ("add_foreign_keys", rules.FOREIGN_KEY),
    ):
        if _keyword(call, keyword) is not None:
            yield hazard(rule, table)


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _argument(call: ast.Call, place: int = 0) -> ast.expr | None:
    return call.args[place] if len(call.args) > place else None


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _texts(node: ast.expr) -> list[str | None]:
    return [_text(item) for item in node.elts] if isinstance(node, (ast.List, ast.Tuple, ast.Set)) else [_text(node)]


def _is_true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _accessed(call: ast.Call) -> tuple[str | None, bool]:
    """Return the table of ``db.t["x"].method()`` or ``db.t.x.method()``, and whether it is a view, as in ``db.v``."""
    handle = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(handle, ast.Subscript):
        name, accessor = _text(handle.slice), handle.value
    elif isinstance(handle, ast.Attribute):
        name, accessor = handle.attr, handle.value
    else:
        return None, False
    kind = accessor.attr if isinstance(accessor, ast.Attribute) else ""
    return (name, kind == "v") if kind in ("t", "v") else (None, False)
