"""Sequences: independent ones, and those of serial and identity columns."""

from __future__ import annotations

from dataclasses import dataclass

from deebase._backends.postgres.script.entries import USERS, Address, Entry, Target, label, make_entry, own, sql_name
from deebase._backends.schema_script import Read

_SEQUENCES = f"""
    SELECT c.oid, {sql_name("c.relname")}, {label("c.relname")}, c.relname::text, c.relpersistence::text,
           s.seqtypid::regtype::text, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle,
           d.refobjid, d.refobjsubid, d.deptype::text, format('nextval(%L::regclass)', c.oid::regclass::text)
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid <> 0
    WHERE {USERS} AND {own("pg_class", "c.oid")}
"""
_LARGEST = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


@dataclass(frozen=True)
class Sequence:
    """A sequence.

    Attributes:
        owner: the table and the number of the column that owns it, or None.
        identity: whether it belongs to an identity column.
        next_value: the default of a column that takes its next value.
        oid: its row in pg_class.
        name: its name as SQL.
        label: its name for people.
        relname: its name without a schema.
        persistence: relpersistence.
        type: smallint, integer or bigint.
    """

    owner: tuple[int, int] | None
    identity: bool
    next_value: str
    oid: int
    name: str
    label: str
    relname: str
    persistence: str
    type: str
    start: int
    increment: int
    highest: int
    lowest: int
    cache: int
    cycle: bool

    @property
    def target(self) -> Target:
        """What COMMENT ON names."""
        return Target(f"SEQUENCE {self.name}", f"sequence {self.label}")

    def options(self) -> list[str]:
        """Return its options besides the type, without those that have their default."""
        largest = _LARGEST[self.type]
        up = self.increment > 0
        lowest, highest = (1, largest) if up else (-largest - 1, -1)
        first = self.lowest if up else self.highest
        return [
            *([f"INCREMENT BY {self.increment}"] if self.increment != 1 else []),
            *([f"MINVALUE {self.lowest}"] if self.lowest != lowest else []),
            *([f"MAXVALUE {self.highest}"] if self.highest != highest else []),
            *([f"START WITH {self.start}"] if self.start != first else []),
            *([f"CACHE {self.cache}"] if self.cache != 1 else []),
            *(["CYCLE"] if self.cycle else []),
        ]

    def create(self) -> str:
        """Return the CREATE SEQUENCE."""
        unlogged = "UNLOGGED " if self.persistence == "u" else ""
        of_type = [f"AS {self.type}"] if self.type != "bigint" else []
        return " ".join([f"CREATE {unlogged}SEQUENCE {self.name}", *of_type, *self.options()])

    def entry(self) -> Entry:
        """Return the entry of an independent sequence."""
        return make_entry(Address("pg_class", self.oid), self.target, [self.create()])


async def read_sequences(read: Read) -> list[Sequence]:
    """Return all sequences."""
    return [
        Sequence(None if row[12] is None else (row[12], row[13]), row[14] == "i", row[15], *row[:12])
        for row in await read(_SEQUENCES, [])
    ]
