"""The order in which objects can be created, by the dependencies that the server records."""

from __future__ import annotations

import dataclasses
import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from deebase._backends.postgres.script.entries import Address, Entry
from deebase._backends.schema_script import Read

#: A table of a publication belongs to both; it is part of the publication. The foreign keys that partitions have from
#: their table come with that one.
_DEPENDS = """
    SELECT classid::regclass::text, objid, refclassid::regclass::text, refobjid, deptype::text FROM pg_depend
    WHERE objid >= 16384 AND refobjid >= 16384 AND NOT (classid = 'pg_constraint'::regclass AND EXISTS (
        SELECT FROM pg_constraint k WHERE k.oid = objid AND k.contype = 'f' AND k.conparentid <> 0))
    ORDER BY array_position(ARRAY['e', 'i', 'a'], deptype::text), refclassid <> 'pg_publication'::regclass, 1, 2, 3, 4
"""
#: deptype: what belongs to another object, and is created and dropped with it.
_BELONGS = frozenset("eia")
_OF_PARTITIONS = frozenset("PS")

Needs = dict[Address, set[Address]]
Edges = Sequence[tuple[Address, Address]]


async def ordered(read: Read, entries: Collection[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return entries in the order of their creation, and those of a cycle that no order creates.

    Args:
        read: runs a SELECT.
        entries: all entries besides comments.
    """
    rows = await read(_DEPENDS, [])
    current = {entry.address: entry for entry in entries}
    edges: list[tuple[Address, Address]] = []
    homes: dict[Address, Address] = {}
    for catalog, oid, other, other_oid, kind in rows:
        child, parent = Address(catalog, oid), Address(other, other_oid)
        if kind in _BELONGS:
            homes.setdefault(child, parent)
        # What a partition has from its table, besides indexes, comes with it.
        if kind not in _OF_PARTITIONS or child in current:
            edges.append((child, parent))
    while True:
        needs = _needs(current, edges, homes)
        done, left = _sorted(current, needs)
        cyclic = _cyclic(left, needs)
        loosened = [one for one in cyclic if current[one].loose]
        if not loosened:
            return _after_rows(done, needs), [current[one] for one in left]
        for address in loosened:
            entry = current[address]
            assert entry.without is not None
            current[address] = dataclasses.replace(entry.without(list(entry.loose)), loose={})
            current.update(entry.loose)


def _needs(current: Mapping[Address, Entry], edges: Edges, homes: Mapping[Address, Address]) -> Needs:
    """Return what each entry needs."""
    places: dict[Address, Address | None] = {address: address for address in current}

    def home(address: Address) -> Address | None:
        if address not in places:
            places[address] = None
            places[address] = home(homes[address]) if address in homes else None
        return places[address]

    needs: Needs = {address: set(entry.needs) for address, entry in current.items()}
    for child, parent in edges:
        one, other = home(child), home(parent)
        if one is not None and other is not None and one != other:
            needs[one].add(other)
    return needs


def _sorted(current: Mapping[Address, Entry], needs: Needs) -> tuple[list[Entry], list[Address]]:
    """Return the entries in order, and the addresses of those that wait for each other."""
    waiting = {address: len(found) for address, found in needs.items()}
    users: defaultdict[Address, list[Address]] = defaultdict(list)
    for address, found in needs.items():
        for other in found:
            users[other].append(address)
    ready = [(current[address].place, address) for address, count in waiting.items() if not count]
    heapq.heapify(ready)
    done: list[Entry] = []
    while ready:
        _, address = heapq.heappop(ready)
        done.append(current[address])
        for user in users[address]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (current[user].place, user))
    finished = {entry.address for entry in done}
    return done, sorted([address for address in current if address not in finished], key=lambda one: current[one].place)


def _cyclic(left: Iterable[Address], needs: Needs) -> list[Address]:
    """Return those that are part of a cycle: each of them needs itself, over others."""
    remaining = set(left)

    def reaches_itself(start: Address) -> bool:
        seen: set[Address] = set()
        stack = list(needs[start] & remaining)
        while stack:
            at = stack.pop()
            if at == start:
                return True
            if at not in seen:
                seen.add(at)
                stack.extend(needs[at] & remaining)
        return False

    return [address for address in left if reaches_itself(address)]


def _after_rows(done: Iterable[Entry], needs: Needs) -> list[Entry]:
    """Return the entries; what needs an object that is created after the rows is created after them, too."""
    late: set[Address] = set()
    result: list[Entry] = []
    for entry in done:
        if entry.item.after_rows or needs[entry.address] & late:
            late.add(entry.address)
            entry = dataclasses.replace(entry, item=dataclasses.replace(entry.item, after_rows=True))
        result.append(entry)
    return result
