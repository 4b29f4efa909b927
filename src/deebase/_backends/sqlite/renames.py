"""What else a rename of a table or column changes in SQLite: names of generated indexes, and columns of views."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise

from sqlalchemy.engine import Dialect

from deebase._backends.alter import index_renames
from deebase._backends.sqlite.rebuild import SchemaRow
from deebase._backends.sqlite.table_edits import index_for
from deebase._model.facts import TableInfo
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens, folded, spliced

#: What comes before the star of a SELECT, unlike that of count(*) or of a product.
_BEFORE_STAR = ("SELECT", "DISTINCT", "ALL", ",", ".")


def rename_steps(facts: TableInfo, new: str, taken: Collection[str], dialect: Dialect) -> list[tuple[str, str]]:
    """Return the statements that rename a table, each with the one that undoes it."""
    quote = dialect.identifier_preparer.quote
    old, after = quote(facts.name), quote(new)
    steps = [(f"ALTER TABLE {old} RENAME TO {after}", f"ALTER TABLE {after} RENAME TO {old}")]
    definitions = {index.name: index.sql for index in facts.indexes}
    for index, name in index_renames(facts, new, taken).items():
        sql = definitions[index]
        if sql is not None:
            # SQLite renames no index.
            steps.append((f"DROP INDEX {quote(index)}", index_for(sql, index, new)))
            steps.append((index_for(sql, name, new), f"DROP INDEX {quote(name)}"))
    return steps


def pinned_views(views: Iterable[TableInfo], entries: Sequence[SchemaRow], columns: Collection[str]) -> Iterable[str]:
    """Yield the statements after which views keep the names of their columns, whatever SQLite renames in their SELECT.

    A ``SELECT *`` follows the table, and is left as it is.

    Args:
        views: all views.
        entries: the rows of sqlite_schema.
        columns: the columns that get another name.
    """
    for view in views:
        names = {folded(column.name) for column in view.columns}
        if view.kind != "view" or view.sql is None or not names & {folded(name) for name in columns}:
            continue
        found = code_tokens(view.sql, SQLITE)
        name, following = found[2], found[3]
        starred = any(
            token.text == "*" and (before.word or before.text) in _BEFORE_STAR for before, token in pairwise(found)
        )
        if following.word != "AS" or starred:
            continue
        listed = ", ".join([identifier(column.name) for column in view.columns])
        yield f"DROP VIEW {identifier(view.name)}"
        yield spliced(view.sql, (name.end, name.end, f" ({listed})"))
        # DROP VIEW dropped them.
        yield from [str(entry.sql) for entry in entries if entry.kind == "trigger" and entry.table == view.name]
