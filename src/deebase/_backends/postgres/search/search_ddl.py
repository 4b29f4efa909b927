"""The full-text search of a PostgreSQL table: a column with its words that no row shows, and a GIN index.

The server computes the column. With a configuration of the user, whose dictionaries may change, a trigger does. A
search for parts of texts needs no column, but an index over trigrams. The comment on the index says what a search is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from deebase._backends.postgres.catalog_queries import qualified
from deebase._backends.protocols import Query, Steps
from deebase._backends.search_notes import NOTE, note, noted, read_note
from deebase._model.change import Change
from deebase._model.facts import TableInfo
from deebase._model.generated_names import shortened
from deebase._rows.model import SearchModel
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier, literal
from deebase._sqltext.tokens import code_tokens
from deebase.errors import DeeBaseError, InvalidOperationError, ValidationError
from deebase.types import Search

#: The column with the words of a row.
COLUMN = "deebase_search"
VECTOR = "tsvector"
#: Only spaces separate words in every locale of the server: other separators become spaces.
_SPACES = (
    *(range(0x21, 0x30), range(0x3A, 0x41), range(0x5B, 0x61), range(0x7B, 0x7F), (0xA0, 0xA1, 0xA7, 0xAB, 0xB6)),
    *((0xB7, 0xBB, 0xBF), range(0x2010, 0x2028), range(0x2030, 0x205F), range(0x3000, 0x3004), range(0x3008, 0x3012)),
    *(
        range(0x3014, 0x3020),
        range(0xFF01, 0xFF10),
        range(0xFF1A, 0xFF21),
        range(0xFF3B, 0xFF41),
        range(0xFF5B, 0xFF66),
    ),
)
_SEPARATORS = "".join([chr(code) for codes in _SPACES for code in codes])
_LABELS = "ABCD"
_CONFIGURATIONS = qualified("""
    SELECT n.nspname::text, c.cfgname::text FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace
    WHERE pg_ts_config_is_visible(c.oid) OR n.nspname = $1
""")
_EXTENSION = "CREATE EXTENSION IF NOT EXISTS pg_trgm"
#: A condition on an index ``i``: it is that of a search.
IS_SEARCH = f"starts_with(obj_description(i.indexrelid, 'pg_class'), '{NOTE} ')"
#: A condition on a column ``a`` of a catalog: it has the words of a search.
IS_WORDS = f"a.attname = '{COLUMN}' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND {IS_SEARCH})"
_FUNCTION = qualified(f"""
    SELECT obj_description(i.indexrelid, 'pg_class') FROM pg_index i
    WHERE i.indrelid = to_regclass($1)::oid AND {IS_SEARCH}
""")
_BUILT_IN = "pg_catalog"


def configuration(search: Search) -> str:
    """Return the text search configuration as SQL."""
    language = search.language or "simple"
    name = language if "." in language else f"{_BUILT_IN}.{language}"
    return f"{literal(name, POSTGRES)}::regconfig"


def _classes(search: Search) -> dict[float, str]:
    """Return the class of words of each weight."""
    return dict(zip(sorted(set(search.all_weights), reverse=True), _LABELS, strict=False))


def rank_weights(search: Search) -> list[float]:
    """Return the weights of the classes from D to A, as ``ts_rank`` takes them: 1 at most."""
    weights = list(_classes(search))
    return [weight / weights[0] for weight in [*weights, *[weights[-1]] * len(_LABELS)][: len(_LABELS)]][::-1]


def new_index(facts: TableInfo, taken: Collection[str]) -> str:
    """Return a free name for the index."""
    name, n = shortened(f"{facts.name}_search"), 1
    while name in taken:
        n += 1
        name = shortened(f"{facts.name}_search_{n}")
    return name


def described(facts: TableInfo, search: Search, taken: Collection[str]) -> Steps[SearchModel]:
    """Return the search that ``enabled`` makes.

    Raises:
        ValidationError: the server has no such configuration.
        InvalidOperationError: it has no trigrams, or a column has the name of that with the words.
    """
    index = new_index(facts, taken)
    if search.tokenize == "trigram":
        try:
            yield Query(_EXTENSION, guarded=True)
        except DeeBaseError as error:
            raise InvalidOperationError(
                f"{facts.qualified_name}: tokenize='trigram' needs the extension pg_trgm: {error.message}",
                operation="enable_search",
                target=facts.qualified_name,
                hint="have an administrator install it: CREATE EXTENSION pg_trgm",
            ) from error
        return SearchModel(search, index)
    if any(column.name == COLUMN for column in facts.columns):
        raise InvalidOperationError(
            f"{facts.qualified_name} has a column {COLUMN}, the name of the column that a search adds",
            operation="enable_search",
            target=facts.qualified_name,
            hint="rename the column, or drop it if a search left it",
        )
    is_own = yield from _is_own(facts, search)
    return SearchModel(search, index, function=index if is_own else None)


def _is_own(facts: TableInfo, search: Search) -> Steps[bool]:
    """Whether the configuration is one of the user."""
    schema, _, name = (search.language or "simple").rpartition(".")
    found = yield Query(_CONFIGURATIONS, (schema or _BUILT_IN,), reads=True)
    known = [(str(row[0]), str(row[1])) for row in found]
    if (schema or _BUILT_IN, name) in known:
        return bool(schema) and schema != _BUILT_IN
    listed = sorted({one if where == _BUILT_IN else f"{where}.{one}" for where, one in known})
    raise ValidationError(
        f"{facts.qualified_name}: the server has no text search configuration {search.language!r}",
        field="language",
        value=search.language,
        hint=f"it has {', '.join(listed)}",
    )


def enabled(facts: TableInfo, info: SearchModel) -> list[str]:
    """Return the statements that make a search."""
    search = info.search
    table, index = identifier(facts.schema, facts.name), identifier(info.index)
    if search.tokenize == "trigram":
        listed = ", ".join([f"{identifier(name)} gin_trgm_ops" for name in search.columns])
        return [f"CREATE INDEX {index} ON {table} USING gin ({listed})", _comment(facts, info)]
    column = f"ALTER TABLE {table} ADD COLUMN {identifier(COLUMN)} {VECTOR}"
    words = _words(search, {name: identifier(name) for name in search.columns})
    made = [f"{column} GENERATED ALWAYS AS ({words}) STORED"]
    if info.function is not None:
        made = [column, f"UPDATE {table} SET {identifier(COLUMN)} = {words}", *_trigger(facts, info)]
    indexed = f"CREATE INDEX {index} ON {table} USING gin ({identifier(COLUMN)})"
    return [*made, indexed, _comment(facts, info)]


def disabled(facts: TableInfo, info: SearchModel) -> list[str]:
    """Return the statements that remove a search."""
    table = identifier(facts.schema, facts.name)
    if info.search.tokenize == "trigram":
        return [f"DROP INDEX {identifier(facts.schema, info.index)}"]
    removed = [f"ALTER TABLE {table} DROP COLUMN {identifier(COLUMN)}"]
    if info.function is None:
        return removed
    function = identifier(facts.schema, info.function)
    return [f"DROP TRIGGER {identifier(info.function)} ON {table}", f"DROP FUNCTION {function}()", *removed]


def duplicated(facts: TableInfo, name: str, taken: Collection[str]) -> list[str]:
    """Return the statements that make the search of a copy; LIKE copies all but a trigger and its function."""
    info = facts.search
    if info is None or info.function is None:
        return []
    copy = replace(facts, name=name)
    index = new_index(copy, {*taken, name})
    dropped = f"ALTER TABLE {identifier(facts.schema, name)} DROP COLUMN {identifier(COLUMN)}"
    return [dropped, *enabled(copy, replace(info, index=index, function=index))]


def around(facts: TableInfo, change: Change) -> tuple[list[str], list[str]]:
    """Return the statements before and after a change that the search does not survive.

    The server renames columns in an expression and in an index, but not in a function; and it changes the type of no
    column that another one is computed from.
    """
    info = facts.search
    if info is None:
        return [], []
    names = info.search.columns
    is_renamed = info.function is not None and any(name in change.rename for name in names)
    if not is_renamed and not any(name in change.types for name in names):
        return [], []
    search = info.search.over([change.rename.get(name, name) for name in names])
    return disabled(facts, info), enabled(facts, replace(info, search=search))


def remains(table: sa.Table) -> Steps[list[str]]:
    """Return the statement that drops the function of a search, which a dropped table leaves."""
    rows = yield Query(_FUNCTION, (identifier(table.schema, table.name),), reads=True)
    functions = [(read_note(text) or {}).get("function") for (text,) in rows]
    return [f"DROP FUNCTION {identifier(table.schema, name)}()" for name in functions if isinstance(name, str)]


def _words(search: Search, columns: Mapping[str, str]) -> str:
    """Return the expression of the words of a row; ``columns`` has the SQL of each column."""
    spaces = literal(" " * len(_SEPARATORS), POSTGRES)
    classes = _classes(search)
    return " || ".join(
        [
            f"setweight(to_tsvector({configuration(search)}, translate(coalesce({columns[name]}, ''), "
            f"{literal(_SEPARATORS, POSTGRES)}, {spaces})), '{classes[weight]}')"
            for name, weight in zip(search.columns, search.all_weights, strict=True)
        ]
    )


def _trigger(facts: TableInfo, info: SearchModel) -> Iterable[str]:
    function = identifier(facts.schema, str(info.function))
    words = _words(info.search, {name: f"NEW.{identifier(name)}" for name in info.search.columns})
    body = f"BEGIN\n  NEW.{identifier(COLUMN)} := {words};\n  RETURN NEW;\nEND"
    yield f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {literal(body, POSTGRES)}"
    trigger, table = identifier(str(info.function)), identifier(facts.schema, facts.name)
    yield f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"


def _comment(facts: TableInfo, info: SearchModel) -> str:
    more: dict[str, Any] = {}
    if info.function is not None:
        more = {"function": info.function, "columns": list(info.search.columns)}
    text = literal(note(info.search, **more), POSTGRES)
    return f"COMMENT ON INDEX {identifier(facts.schema, info.index)} IS {text}"


def found(index: str, comment: str | None, columns: Sequence[str | None], computed: str | None) -> SearchModel | None:
    """Return the search that the comment of an index describes.

    Args:
        index: the name of the index.
        comment: its comment.
        columns: its columns.
        computed: the expression of the column with the words, if the server computes it.
    """
    read = read_note(comment or "")
    if read is None:
        return None
    if read.get("function") is not None:
        named: Any = read.get("columns") or ()
    elif read.get("tokenize") == "trigram":
        named = columns
    else:
        code = code_tokens(computed or "", POSTGRES)
        named = [code[place + 2].name for place, token in enumerate(code) if token.word == "COALESCE"]
    search = noted(read, named)
    return None if search is None else SearchModel(search, index, function=read.get("function"))
