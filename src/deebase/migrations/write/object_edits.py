"""Changes of an object in its place: a function is replaced, an enum gets a label, a sequence keeps its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deebase._backends.schema_script import SchemaObject
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import Token, code_tokens, folded, joined
from deebase.migrations.compare.changes import Changes

#: The words that end the head of a function: a replacement has the same parameters and the same result.
_BODY = {"LANGUAGE", "AS", "RETURN", "BEGIN"}


def plain_name(item: SchemaObject) -> str:
    """Return the name of an object as other statements mention it: without its schema, arguments and table."""
    name = item.name.partition(" on ")[0].partition("(")[0].rpartition(".")[2]
    return folded(name.strip('"').replace('""', '"'))


def edits(old: SchemaObject, new: SchemaObject, changes: Changes) -> tuple[str, ...] | None:
    """Return the statements that turn an object into another one of the same name; None if it has to be dropped."""
    rules = capabilities_of(changes.after.catalog.dialect).tokens
    if len(old.create) != 1 or len(new.create) != 1:
        return None
    was, wanted = code_tokens(old.create[0], rules), code_tokens(new.create[0], rules)
    head = [token.word for token in wanted[:3]]
    if head[:3] == ["CREATE", "OR", "REPLACE"]:
        return new.create if _head(was) == _head(wanted) else None
    if head[:2] == ["CREATE", "SEQUENCE"]:
        # The same options, without losing the value that it has reached.
        return (f"ALTER{new.create[0][wanted[0].end :]}",)
    if head[:2] == ["CREATE", "TYPE"]:
        labels = _labels(was), _labels(wanted)
        if labels[0] and labels[1]:
            name = new.create[0][wanted[2].start : wanted[_place(wanted, "AS")].start].strip()
            return _new_labels(name, *labels) or _converted(name, old, new, changes)
    return None


def _head(found: Sequence[Token]) -> str:
    end = next((place for place, token in enumerate(found) if token.word in _BODY), len(found))
    return joined(found[:end])


def _place(found: Sequence[Token], word: str) -> int:
    return next((place for place, token in enumerate(found) if token.word == word), 0)


def _labels(found: Sequence[Token]) -> list[str]:
    """Return the labels of an enum as literals; an empty list for another type."""
    place = _place(found, "AS")
    if not place or found[place + 1].word != "ENUM":
        return []
    return [token.text for token in found[place + 2 :] if token.kind == "string"]


def _new_labels(name: str, old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Return the statements that add labels to an enum; none if it loses labels, or their order changes."""
    if [label for label in new if label in old] != list(old):
        return ()
    statements: list[str] = []
    for place, label in enumerate(new):
        if label not in old:
            where = f"AFTER {new[place - 1]}" if place else f"BEFORE {old[0]}"
            statements.append(f"ALTER TYPE {name} ADD VALUE {label} {where}")
    return tuple(statements)


def _converted(name: str, old: SchemaObject, new: SchemaObject, changes: Changes) -> tuple[str, ...]:
    """Return the statements that replace a type, and convert the columns that have it by their text."""
    quote = changes.after.catalog.dialect.identifier_preparer.quote_identifier
    former = quote(f"{plain_name(old)}_before")
    return (
        f"ALTER TYPE {name} RENAME TO {former}",
        *new.create,
        *_of_columns(name, plain_name(old), changes),
        f"DROP TYPE {name.rpartition('.')[0]}{'.' if '.' in name else ''}{former}",
    )


def _of_columns(name: str, plain: str, changes: Changes) -> Iterator[str]:
    quote = changes.before.catalog.dialect.identifier_preparer.quote_identifier
    for table in changes.before.tables.values():
        gone = table.name not in changes.after.tables
        for column in table.facts.columns:
            kept = not gone and any(
                other.name == column.name for other in changes.after.tables[table.name].facts.columns
            )
            if not kept or column.enum is None or folded(column.enum[1]) != plain:
                continue
            alter = f"ALTER TABLE {table.quoted(quote)} ALTER COLUMN {quote(column.name)}"
            if column.default is not None:
                yield f"{alter} DROP DEFAULT"
            array = "[]" if column.array else ""
            yield f"{alter} TYPE {name}{array} USING {quote(column.name)}::text{array}::{name}{array}"
            if column.default is not None:
                yield f"{alter} SET DEFAULT {column.default}"
