"""What SQLite keeps of a schema as text: what a stored CREATE TABLE says beyond columns and keys, views, triggers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deebase._model.facts import TableInfo
from deebase._sqltext.create_table import Clause, ColumnText, TableText, parse
from deebase._sqltext.tokens import folded, joined, quoted, tokens
from deebase.errors import InvalidOperationError

TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY tbl_name, name"

#: What shows of a clause in the facts of the table.
_KNOWN = ("NOT NULL", "NULL", "DEFAULT", "")
_FOREIGN = ("REFERENCES", "FOREIGN KEY")


def key_of(sql: str) -> str:
    """Return SQL in the form in which two texts of one meaning are the same."""
    return joined(tokens(sql))


def features(facts: TableInfo, choices: Mapping[str, Sequence[str]]) -> list[tuple[str, str | None]]:
    """Return what the text of a table says in addition to columns, keys and indexes, and the column that it belongs to.

    Args:
        facts: the table.
        choices: its columns of an Enum or Literal, whose CHECK belongs to their type.
    """
    try:
        table = parse(facts.sql or "")
    except (InvalidOperationError, IndexError, StopIteration):
        # A virtual table, or one that a newer SQLite has made: as a whole.
        return [(key_of(facts.sql or ""), None)]
    checks = {_choice(name, texts) for name, texts in choices.items()}
    found = [*_of_columns(table), *[(text, None) for text in (*_of_table(table), *table.options)]]
    return [(text, column) for text, column in found if text not in checks]


def _choice(name: str, texts: Sequence[str]) -> str:
    listed = " , ".join(["'" + text.replace("'", "''") + "'" for text in texts])
    return f"check ( {folded(name)} in ( {listed} ) )"


def _of_columns(table: TableText) -> Iterator[tuple[str, str | None]]:
    for column in table.columns:
        for clause in column.clauses:
            text = _unnamed(clause)
            if clause.kind == "CHECK":
                yield text, column.name
            elif clause.kind == "UNIQUE":
                # The same as one of the table over this column.
                yield text.replace("unique", f"unique ( {folded(column.name)} )", 1), column.name
            elif (more := _more(clause, text)) is not None:
                yield f"{folded(column.name)}: {more}", column.name
        if (quirk := _quirk(table, column)) is not None:
            yield quirk, column.name


def _quirk(table: TableText, column: ColumnText) -> str | None:
    """Tell a single key that is called INTEGER but is not the rowid."""
    key = [clause for clause in column.of("PRIMARY KEY") if any(token.word == "DESC" for token in clause.tokens)]
    return f"{folded(column.name)}: descending key" if key and table.rowid_column is None else None


def _more(clause: Clause, text: str) -> str | None:
    """Return what a clause of a column says that the facts of the table do not."""
    if clause.kind in ("COLLATE", "GENERATED", "DEFERRABLE"):
        return text
    if clause.kind == "PRIMARY KEY" and "autoincrement" in text.split():
        return "autoincrement"
    if clause.kind in _FOREIGN and "deferred" in text.split():
        return "initially deferred"
    if clause.kind in (*_KNOWN, "PRIMARY KEY") and "conflict" in text.split():
        return text
    return None


def _of_table(table: TableText) -> Iterator[str]:
    for clause in table.constraints:
        text = _unnamed(clause)
        if clause.kind in ("CHECK", "UNIQUE"):
            yield text
        elif clause.kind in _FOREIGN and "deferred" in text.split():
            yield f"{', '.join(map(folded, clause.columns))}: initially deferred"
        elif clause.kind == "PRIMARY KEY" and {"autoincrement", "conflict"} & set(text.split()):
            yield text


def _unnamed(clause: Clause) -> str:
    named = bool(clause.tokens) and clause.tokens[0].word == "CONSTRAINT"
    return joined(clause.tokens[2:] if named else clause.tokens)


def ddl(facts: TableInfo) -> tuple[list[str], list[str], dict[str, str]]:
    """Return the statements that make a table again, with its indexes; none for later; and its columns."""
    made = [facts.sql or "", *[index.sql for index in facts.indexes if index.sql is not None]]
    try:
        table = parse(facts.sql or "")
    except (InvalidOperationError, IndexError, StopIteration):
        return made, [], {}
    return made, [], {column.name: table.sql[column.start : column.end] for column in table.columns}


def view(sql: str) -> tuple[str | None, tuple[str, ...], bool, str]:
    """Return the SELECT of a view (None if its columns have names of their own), its SQL, False, and its key."""
    found = tokens(sql)
    start = next((place for place, token in enumerate(found) if token.word == "AS"), None)
    listed = any(token.text == "(" for token in found[:start])
    if start is None or listed:
        return None, (sql,), False, key_of(sql)
    return sql[found[start].end :].strip(), (sql,), False, joined(found[start + 1 :])


def trigger(row: Sequence[object]) -> tuple[str, str, str, str, str]:
    """Return name, table, SQL, the SQL that drops it, and the key of a trigger."""
    name, table, sql = str(row[0]), str(row[1]), str(row[2])
    return name, table, sql, f"DROP TRIGGER {quoted(name)}", key_of(sql)
