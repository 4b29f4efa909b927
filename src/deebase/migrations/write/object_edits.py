"""Changes of an object in its place: a function is replaced, an enum gets a label, a sequence keeps its value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deebase._backends.schema_script import SchemaObject
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.dialects import TokenRules
from deebase._sqltext.quoting import unquoted
from deebase._sqltext.tokens import Token, code_tokens, folded, joined
from deebase.migrations.compare.changes import Changes

#: The words that end the head of a function: a replacement has the same parameters and the same result.
_BODY = {"LANGUAGE", "AS", "RETURN", "BEGIN"}

#: The options of a sequence that does not name them.
_USUAL = {
    "AS": "AS bigint",
    "INCREMENT": "INCREMENT BY 1",
    "MINVALUE": "NO MINVALUE",
    "MAXVALUE": "NO MAXVALUE",
    "START": "START WITH 1",
    "CACHE": "CACHE 1",
    "CYCLE": "NO CYCLE",
}


def plain_name(item: SchemaObject) -> str:
    """Return the name of an object as other statements mention it: without its schema, arguments and table."""
    name = item.name.partition(" on ")[0].partition("(")[0].rpartition(".")[2]
    return folded(unquoted(name.strip('"'), '"'))


def edits(old: SchemaObject, new: SchemaObject, changes: Changes) -> tuple[str, ...] | None:
    """Return the statements that turn an object into another one of the same name; None if it has to be dropped."""
    rules = capabilities_of(changes.after.catalog.dialect).tokens
    was, wanted = code_tokens(old.create[-1], rules), code_tokens(new.create[-1], rules)
    head = [token.word for token in wanted[:3]]
    if head[:3] == ["CREATE", "OR", "REPLACE"]:
        return new.create if _head(was) == _head(wanted) else None
    if head[:2] == ["CREATE", "SEQUENCE"]:
        return (_altered_sequence(new.create[0], was, wanted),)
    if head[:2] == ["CREATE", "DOMAIN"]:
        return _altered_domain(old.create[-1], new.create[-1], rules)
    if head[:2] == ["CREATE", "TYPE"]:
        labels = _labels(was), _labels(wanted)
        if labels[0] and labels[1]:
            name = new.create[-1][wanted[2].start : wanted[_place(wanted, "AS")].start].strip()
            return _new_labels(name, *labels) or _converted(name, old, new, changes)
    return None


def _altered_sequence(create: str, was: Sequence[Token], wanted: Sequence[Token]) -> str:
    """Return the statement that gives a sequence other options, without losing the value that it has reached."""
    words = {token.word for token in wanted}
    usual = [text for word, text in _USUAL.items() if word not in words and any(token.word == word for token in was)]
    return " ".join([f"ALTER{create[wanted[0].end :]}", *usual])


def _altered_domain(old: str, new: str, rules: TokenRules) -> tuple[str, ...] | None:
    """Return the statements that turn a domain into another one; None if its base type is another one."""
    was, wanted = _of_domain(old, rules), _of_domain(new, rules)
    if was.pop("") != wanted.pop(""):
        return None
    alter = f"ALTER DOMAIN {new[len('CREATE DOMAIN ') : new.index(' AS ')]}"
    gone = [part for part in was if wanted.get(part) != was[part]]
    made = [part for part in wanted if wanted[part] != was.get(part)]
    return (
        *[f"{alter} DROP {part}" for part in gone if part.startswith("CONSTRAINT") or part not in wanted],
        *[f"{alter} {'ADD' if part.startswith('CONSTRAINT') else 'SET'} {wanted[part]}" for part in made],
    )


def _of_domain(create: str, rules: TokenRules) -> dict[str, str]:
    """Return the clauses of a CREATE DOMAIN by the words that drop them; the base type by an empty text."""
    depth, starts = 0, [0]
    names = [""]
    found = code_tokens(create, rules)
    for place, token in enumerate(found):
        depth += (token.text == "(") - (token.text == ")")
        after = found[place + 1] if place + 1 < len(found) else token
        named = {"CONSTRAINT": f"CONSTRAINT {after.text}", "DEFAULT": "DEFAULT", "NOT": "NOT NULL"}.get(token.word)
        in_check = names[-1].startswith("CONSTRAINT") and token.word != "CONSTRAINT"
        if named is not None and not depth and not in_check:
            starts.append(token.start)
            names.append(named)
    ends = [*starts[1:], len(create)]
    return {name: create[start:end].strip() for name, start, end in zip(names, starts, ends, strict=True)}


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
