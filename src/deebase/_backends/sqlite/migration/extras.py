"""The parts of a schema that SQLite stores as text: further clauses of CREATE TABLE, views and triggers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from deebase._backends.migration_protocols import Choices, Connected
from deebase._backends.schema_parts import Feature, SchemaParts, TableDdl, TableParts, ViewState
from deebase._backends.sqlite.script import read_script
from deebase._model.facts import TableInfo
from deebase._model.table_options import SECURE
from deebase._sql.statement import Statement
from deebase._sqltext.create_table import Clause, ColumnText, TableText, parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import literal
from deebase._sqltext.tokens import Token, code_tokens, folded, joined
from deebase.errors import InvalidOperationError

#: Clauses that reflection of the table covers.
_KNOWN = ("NOT NULL", "NULL", "DEFAULT", "")
_FOREIGN = ("REFERENCES", "FOREIGN KEY")
#: The order and the collation of a column decide how the rows of WITHOUT ROWID tables, and the index, are sorted.
_MORE_OF_PRIMARY_KEY = {"AUTOINCREMENT", "CONFLICT", "DESC", "COLLATE"}


async def read_parts(
    database: Connected, tables: Mapping[str, TableInfo], views: Iterable[TableInfo], choices: Choices
) -> SchemaParts:
    """See ``MigrationSupport``."""
    parts = {
        name: TableParts(facts, tuple(_features(facts, choices(name))), _ddl(facts)) for name, facts in tables.items()
    }
    found = {facts.name: _view(facts.name, facts.sql or "") for facts in views}

    async def rows(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await database.fetch(Statement(sql, reads=True), args)

    # SQLite keeps the text of a CREATE statement as it was given.
    return SchemaParts(parts, found, await read_script(rows), canonical=False)


def _key_of(sql: str) -> str:
    """Return SQL in a form that is equal for two texts with the same meaning."""
    return joined(code_tokens(sql, SQLITE))


def _parsed(facts: TableInfo) -> TableText | None:
    """Return the parts of a CREATE TABLE; None for a virtual table, or for the syntax of a newer SQLite."""
    try:
        return parse(facts.sql or "")
    except (InvalidOperationError, IndexError, StopIteration):
        return None


def _features(facts: TableInfo, choices: Mapping[str, Sequence[str]]) -> list[Feature]:
    table = _parsed(facts)
    if table is None:
        return [Feature(_key_of(facts.sql or ""))]
    checks = {_choice(name, texts) for name, texts in choices.items()}
    checks |= {_length(column.name, of[1]) for column in facts.columns if (of := _VARCHAR.fullmatch(column.type))}
    found = [*_of_columns(table), *[(text, None) for text in (*_of_table(table), *table.options)]]
    return [Feature(text, column=column) for text, column in found if text not in checks]


#: A column whose CHECK of the length belongs to its type.
_VARCHAR: Final = re.compile(r"VARCHAR\((\d+)\)")


def _length(name: str, length: str) -> str:
    return f"check ( length ( {folded(name)} ) <= {length} )"


def _choice(name: str, texts: Sequence[str]) -> str:
    listed = " , ".join([literal(text, SQLITE) for text in texts])
    return f"check ( {folded(name)} in ( {listed} ) )"


def _of_columns(table: TableText) -> Iterator[tuple[str, str | None]]:
    for column in table.columns:
        for clause in column.clauses:
            text = _unnamed(clause, table)
            if clause.kind == "CHECK":
                yield text, column.name
            elif clause.kind == "UNIQUE":
                # The same as a table constraint over this column.
                yield text.replace("unique", f"unique ( {folded(column.name)} )", 1), column.name
            elif (more := _more(clause, text)) is not None:
                yield f"{folded(column.name)}: {more}", column.name
        if (quirk := _quirk(table, column)) is not None:
            yield quirk, column.name


def _quirk(table: TableText, column: ColumnText) -> str | None:
    """Return the mark of a single INTEGER key that is not the rowid."""
    key = [clause for clause in column.of("PRIMARY KEY") if any(token.word == "DESC" for token in clause.tokens)]
    return f"{folded(column.name)}: descending key" if key and table.rowid_column is None else None


def _more(clause: Clause, text: str) -> str | None:
    """Return the part of a clause that reflection of the table does not cover."""
    if clause.kind in ("COLLATE", "GENERATED", "DEFERRABLE"):
        return text
    if clause.kind == "PRIMARY KEY" and "autoincrement" in text.split():
        return "autoincrement"
    if clause.kind in _FOREIGN:
        return _of_key(clause)
    if clause.kind in (*_KNOWN, "PRIMARY KEY") and "conflict" in text.split():
        return text
    return None


def _of_table(table: TableText) -> Iterator[str]:
    for clause in table.constraints:
        if clause.tokens[0].word == "CONSTRAINT" and clause.tokens[1].name == SECURE:
            continue
        text = _unnamed(clause, table)
        if clause.kind in ("CHECK", "UNIQUE"):
            yield text
        elif clause.kind in _FOREIGN and (more := _of_key(clause)) is not None:
            yield f"{', '.join(map(folded, clause.columns))}: {more}"
        elif clause.kind == "PRIMARY KEY" and _MORE_OF_PRIMARY_KEY & {token.word for token in clause.tokens}:
            yield text


def _of_key(clause: Clause) -> str | None:
    """Return the part of a foreign key that reflection of the table does not cover."""
    words = [token.word for token in clause.tokens]
    found = [f"match {folded(words[words.index('MATCH') + 1])}"] if "MATCH" in words else []
    if "DEFERRABLE" in words and words[words.index("DEFERRABLE") - 1] != "NOT":
        found.append("initially deferred" if "DEFERRED" in words else "deferrable")
    return " ".join(found) or None


def _unnamed(clause: Clause, table: TableText) -> str:
    named = bool(clause.tokens) and clause.tokens[0].word == "CONSTRAINT"
    columns = {folded(column.name) for column in table.columns}
    return joined([_literal(token, columns) for token in (clause.tokens[2:] if named else clause.tokens)])


def _literal(token: Token, columns: Collection[str]) -> Token:
    """Return the string that a name in double quotes stands for, if no column has this name."""
    is_name = token.kind != "quoted" or not token.text.startswith('"') or folded(token.name) in columns
    return token if is_name else token._replace(kind="string", text=literal(token.name, SQLITE))


def _ddl(facts: TableInfo) -> TableDdl:
    made = (facts.sql or "", *[index.sql for index in facts.indexes if index.sql is not None])
    table = _parsed(facts)
    if table is None:
        return TableDdl(made)
    return TableDdl(made, columns={column.name: table.sql[column.start : column.end] for column in table.columns})


def _view(name: str, sql: str) -> ViewState:
    found = code_tokens(sql, SQLITE)
    start = next((place for place, token in enumerate(found) if token.word == "AS"), None)
    # A list of names before AS is more than a SELECT.
    if start is None or any(token.text == "(" for token in found[:start]):
        return ViewState(name, None, (sql,), False, _key_of(sql))
    return ViewState(name, sql[found[start].end :].strip(), (sql,), False, joined(found[start + 1 :]))
