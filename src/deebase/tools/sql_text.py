"""SQL text that people write: its parameters, its result, its plan, and the place of an error in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any, Literal

from deebase._engine.core import core_of
from deebase._rows.arrow_columns import kind_of_values
from deebase._sql.binding import bind_text
from deebase._sql.raw import kind_named
from deebase._sql.sql_rules import PlanStep, rules_of
from deebase._sql.statement import Statement
from deebase._sqltext.placeholders import scan
from deebase._sqltext.tokens import code_tokens
from deebase._tables.raw_sql import RawResult
from deebase._tables.read_only_sql import raw_sql_on
from deebase._types.base import ColumnType
from deebase._types.text import Text
from deebase.database import Database
from deebase.errors import DatabaseError, DeeBaseError, ValidationError

__all__ = ["PlanStep", "RawResult", "bound", "error_place", "export", "parameters", "plan", "run"]

PlanStep.__module__ = RawResult.__module__ = __name__

#: A number as JSON writes it: a text with a leading zero, or with an exponent, is more likely a name.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d+)?", re.ASCII)
#: How the databases name what they do not understand.
_NAMED = re.compile(r'near "(.+?)"|no such (?:column|table|function|module|index): (?:\w+\.)?(.+)|ambiguous .*: (.+)')


def parameters(db: Database, sql: str) -> tuple[str, ...]:
    """Return the names of the parameters of a SQL text, ``:name``, in their order.

    Args:
        db: the database that the text is for.
        sql: one statement.

    Raises:
        ValidationError: the text has a character that cannot be sent.

    Example:
        ```python
        assert parameters(db, "SELECT * FROM post WHERE views > :least") == ("least",)
        ```
    """
    found = scan(sql, core_of(db).capabilities.tokens)
    return tuple(dict.fromkeys([name for name in found.holes if name is not None]))


async def bound(db: Database, sql: str, texts: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the values that texts of people stand for, as the parameters of a SQL text.

    PostgreSQL says which type it expects. For SQLite, whose parameters have none, a text that is written like a number
    is one, ``true`` and ``false`` are 1 and 0, and quotes make a text of what is between them: ``"42"``.

    Args:
        db: the database that the text is for.
        sql: one statement; nothing is run.
        texts: by the names of the parameters; None for NULL.

    Raises:
        ValidationError: a text is not a value of the type that PostgreSQL expects, or a parameter has no text.
        QueryError: PostgreSQL does not understand the statement.

    Example:
        ```python
        values = await bound(db, "SELECT * FROM post WHERE views > :least", {"least": "30"})
        assert values == {"least": 30}
        ```
    """
    names = parameters(db, sql)
    text, _ = bind_text(sql, {name: texts.get(name) for name in names}, core_of(db).capabilities.tokens)
    missing = [name for name in names if name not in texts]
    if missing:
        raise ValidationError(f"no value is given for :{missing[0]}", field=missing[0], hint="give it one")
    kinds = await _parameter_types(db, text) if names else []
    if not kinds:
        return {name: None if (given := texts[name]) is None else _guessed(given) for name in names}
    return {
        name: None if (given := texts[name]) is None else _typed(name, given, kind)
        for name, kind in zip(names, kinds, strict=True)
    }


async def _parameter_types(db: Database, text: str) -> list[str]:
    executor = core_of(db).executor
    lane = await executor.lanes().acquire("the types of parameters", write=False)
    try:
        return await lane.parameter_types(text)
    except BaseException as error:
        executor.raise_translated(error, Statement(text))
    finally:
        lane.release()


def _guessed(text: str) -> Any:
    if text in ("true", "false"):
        return int(text == "true")
    if _NUMBER.fullmatch(text):
        return json.loads(text)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _typed(name: str, text: str, type_name: str) -> Any:
    kind = kind_named(type_name)
    if kind is None:
        return text
    try:
        return kind.parse(text)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        raise ValidationError(
            f":{name} is not {kind.wanted}",
            field=name,
            hint=f"such as {kind.example}" if kind.example else "the database expects this type",
        ) from None


async def run(db: Database, sql: str, params: Any = None) -> RawResult:
    """Run a SQL text, and return its columns, their types and its rows.

    Args:
        db: the database; that of ``db.read_only()`` for SQL of people that you do not trust.
        sql: as in ``db.q``.
        params: as in ``db.q``.

    Returns:
        The names and rows of the result, also where it has no row; ``truncated`` is true if a limit ended it.

    Raises:
        ValidationError: parameters that do not match the text.
        QueryError: the database refuses the statement.

    Example:
        ```python
        async with db.read_only() as ro:
            result = await run(ro, "SELECT id, title FROM post")
        ```
    """
    return await raw_sql_on(core_of(db)).result(sql, params)


async def plan(db: Database, sql: str, params: Any = None) -> tuple[PlanStep, ...]:
    """Return the plan of a SQL text as a tree; the statement is not run.

    Args:
        db: as in ``run``.
        sql: one statement.
        params: as in ``db.q``.

    Raises:
        ValidationError: parameters that do not match the text.
        QueryError: the database refuses the statement.

    Example:
        ```python
        for step in await plan(db, "SELECT * FROM post WHERE id = 1"):
            print(step.text, step.rows, step.cost)
        ```
    """
    rules = rules_of(core_of(db).dialect).plans
    result = await run(db, rules.tree(sql), params)
    return rules.steps(result.rows)


async def export(
    result: RawResult,
    target: str | os.PathLike[str] | IO[Any],
    *,
    format: Literal["csv", "tsv", "json", "ndjson", "parquet", "xlsx"] | None = None,
    escape_formulas: bool = False,
    overwrite: bool = False,
) -> int:
    """Write the result of ``run`` to a file.

    Args:
        result: what is written.
        target: as in ``export_file``.
        format: as in ``export_file``.
        escape_formulas: as in ``export_file``.
        overwrite: as in ``export_file``.

    Returns:
        The number of rows.

    Raises:
        InvalidOperationError: the file exists, cannot be written or cannot hold a value, or its format needs a library
            that is not installed.
        ValidationError: an unknown format.

    Example:
        ```python
        await export(await run(db, "SELECT * FROM post"), "posts.csv", overwrite=True)
        ```
    """
    # Here, because zip archives and the like are needed by those alone who export files.
    from deebase._files.exporting import Export

    file = Export(
        target, format=format, delimiter=None, overwrite=overwrite, table="query", escape_formulas=escape_formulas
    )
    return await file.write(_types_of(result), _records(result), None)


def _types_of(result: RawResult) -> dict[str, ColumnType[Any]]:
    types: dict[str, ColumnType[Any]] = {}
    for place, (name, kind) in enumerate(zip(result.names, result.kinds, strict=True)):
        types[name] = kind or kind_of_values([row[place] for row in result.rows]) or Text()
    return types


async def _records(result: RawResult) -> AsyncIterator[dict[str, Any]]:
    for row in result.rows:
        yield dict(zip(result.names, row, strict=True))


def error_place(db: Database, sql: str, error: DeeBaseError) -> tuple[int, int] | None:
    """Return where in a SQL text an error is: the first character and the one after the last.

    PostgreSQL names the character. SQLite names the word, whose first occurrence is meant.

    Args:
        db: the database that raised it.
        sql: the text as it was given to ``run``.
        error: what was raised.

    Returns:
        The place; None if the error names none.

    Example:
        ```python
        try:
            await run(db, "SELECT * FORM post")
        except QueryError as error:
            assert error_place(db, "SELECT * FORM post", error) == (9, 13)
        ```
    """
    if not isinstance(error, DatabaseError):
        return None
    rules = core_of(db).capabilities.tokens
    listed = code_tokens(sql, rules)
    if error.position is not None and error.statement is not None:
        sent = code_tokens(error.statement, rules)
        at = next((n for n, token in enumerate(sent) if token.end >= error.position), len(sent))
        # The statement that was sent may begin with EXPLAIN, and ends as the text does.
        at -= max(0, len(sent) - len(listed))
        return (listed[at].start, listed[at].end) if 0 <= at < len(listed) else None
    named = _NAMED.search(error.message)
    word = next((group for group in named.groups() if group), None) if named is not None else None
    return next(((token.start, token.end) for token in listed if _is_word(token.text, token.name, word)), None)


def _is_word(text: str, name: str, word: str | None) -> bool:
    return word is not None and word in (text, name, text.lower())
