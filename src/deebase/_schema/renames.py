"""What a rename of a table or column carries along: names of indexes that DeeBase makes, and columns of views."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import pairwise

from deebase._schema.ddl_edit import index_for
from deebase._schema.ddl_tokens import folded, quoted, spliced, tokens
from deebase._schema.facts import TableFacts
from deebase._schema.names import index_name, shortened

#: What comes before the star of a SELECT, unlike that of count(*) or of a product.
_BEFORE_STAR = ("SELECT", "DISTINCT", "ALL", ",", ".")


def index_renames(facts: TableFacts, table: str, taken: Collection[str]) -> dict[str, str]:
    """Return the new names of indexes whose names were made from that of their table.

    They would be in the way of a new table of the old name.

    Args:
        facts: the table before the change.
        table: the name it gets.
        taken: names that exist.
    """
    result: dict[str, str] = {}
    start = f"ix_{facts.name}_"
    for index in facts.indexes:
        names = [name for name in index.columns if name is not None]
        if index.name.startswith(start):
            new = shortened(f"ix_{table}_{index.name.removeprefix(start)}")
        elif index.name == index_name(facts.name, names):
            new = index_name(table, names)
        else:
            continue
        if new not in (*taken, *result.values()):
            result[index.name] = new
    return result


def renaming_entries(facts: TableFacts, renames: Mapping[str, str]) -> Iterable[str]:
    """Yield the statements that rename indexes in SQLite's schema table, which no ALTER can do."""
    for index in facts.indexes:
        if index.name in renames and index.sql is not None:
            new = renames[index.name]
            sql = _text(index_for(index.sql, new, facts.name))
            yield (
                f"UPDATE sqlite_master SET name = {_text(new)}, sql = {sql}"
                f" WHERE type = 'index' AND name = {_text(index.name)}"
            )


def pinned_views(views: Iterable[TableFacts], columns: Collection[str]) -> Iterable[str]:
    """Yield the statements after which views keep the names of their columns, whatever SQLite renames in their SELECT.

    PostgreSQL notes the names when a view is made. A ``SELECT *`` follows the table on SQLite, and is left as it is.

    Args:
        views: all views.
        columns: the columns that get another name.
    """
    for view in views:
        names = {folded(column.name) for column in view.columns}
        if view.kind != "view" or view.sql is None or not names & {folded(name) for name in columns}:
            continue
        found = tokens(view.sql)
        name, following = found[2], found[3]
        starred = any(
            token.text == "*" and (before.word or before.text) in _BEFORE_STAR for before, token in pairwise(found)
        )
        if following.word != "AS" or starred:
            continue
        listed = ", ".join([quoted(column.name) for column in view.columns])
        pinned = spliced(view.sql, (name.end, name.end, f" ({listed})"))
        yield (f"UPDATE sqlite_master SET sql = {_text(pinned)} WHERE type = 'view' AND name = {_text(view.name)}")


def postgres_renames(facts: TableFacts, renames: Mapping[str, str], quote: Callable[[str], str]) -> Iterable[str]:
    """Yield the statements that rename indexes on PostgreSQL."""
    schema = "" if facts.schema is None else f"{quote(facts.schema)}."
    for old, new in renames.items():
        yield f"ALTER INDEX {schema}{quote(old)} RENAME TO {quote(new)}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
