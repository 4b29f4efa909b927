"""What an agent can do with a database: tools that take and return JSON, within limits."""

from __future__ import annotations

# Arguments of agents may be anything, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from deebase import ConfigurationError, Database, InvalidOperationError, NotFoundError, ValidationError, View
from deebase.queries import avg, count, day, hour, max_, min_, month, sum_, year
from deebase.web._agents.agent_schemas import Schema, schemas_of
from deebase.web._rest.api_limits import Limits
from deebase.web._rest.exposed_table import ExposedTable
from deebase.web._rest.json_forms import encode_rows, encoders_of, written
from deebase.web._rest.problem_details import Problem, not_found
from deebase.web.access_rules import Access, Source

_AGGREGATES: Final[dict[str, Callable[..., Any]]] = {
    "count": count,
    "sum": sum_,
    "avg": avg,
    "min": min_,
    "max": max_,
}
_PERIODS: Final[dict[str, Callable[..., Any]]] = {"year": year, "month": month, "day": day, "hour": hour}
_PERIOD: Final = re.compile(rf"(?P<period>{'|'.join(_PERIODS)})\((?P<column>.+)\)")
#: Characters of the longest text in a result, and values of one condition.
_LONGEST_TEXT: Final = 2000
_MOST_VALUES: Final = 200
#: Rows of the largest change.
_MOST_CHANGES: Final = 100


@dataclass(frozen=True)
class AgentLimits:
    """What one call of a tool may cost.

    Attributes:
        rows: rows of the largest result.
        seconds: how long a statement may take.
        size: bytes of the largest result.
    """

    rows: int = 200
    seconds: float = 2.0
    size: int = 1_000_000

    def __post_init__(self) -> None:
        value: Any
        for value in (self.rows, self.seconds, self.size):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
                raise ConfigurationError("a limit of agents is a positive number", hint="AgentLimits(rows=200)")


@dataclass(frozen=True)
class Tool:
    """A tool: its description for agents, and what it does.

    Attributes:
        name: the name of the tool.
        description: what it does.
        schema: the JSON Schema of its arguments.
        run: does it.
        writes: whether it may change rows.
    """

    name: str
    description: str
    schema: Schema
    run: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
    writes: bool = False


class _Undo(Exception):
    """Leaves a transaction whose changes are only a preview."""


class AgentTools:
    """The tools for some tables of a database.

    Args:
        db: the database, whose tables have been reflected.
        tables: what can be done with each table or view.
        sql: whether the agent may write queries in SQL. They see all tables.
        limits: what one call may cost.
    """

    def __init__(self, db: Database, tables: Mapping[str, Access], *, sql: bool, limits: AgentLimits) -> None:
        self._db = db
        self._limits = limits
        page = min(50, limits.rows)
        bounds = Limits(page=page, max_page=min(limits.rows, 10_000), values=_MOST_VALUES)
        sources = {name: db.t[name] if name in db.t else db.v[name] for name in tables}
        self._tables = {
            name: ExposedTable(sources[name], _with_related(sources[name], access, tables, sources), bounds)
            for name, access in tables.items()
        }
        #: What is returned of a row unless columns are named.
        self._usual = {
            name: list(one.grant.columns if isinstance(tables[name].read, bool) else one.grant.readable)
            for name, one in self._tables.items()
        }
        for name, access in tables.items():
            if callable(access.scope):
                raise ConfigurationError(f"the scope of {name} is a dict: an agent is no user", hint="scope={...}")
        language = db.dialect.dialect_description.partition("+")[0]
        schemas = schemas_of(self._tables, limits.rows, sorted(_AGGREGATES), sorted(_PERIODS), language)
        runs: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "list_tables": self._list_tables,
            "describe_table": self._describe,
            "read_rows": self._read,
            "search_rows": self._search,
            "group_rows": self._group,
        }
        if sql:
            runs["run_sql"] = self._sql
        insertable = [one for one in self._tables.values() if one.grant.insert]
        if insertable:
            runs["insert_rows"] = self._insert
        if any(one.grant.writable and one.keys for one in self._tables.values()):
            runs["update_rows"] = self._update
        if any(one.grant.delete and one.keys for one in self._tables.values()):
            runs["delete_rows"] = self._delete
        #: The tools by their names.
        self.tools = {
            name: Tool(name, schemas[name][0], schemas[name][1], run, writes=name in _WRITES)
            for name, run in runs.items()
        }

    # -- reading -------------------------------------------------------------------------------

    async def _list_tables(self, given: dict[str, Any]) -> dict[str, Any]:
        return {
            "tables": [
                {
                    "name": name,
                    "columns": list(one.grant.columns),
                    "key": list(one.keys),
                    "search": one.has_search,
                    "insert": one.grant.insert,
                    "update": bool(one.grant.writable) and bool(one.keys),
                    "delete": one.grant.delete and bool(one.keys),
                }
                for name, one in self._tables.items()
            ]
        }

    def _table(self, given: Mapping[str, Any]) -> ExposedTable:
        name = given.get("table")
        if not isinstance(name, str) or name not in self._tables:
            raise ValidationError(
                "the table does not exist, or is not shown", field="table", hint=f"one of {', '.join(self._tables)}"
            )
        return self._tables[name]

    async def _describe(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        columns = [
            {
                "name": column.name,
                "schema": one.forms[column.name].schema,
                "key": column.name in one.keys,
                "writable": column.name in one.input_forms,
                **({"references": ".".join(column.references)} if column.references else {}),
            }
            for column in one.columns
            if column.name in one.grant.columns
        ]
        conditions = [name for name, (column, _) in one.readable.parameters.items() if column.name in one.grant.columns]
        return {
            "table": given["table"],
            "columns": columns,
            "conditions": conditions,
            "related": list(one.grant.paths),
            "search": list(one.source.searchable) if one.has_search else [],
        }

    def _limit(self, given: Mapping[str, Any]) -> int:
        limit = given.get("limit", min(50, self._limits.rows))
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= self._limits.rows:
            raise ValidationError(f"limit is a number from 1 to {self._limits.rows}", field="limit")
        return limit

    def _reading(self, rows: int) -> Any:
        """Open a block that can only read, in which a statement may return so many rows."""
        return self._db.read_only(seconds=self._limits.seconds, rows=rows + 1, size=self._limits.size)

    def _handle(self, db: Database, one: ExposedTable) -> Any:
        name = one.source.name
        source: Any = db.t[name] if name in db.t else db.v[name]
        handle = source.rows_as(dict)
        scope: Any = one.access.scope
        return handle.xtra(**scope) if scope else handle

    def _named(self, one: ExposedTable, given: Mapping[str, Any], key: str, known: Sequence[str]) -> list[str]:
        names: Any = given.get(key)
        names = [names] if isinstance(names, str) else names or []
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValidationError(
                f"{key} names {unknown[0]!r}, which is not a column of {one.source.name}",
                field=key,
                hint=f"one of {', '.join([name for name in known if not str(name).startswith('-')])}",
            )
        return list(dict.fromkeys(names))

    async def _read(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        where, conditions = one.readable.conditions_of(given.get("where") or {}, _MOST_VALUES)
        names = self._named(one, given, "select", list(one.forms)) or self._usual[given["table"]]
        sortable = [*one.readable.sortable, *[f"-{name}" for name in one.readable.sortable]]
        order = self._named(one, given, "order", sortable) or None
        limit = self._limit(given)
        async with self._reading(limit + 1) as ro:
            handle = self._handle(ro, one)
            if one.keys:
                after = given.get("after")
                try:
                    page = await handle.page(
                        *conditions, where=where, order_by=order, select=names, size=limit, after=after
                    )
                except ValidationError as error:
                    raise _of_cursor(error) from error
                return {"rows": self._shown(one, page.rows), "next": page.next}
            rows = await handle(*conditions, where=where, order_by=order, select=names, limit=limit)
        return {"rows": self._shown(one, rows), "next": None}

    def _shown(self, one: ExposedTable, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return rows as JSON, without the ends of long texts."""
        made = [{name: row[name] for name in one.forms if name in row} for row in rows]
        names = made[0].keys() if made else ()
        encode_rows(made, [pair for pair in encoders_of(list(one.forms.values())) if pair[0] in names])
        return [{name: _shortened(value) for name, value in row.items()} for row in made]

    async def _search(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        where, conditions = one.readable.conditions_of(given.get("where") or {}, _MOST_VALUES)
        limit = self._limit(given)
        if not one.has_search:
            raise InvalidOperationError(
                f"{one.source.name} has no search",
                hint=f'read_rows with where: {{"column__contains": "text"}}; {self._searchable()}',
            )
        async with self._reading(limit) as ro:
            handle = self._handle(ro, one)
            hits = await handle.search(given.get("text"), *conditions, where=where, limit=limit)
        rows = self._shown(one, [hit.row for hit in hits])
        return {"rows": rows, "scores": [hit.score for hit in hits]}

    def _searchable(self) -> str:
        names = [name for name, one in self._tables.items() if one.has_search]
        return f"tables with a search are {', '.join(names)}" if names else "no table has a search"

    async def _group(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        where, conditions = one.readable.conditions_of(given.get("where") or {}, _MOST_VALUES)
        by: dict[str, Any] = {}
        items: list[str] = given.get("by") or []
        for item in items:
            period = None if item in one.forms else _PERIOD.fullmatch(item)
            (name,) = self._named(one, {"by": period["column"] if period else item}, "by", list(one.forms))
            by[item] = _PERIODS[period["period"]](name) if period else name
        outputs: dict[str, Any] = {}
        usual = {"number" if "count" in by else "count": {"function": "count"}}
        for name, output in (given.get("outputs") or usual).items():
            column = output.get("column")
            if column is not None:
                self._named(one, {"outputs": column}, "outputs", list(one.forms))
            function = _AGGREGATES.get(str(output.get("function")))
            if function is None or (column is None and function is not count):
                raise ValidationError("an output has a function and a column", field="outputs")
            outputs[name] = function() if column is None else function(column)
        order = self._named(one, given, "order", [*by, *outputs, *[f"-{name}" for name in (*by, *outputs)]])
        limit = self._limit(given)
        taken = {"where", "params", "having", "order_by", "limit", "offset"} & set(outputs)
        if taken:
            raise ValidationError(f"an output cannot be called {', '.join(taken)}", field="outputs")
        # A list of conditions holds expressions alone.
        equal = [
            one.columns_by_name[name].expression.in_(value if isinstance(value, list) else [value])
            for name, value in where.items()
        ]
        async with self._reading(limit) as ro:
            handle = self._handle(ro, one)
            rows = await handle.group(
                by,
                where=[*equal, *conditions],
                order_by=order or None,
                limit=limit,
                **outputs,
            )
        return {"groups": _plain(rows)}

    async def _sql(self, given: dict[str, Any]) -> dict[str, Any]:
        query = given.get("query")
        if not isinstance(query, str):
            raise ValidationError("query is SQL text", field="query")
        async with self._db.read_only(
            seconds=self._limits.seconds, rows=self._limits.rows, size=self._limits.size
        ) as ro:
            rows: Any = await ro.q(query, given.get("parameters") or None)
        return {"rows": _plain(rows), "truncated": rows.truncated}

    # -- writing -------------------------------------------------------------------------------

    async def _insert(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        if not one.grant.insert:
            raise self._not_allowed("added to", given["table"], [n for n, t in self._tables.items() if t.grant.insert])
        items = self._items(given, "rows")
        held = _held(one)
        records = [one.values_of(item, (number,), held) for number, item in enumerate(items)]

        async def change(handle: Any) -> tuple[list[Any], list[Any]]:
            await one.must_see_parents(handle, records, held)
            rows = list(await handle.insert_all(records, returning=True))
            await one.must_see_parents(handle, rows, held, stored=True)
            return [], rows

        return await self._changed("insert_rows", one, given, change)

    async def _update(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        if not one.grant.writable:
            raise self._not_allowed(
                "changed in", given["table"], [n for n, t in self._tables.items() if t.grant.writable]
            )
        keys = self._keys(one, given)
        values, held = one.values_of(given.get("values"), (), None), _held(one)
        if not values:
            raise ValidationError("values names nothing to change", field="values")

        async def change(handle: Any) -> tuple[list[Any], list[Any]]:
            before = [await handle.get(key, for_update=True) for key in keys]
            await one.must_see_parents(handle, [values], held)
            rows = [await handle.update(values, pk=key) for key in keys]
            await one.must_see_parents(handle, rows, held, stored=True)
            return before, rows

        return await self._changed("update_rows", one, given, change)

    async def _delete(self, given: dict[str, Any]) -> dict[str, Any]:
        one = self._table(given)
        if not one.grant.delete:
            raise self._not_allowed(
                "deleted from", given["table"], [n for n, t in self._tables.items() if t.grant.delete]
            )
        keys = self._keys(one, given)

        async def change(handle: Any) -> tuple[list[Any], list[Any]]:
            before = [await handle.get(key, for_update=True) for key in keys]
            for key in keys:
                await handle.delete(key)
            return before, []

        return await self._changed("delete_rows", one, given, change)

    def _not_allowed(self, what: str, name: str, others: Sequence[str]) -> InvalidOperationError:
        hint = f"tables that allow it: {', '.join(others)}"
        return InvalidOperationError(f"rows cannot be {what} {name}", operation=what, target=name, hint=hint)

    def _keys(self, one: ExposedTable, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the keys of the rows of a change."""
        keys: list[tuple[Any, ...]] = []
        for item in self._items(given, "keys"):
            parts = tuple(_parts(item))
            try:
                if len(parts) != len(one.keys):
                    raise not_found()
                keys.append(one.key_of(parts))
            except Problem as problem:
                wanted = f"the value of {one.keys[0]}" if len(one.keys) == 1 else f"a list of {', '.join(one.keys)}"
                raise ValidationError(
                    f"{json.dumps(item)} is not a key of {one.source.name}",
                    field="keys",
                    hint=f"each of the keys is {wanted}, as read_rows returns it",
                ) from problem
        return list(dict.fromkeys(keys))

    def _items(self, given: Mapping[str, Any], name: str) -> list[Any]:
        items = given.get(name)
        if not isinstance(items, list) or not 1 <= len(items) <= _MOST_CHANGES:
            raise ValidationError(f"{name} is a list of 1 to {_MOST_CHANGES} items", field=name)
        return items

    async def _changed(
        self,
        tool: str,
        one: ExposedTable,
        given: Mapping[str, Any],
        change: Callable[[Any], Awaitable[tuple[list[Any], list[Any]]]],
    ) -> dict[str, Any]:
        """Make a change in a transaction: kept if the agent confirms what it has seen, otherwise only shown."""
        asked = {name: value for name, value in given.items() if name != "confirm"}
        result: dict[str, Any] = {}
        digest = ""
        try:
            async with self._db.transaction():
                before, after = await change(self._handle(self._db, one))
                result = {"before": self._shown(one, before), "after": self._shown(one, after)}
                # What the change begins with: a new row may get another generated key each time.
                digest = hashlib.blake2b(written([tool, asked, result["before"]]), digest_size=12).hexdigest()
                if given.get("confirm") != digest:
                    raise _Undo
        except _Undo:
            note = "nothing is stored yet: call again with the same arguments and confirm"
            if given.get("confirm") is not None:
                note = "nothing is stored: the rows, or the arguments, are not those of the preview; this is a new one"
            return {"applied": False, "note": note, "confirm": digest, **result}
        except NotFoundError as error:
            raise NotFoundError(
                "a row with one of these keys does not exist", hint="find keys with read_rows"
            ) from error
        return {"applied": True, **result}


_WRITES: Final = frozenset({"insert_rows", "update_rows", "delete_rows"})


def _with_related(
    source: Source, access: Access, tables: Mapping[str, Access], sources: Mapping[str, Source]
) -> Access:
    """Return the access to a table with the columns of the rows that it refers to, as far as these are shown, too."""
    if isinstance(source, View) or not isinstance(access.read, bool):
        return access
    paths: list[str] = []
    for column in source.describe():
        target = column.references[0] if column.references and column.name in list(source.fk) else None
        other = None if target is None else tables.get(target)
        # The scope of this table is all that restricts a path.
        if target is not None and other is not None and (not other.scope or other.scope == access.scope):
            shown = sources[target].columns if isinstance(other.read, bool) else other.read
            paths += [f"{column.name}.{name}" for name in shown if name in sources[target].columns]
    return replace(access, read=[*source.columns, *paths])


def _of_cursor(error: ValidationError) -> ValidationError:
    if error.field != "after":
        return error
    return ValidationError(
        "after is not next of a result with the same where and order",
        field="after",
        hint="leave after out to read from the beginning",
    )


def _held(one: ExposedTable) -> frozenset[str]:
    """Return the columns of the scope of a table."""
    scope: Any = one.access.scope
    return frozenset(scope or ())


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:_LONGEST_TEXT]}... ({len(value)} characters)"
    return value


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of any columns with short texts."""
    return [{name: _shortened(value) for name, value in row.items()} for row in rows]


def _parts(key: Any) -> list[str]:
    """Return the parts of a key as texts."""
    return [part if isinstance(part, str) else str(part) for part in (key if isinstance(key, list) else [key])]
