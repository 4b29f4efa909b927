"""What the definitions of two tables say differently, for differences that no other comparison shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from deebase._backends.schema_parts import TABLES
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import Token, code_tokens, joined
from deebase.migrations.compare.schema import Schema

#: A column with the type on the left is one of the type on the right whose default is a sequence.
_SERIAL = {"serial": "integer", "bigserial": "bigint", "smallserial": "smallint"}


def unexplained(before: Schema, after: Schema, table: str) -> list[str]:
    """Return what the definition of a table lacks, and what it should not have, in words.

    Args:
        before: the schema with the table as it is.
        after: the schema with the table as it should be.
        table: its name; no other comparison found a difference.
    """
    if not (before.parts.canonical and after.parts.canonical):
        return []
    if [item.key for item in before.parts.of_table(table)] == [item.key for item in after.parts.of_table(table)]:
        return []
    was, wanted = (Counter(_clauses(schema, table)) for schema in (before, after))
    return [
        *[f"lacks: {clause}" for clause in wanted - was],
        *[f"should not have: {clause}" for clause in was - wanted],
    ]


def _clauses(schema: Schema, table: str) -> Iterator[str]:
    """Yield the clauses of the CREATE TABLE, and the constraints that are added after it, without names."""
    rules = capabilities_of(schema.catalog.dialect).tokens
    for item in schema.parts.of_table(table):
        # The key has one form for equal conditions.
        for statement in item.key.split(";\n"):
            found = _unnamed(code_tokens(statement, rules))
            if item.kind in TABLES and [token.word for token in found[:1]] == ["CREATE"]:
                yield from _of_create(found)
            elif item.kind == "constraint":
                yield joined(found)


def _unnamed(found: Sequence[Token]) -> list[Token]:
    """Return tokens without the names of constraints."""
    kept: list[Token] = []
    skip = 0
    for token in found:
        if token.word == "CONSTRAINT":
            skip = 2
        if not skip:
            kept.append(token)
        skip = max(0, skip - 1)
    return kept


def _of_create(found: Sequence[Token]) -> Iterator[str]:
    if any(token.word == "SEQUENCE" for token in found[:3]):
        return  # of a serial column, which is one of its features
    depth, clauses = 0, [list[Token]()]
    for token in found:
        depth += (token.text == "(") - (token.text == ")")
        starts, ends = token.text == "(" and depth == 1, token.text == ")" and depth == 0
        if starts or ends or (token.text == "," and depth == 1):
            clauses.append([])
        else:
            clauses[-1].append(token)
    yield from [_column(clause) for clause in clauses if clause]


def _column(clause: Sequence[Token]) -> str:
    """Return a clause without what the features of a column say: identity, serial, NOT NULL."""
    words = [_SERIAL.get(joined([token]), joined([token])) for token in clause]
    if "nextval" in words and "default" in words:
        words = words[: words.index("default")]
    if "identity" in words and "generated" in words:
        words = words[: words.index("generated")]
    return " ".join(words).replace(" not null", "")
