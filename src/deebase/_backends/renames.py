"""What a rename of a table or column carries along: names of indexes that DeeBase makes, and columns of views."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import pairwise

from sqlalchemy.engine import Dialect

from deebase._backends.sqlite.ddl import index_for
from deebase._backends.sqlite.rebuild import SchemaRow
from deebase._model.facts import TableInfo
from deebase._model.generated_names import foreign_key_index_name, index_name, shortened
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens, folded, spliced

#: What comes before the star of a SELECT, unlike that of count(*) or of a product.
_BEFORE_STAR = ("SELECT", "DISTINCT", "ALL", ",", ".")


def index_renames(facts: TableInfo, table: str, taken: Collection[str]) -> dict[str, str]:
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
        made = [make for make in (index_name, foreign_key_index_name) if make(facts.name, names) == index.name]
        if made:
            # Also of a name that was too long to be kept whole.
            new = made[0](table, names)
        elif index.name.startswith(start):
            new = shortened(f"ix_{table}_{index.name.removeprefix(start)}")
        else:
            continue
        if new not in (*taken, *result.values()):
            result[index.name] = new
    return result


def rename_steps(facts: TableInfo, new: str, taken: Collection[str], dialect: Dialect) -> list[tuple[str, str]]:
    """Return the statements that rename a table, each with the one that undoes it.

    Args:
        facts: the table before the change.
        new: the name it gets.
        taken: names that exist.
        dialect: the database.
    """
    quote = dialect.identifier_preparer.quote
    schema = "" if facts.schema is None else f"{quote(facts.schema)}."
    old, after = f"{schema}{quote(facts.name)}", f"{schema}{quote(new)}"
    steps = [(f"ALTER TABLE {old} RENAME TO {quote(new)}", f"ALTER TABLE {after} RENAME TO {quote(facts.name)}")]
    definitions = {index.name: index.sql for index in facts.indexes}
    for index, name in index_renames(facts, new, taken).items():
        sql = definitions[index]
        if dialect.name == "postgresql":
            forth = f"ALTER INDEX {schema}{quote(index)} RENAME TO {quote(name)}"
            steps.append((forth, f"ALTER INDEX {schema}{quote(name)} RENAME TO {quote(index)}"))
        elif sql is not None:
            # SQLite renames no index.
            steps.append((f"DROP INDEX {quote(index)}", index_for(sql, index, new)))
            steps.append((index_for(sql, name, new), f"DROP INDEX {quote(name)}"))
    return steps


def pinned_views(views: Iterable[TableInfo], entries: Iterable[SchemaRow], columns: Collection[str]) -> Iterable[str]:
    """Yield the statements after which views keep the names of their columns, whatever SQLite renames in their SELECT.

    PostgreSQL notes the names when a view is made. A ``SELECT *`` follows the table on SQLite, and is left as it is.

    Args:
        views: all views.
        entries: everything in SQLite's schema table.
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
        # They went with the view.
        yield from [str(entry.sql) for entry in entries if entry.kind == "trigger" and entry.table == view.name]
