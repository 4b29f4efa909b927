"""Reads the catalog and the rows of a SQLite file with plain sqlite3, and nothing of DeeBase."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.real_databases.values import Rows, loosely

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)|(?P<text>[xX]?'(?:[^']|'')*')"""
    r"""|(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])|(?P<word>[\w$.]+)|(?P<sign>.)""",
    re.DOTALL,
)
#: The collations of SQLite itself.
_COLLATIONS = frozenset({"binary", "nocase", "rtrim"})
#: Words that begin a constraint of a table.
_TABLE_CLAUSES = frozenset({"constraint", "primary", "unique", "check", "foreign"})


def opened(path: Path) -> sqlite3.Connection:
    """Open a file to read it."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    # Indexes of an application's collation are read by any comparison: nothing is searched or written here.
    for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql LIKE '%collate%'").fetchall():
        words = tokens(sql)
        for name in {words[number + 1] for number, word in enumerate(words[:-1]) if word == "collate"} - _COLLATIONS:
            connection.create_collation(name, lambda one, other: (one > other) - (one < other))
    return connection


def tokens(sql: str) -> list[str]:
    """Return the tokens of a statement: no blanks or comments, words in lower case, names without their quotes."""
    found: list[str] = []
    for match in _TOKEN.finditer(sql):
        token = match[0]
        if match["space"]:
            continue
        if match["quoted"]:
            token = token[1:-1].replace(token[0] * 2, token[0]) if token[0] != "[" else token[1:-1]
        found.append(token if match["text"] else token.lower())
    return found


def exact(path: Path) -> dict[str, str]:
    """Return the stored SQL of each object by kind and name, and the settings of the file."""
    with closing(opened(path)) as read:
        found = {
            f"{kind} {name}": " ".join(tokens(sql))
            for kind, name, sql in read.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
            if not name.startswith(("_deebase_", "sqlite_"))
        }
        for pragma in ("user_version", "application_id", "encoding"):
            found[f"pragma {pragma}"] = str(read.execute(f"PRAGMA {pragma}").fetchone()[0])
    return found


def meaning(path: Path) -> dict[str, str]:
    """Return what each object means, whatever its SQL looks like: columns, keys, checks, indexes, views, triggers."""
    found: dict[str, str] = {}
    with closing(opened(path)) as read:
        shadows = {row[1] for row in read.execute("PRAGMA table_list") if row[2] == "shadow"}
        for kind, name, table, sql in read.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall():
            if name.startswith(("_deebase_", "sqlite_")) or name in shadows or table in shadows:
                continue
            if kind == "table":
                found.update(_table(read, name, sql))
            elif kind in ("view", "trigger"):
                found[f"{kind} {name}"] = " ".join(tokens(sql))
    return found


def _table(read: sqlite3.Connection, table: str, sql: str) -> Iterator[tuple[str, str]]:
    words = tokens(sql)
    if words[:2] == ["create", "virtual"]:
        yield f"table {table}", " ".join(words)
        return
    options = next(row[4:] for row in read.execute("PRAGMA table_list") if row[1] == table and row[0] == "main")
    yield f"table {table}", f"without rowid {options[0]}, strict {options[1]}, auto {'autoincrement' in words}"
    clauses = dict(_column_clauses(words))
    for _, name, declared, required, default, key, hidden in read.execute(f"PRAGMA table_xinfo({_quoted(table)})"):
        shown = " ".join(tokens(default)) if default is not None else None
        parts = f"{declared.lower()}, required {required}, default {shown}, key {key}, hidden {hidden}"
        yield f"column {table}.{name}", f"{parts}, {clauses.get(name.lower(), '')}"
    for number, check in enumerate(sorted(_checks(words))):
        yield f"check {table} {number}", check
    keys: dict[int, list[str]] = {}
    for row in read.execute(f"PRAGMA foreign_key_list({_quoted(table)})"):
        keys.setdefault(row[0], []).append(
            f"{row[3]} -> {row[2]}.{row[4]} on update {row[5]} on delete {row[6]}".lower()
        )
    for count, (key, number) in enumerate(sorted(Counter("; ".join(parts) for parts in keys.values()).items())):
        yield f"foreign key {table} {count}", f"{key} x{number}"
    yield from _indexes(read, table)


def _indexes(read: sqlite3.Connection, table: str) -> Iterator[tuple[str, str]]:
    implied: list[str] = []
    for _, index, unique, origin, partial in read.execute(f"PRAGMA index_list({_quoted(table)})").fetchall():
        columns = [row[1:5] for row in read.execute(f"PRAGMA index_xinfo({_quoted(index)})") if row[5]]
        if origin == "c":
            sql = read.execute("SELECT sql FROM sqlite_master WHERE name = ?", [index]).fetchone()[0]
            rest = " ".join(tokens(sql)).partition(" on ")[2]
            yield f"index {index}", f"unique {unique}, partial {partial}, on {rest}"
        else:
            implied.append(f"{origin} {columns}")
    for number, text in enumerate(sorted(implied)):
        yield f"constraint {table} {number}", text


def _column_clauses(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each column of a CREATE TABLE, with its collation, GENERATED and DEFERRABLE clauses."""
    for part in _parts(words):
        if not part or part[0] in _TABLE_CLAUSES:
            continue
        kept: list[str] = []
        for number, word in enumerate(part):
            if word == "collate":
                kept.append(f"collate {part[number + 1]}")
            elif word == "deferrable":
                kept.append(" ".join([*(["not"] if part[number - 1] == "not" else []), *part[number : number + 3]]))
            elif word == "as" and part[number + 1 : number + 2] == ["("]:
                kept.append(f"as {_group(part, number + 1)} {'stored' if 'stored' in part else ''}")
        yield part[0], "; ".join(kept)


def _checks(words: list[str]) -> Iterator[str]:
    for number, word in enumerate(words):
        if word == "check" and words[number + 1 : number + 2] == ["("]:
            yield _group(words, number + 1)


def _group(words: list[str], start: int) -> str:
    """Return what stands between the parentheses that begin at a word."""
    depth, end = 0, start
    for end in range(start, len(words)):
        depth += {"(": 1, ")": -1}.get(words[end], 0)
        if not depth:
            break
    inner = words[start + 1 : end]
    while inner[:1] == ["("] and _group(inner, 0) == " ".join(inner[1:-1]):
        inner = inner[1:-1]
    return " ".join(inner)


def _parts(words: list[str]) -> list[list[str]]:
    """Return the parts of a CREATE TABLE between its commas."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words[words.index("(") :] if "(" in words else []:
        depth += {"(": 1, ")": -1}.get(word, 0)
        if not depth:
            break
        if word == "," and depth == 1:
            parts.append([])
        elif word != "(" or depth > 1:
            parts[-1].append(word)
    return parts


def rows(path: Path, *, loose: bool) -> dict[str, Rows]:
    """Return the rows of each table, without generated columns and shadow tables.

    Args:
        path: the file.
        loose: compare values, not storage classes: 2 equals 2.0 and '2.00'.
    """
    found: dict[str, Rows] = {}
    with closing(opened(path)) as read:
        for table in _stored_tables(read):
            columns = sorted(
                row[1] for row in read.execute(f"PRAGMA table_xinfo({_quoted(table)})") if loose or not row[6]
            )
            listed = ", ".join(map(_quoted, columns))
            given = read.execute(f"SELECT {listed} FROM {_quoted(table)}")
            found[table] = Rows(
                tuple(columns), Counter(tuple(map(loosely if loose else _exactly, row)) for row in given)
            )
    return found


def _stored_tables(read: sqlite3.Connection) -> list[str]:
    """Return the tables with rows of their own: no virtual tables, shadow tables or tables of SQLite and DeeBase."""
    return [
        row[1]
        for row in read.execute("PRAGMA table_list").fetchall()
        if row[0] == "main" and row[2] == "table" and not row[1].startswith(("sqlite_", "_deebase_"))
    ]


def _exactly(value: object) -> str:
    return f"{type(value).__name__} {value!r}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
