"""The full-text search of a SQLite table: an FTS5 table, and the triggers that keep it.

FTS5 stores the texts itself, under the rowid of the row. With "external content" it would read them from the table;
but INSERT OR REPLACE fires no trigger for the row that it deletes, and passes its conflict handling on to the
triggers, so that such an index keeps the words of the old row and its counts are wrong afterwards. Where the key is not
the rowid, which VACUUM may change, a further table gives each key a number.

The columns of the FTS5 table are numbered, and only the triggers name those of the table: SQLite renames them there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from deebase._backends.schema_script import SchemaObject
from deebase._backends.search_notes import NOTE, note, noted, read_note
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._rows.model import SearchModel
from deebase._sqltext.create_table import parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier, literal
from deebase._sqltext.tokens import code_tokens, folded
from deebase.errors import ValidationError
from deebase.types import Search

#: Marks the tables of a search in their CREATE statements.
MARK = f"/* {NOTE} */"
#: A condition on rows of sqlite_master: the triggers by which a search is found.
IS_SEARCH = f"type = 'trigger' AND substr(name, -7) = '_insert' AND instr(sql, '/* {NOTE} {{')"
#: A condition on rows of sqlite_master: the tables and triggers of searches.
IS_PART = f"(instr(coalesce(sql, ''), '{MARK}') > 0 OR type = 'trigger' AND instr(sql, '/* {NOTE} {{') > 0)"
#: Letters with and without accents differ, as they do on PostgreSQL.
_TOKENIZERS = {"words": "unicode61 remove_diacritics 0", "trigram": "trigram"}
_STEMMERS = {"english": "porter"}
#: Suffixes of the tables that FTS5 makes beside one, of the table of keys, and of the triggers.
_BESIDE = ("_data", "_idx", "_content", "_docsize", "_config", "_keys", "_insert", "_update", "_delete")


#: The trigger of one table.
OF_TABLE = f"SELECT sql FROM sqlite_master WHERE {IS_SEARCH} AND tbl_name = ? COLLATE NOCASE"
#: The configurations of PostgreSQL 18, so that a class makes the same table on both databases.
_LANGUAGES = frozenset({
    "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "estonian", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "polish",
    "portuguese", "romanian", "russian", "serbian", "simple", "spanish", "swedish", "tamil", "turkish", "yiddish",
})  # fmt: skip


def new_name(table: str, taken: Collection[str]) -> str:
    """Return a name for the FTS5 table, which is free with all the names that come with it."""
    used = {folded(name) for name in taken}
    name, n = f"{table}_search", 1
    while any(folded(name + ending) in used for ending in ("", *_BESIDE)):
        n += 1
        name = f"{table}_search_{n}"
    return name


def described(facts: TableInfo, search: Search, taken: Collection[str]) -> SearchModel:
    """Return the search that ``enabled`` makes.

    Raises:
        ValidationError: no database knows the language.
    """
    if search.language is not None and search.language not in _LANGUAGES:
        raise ValidationError(
            f"{facts.name}: {search.language!r} is no language of a search",
            field="language",
            value=search.language,
            hint=f"SQLite treats the forms of English words as one word, and takes {', '.join(sorted(_LANGUAGES))}",
        )
    return named(facts, search, new_name(facts.name, taken))


def named(facts: TableInfo, search: Search, index: str) -> SearchModel:
    """Return the search of a table with a name for its FTS5 table."""
    by_rowid = parse(facts.sql or "").rowid_column is not None
    return SearchModel(search, index, None if by_rowid else f"{index}_keys")


def enabled(facts: TableInfo, info: SearchModel) -> list[str]:
    """Return the statements that make a search, and read all rows into it."""
    return [*_tables(facts, info), *_filled(facts, info), *_triggers(facts, info)]


def disabled(info: SearchModel) -> list[str]:
    """Return the statements that remove a search, or what another program left of it."""
    triggers = [
        f"DROP TRIGGER IF EXISTS {identifier(info.index + ending)}" for ending in ("_insert", "_update", "_delete")
    ]
    return [*triggers, *remains(info)]


def remains(info: SearchModel) -> list[str]:
    """Return the statements that remove the search of a table that was dropped."""
    return [f"DROP TABLE IF EXISTS {identifier(name)}" for name in (info.index, info.keys) if name is not None]


def recreated(table: str, sql: str) -> SchemaObject | None:
    """Return the search of a table as one object, from the SQL of its trigger; it is made after the rows."""
    info = found(sql)
    if info is None:
        return None
    names = _named(sql)
    # How often the trigger names each column of the key.
    times = 2 if info.keys is None else 4
    pks = names[: (len(names) - len(info.search.columns)) // times]
    columns = [ColumnInfo(name, "", True, key=n + 1) for n, name in enumerate(pks)]
    return as_object(TableInfo(table, None, "table", tuple(columns)), info)


def as_object(facts: TableInfo, info: SearchModel) -> SchemaObject:
    """Return the search of a table as one object of a schema."""
    made = tuple(enabled(facts, info))
    key = f"{info.search!r} by {', '.join(facts.pks)}"
    return SchemaObject("search", info.index, made, tuple(disabled(info)), key, facts.name, after_rows=True)


def _tables(facts: TableInfo, info: SearchModel) -> Iterable[str]:
    search = info.search
    tokenizer = f"{_STEMMERS.get(search.language or '', '')} {_TOKENIZERS[search.tokenize]}".strip()
    options = [*_columns(search), f"tokenize = {literal(tokenizer, SQLITE)}"]
    if search.prefix and search.tokenize == "words":
        options.append("prefix = '2 3'")
    index = identifier(info.index)
    yield f"CREATE VIRTUAL TABLE {index} {MARK} USING fts5({', '.join(options)})"
    weights = ", ".join(map(str, search.all_weights))
    yield f"INSERT INTO {index}({index}, rank) VALUES ('rank', 'bm25({weights})')"
    if info.keys is not None:
        keys = [f"k{n}" for n in range(len(facts.pks))]
        listed = ", ".join(keys)
        yield f"CREATE TABLE {identifier(info.keys)} {MARK} (id INTEGER PRIMARY KEY, {listed}, UNIQUE ({listed}))"


def _columns(search: Search) -> list[str]:
    return [f"c{n}" for n in range(len(search.columns))]


def _filled(facts: TableInfo, info: SearchModel) -> Iterable[str]:
    table, index = identifier(facts.name), identifier(info.index)
    targets = ", ".join(["rowid", *_columns(info.search)])
    texts = ", ".join([f"t.{identifier(name)}" for name in info.search.columns])
    keys = [f"t.{identifier(name)}" for name in facts.pks]
    if info.keys is None:
        yield f"INSERT INTO {index}({targets}) SELECT {keys[0]}, {texts} FROM {table} AS t"
        return
    numbered = identifier(info.keys)
    places = [f"k{n}" for n in range(len(keys))]
    yield f"INSERT INTO {numbered}({', '.join(places)}) SELECT {', '.join(keys)} FROM {table} AS t"
    same = " AND ".join([f"n.{place} IS {key}" for place, key in zip(places, keys, strict=True)])
    yield f"INSERT INTO {index}({targets}) SELECT n.id, {texts} FROM {table} AS t JOIN {numbered} AS n ON {same}"


def _triggers(facts: TableInfo, info: SearchModel) -> Iterable[str]:
    table = identifier(facts.name)
    text = note(info.search, index=info.index, keys=info.keys)
    written, removed = _written(facts, info), _removed(facts, info, "old")
    changed = ", ".join(map(identifier, dict.fromkeys([*facts.pks, *info.search.columns])))
    for name, event, steps in (
        ("_insert", "INSERT", [*_removed(facts, info, "new"), *written]),
        ("_update", f"UPDATE OF {changed}", [*removed, *_removed(facts, info, "new"), *written]),
        ("_delete", "DELETE", removed),
    ):
        head = f"CREATE TRIGGER {identifier(info.index + name)} AFTER {event} ON {table} BEGIN /* {text} */"
        yield "\n".join([head, *[f"  {step};" for step in steps], "END"])


def _removed(facts: TableInfo, info: SearchModel, row: str) -> list[str]:
    """Return the statements that remove the texts of a row; the new row may have replaced one without a trigger."""
    index = identifier(info.index)
    if info.keys is None:
        return [f"DELETE FROM {index} WHERE rowid = {row}.{identifier(facts.pks[0])}"]
    numbered, same = identifier(info.keys), _same_key(facts, row)
    return [
        f"DELETE FROM {index} WHERE rowid IN (SELECT id FROM {numbered} WHERE {same})",
        f"DELETE FROM {numbered} WHERE {same}",
    ]


def _written(facts: TableInfo, info: SearchModel) -> list[str]:
    """Return the statements that store the texts of a new row; the last one names the columns of the search last."""
    index = identifier(info.index)
    keys = [f"new.{identifier(name)}" for name in facts.pks]
    targets = ", ".join(["rowid", *_columns(info.search)])
    texts = ", ".join([f"new.{identifier(name)}" for name in info.search.columns])
    if info.keys is None:
        return [f"INSERT INTO {index}({targets}) VALUES ({keys[0]}, {texts})"]
    numbered = identifier(info.keys)
    places = ", ".join([f"k{n}" for n in range(len(keys))])
    number = f"(SELECT id FROM {numbered} WHERE {_same_key(facts, 'new')})"
    return [
        f"INSERT INTO {numbered}({places}) VALUES ({', '.join(keys)})",
        f"INSERT INTO {index}({targets}) VALUES ({number}, {texts})",
    ]


def _same_key(facts: TableInfo, row: str) -> str:
    return " AND ".join([f"k{n} IS {row}.{identifier(name)}" for n, name in enumerate(facts.pks)])


def found(sql: str | None) -> SearchModel | None:
    """Return the search that the SQL of a trigger, one of ``IS_SEARCH``, keeps."""
    # Names of tables and columns may hold comments, too.
    text = (sql or "").partition(f" BEGIN /* {NOTE} ")[2].partition("*/")[0]
    read = read_note(f"{NOTE} {text}") or {}
    index = read.get("index")
    try:
        # The columns of the search are named last.
        search = noted(read, _named(sql or "")[-len(read["weights"]) :])
    except (KeyError, TypeError):
        search = None
    if search is None or not isinstance(index, str):
        return None
    return SearchModel(search, index, read.get("keys"))


def _named(sql: str) -> list[str]:
    """Return the columns of the new row that a trigger names, in their order."""
    code = code_tokens(sql, SQLITE)
    return [
        code[place + 2].name
        for place, token in enumerate(code[:-2])
        if token.word == "NEW" and code[place + 1].text == "."
    ]
