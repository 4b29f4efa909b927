"""Addresses and networks: read back as they were, sorted by value, known in every place."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from deebase import Database, Index, UniqueViolationError, ValidationError, create_mod_from_tables
from deebase._sqltext.capabilities import capabilities_of
from deebase.testing import build
from deebase.tools.copying import copy_database
from tests.support.modules import imported


class Host:
    id: int
    four: IPv4Address
    six: IPv6Address | None
    net_four: IPv4Network | None
    net_six: IPv6Network | None
    face_four: IPv4Interface | None
    face_six: IPv6Interface | None
    any_address: IPv4Address | IPv6Address | IPv4Interface | IPv6Interface | None
    any_network: IPv4Network | IPv6Network | None


FULL: dict[str, Any] = {
    "four": IPv4Address("192.0.2.1"),
    "six": IPv6Address("2001:db8::1"),
    "net_four": IPv4Network("10.0.0.0/8"),
    "net_six": IPv6Network("2001:db8::/32"),
    "face_four": IPv4Interface("10.0.0.5/24"),
    "face_six": IPv6Interface("2001:db8::1/64"),
    "any_address": IPv4Interface("10.0.0.5/8"),
    "any_network": IPv6Network("::/0"),
}


@pytest.fixture
async def hosts(db: Database) -> Any:
    return await db.create(Host)


addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.builds(lambda n, p: IPv4Interface((n, p)), st.integers(0, 2**32 - 1), st.integers(0, 31)),
    st.builds(lambda n, p: IPv6Interface((n, p)), st.integers(0, 2**128 - 1), st.integers(0, 127)),
)
networks = st.one_of(
    st.builds(lambda n, p: ip_network((n, p), strict=False), st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds(lambda n, p: ip_network((n, p), strict=False), st.ip_addresses(v=6), st.integers(0, 128)),
)


@given(rows=st.lists(st.tuples(addresses, networks), min_size=1, max_size=8))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_values_come_back_and_sort_as_on_postgresql(hosts: Any, rows: list[tuple[Any, Any]]) -> None:
    await hosts.delete_where(all=True)
    for address, network in rows:
        row = await hosts.insert({**FULL, "any_address": address, "any_network": network})
        assert (row["any_address"], row["any_network"]) == (address, network)
        assert type(row["any_address"]) is type(address)
        assert await hosts.count(any_address=address) >= 1
    by_address = [row["any_address"] for row in await hosts(order_by="any_address")]
    assert by_address == sorted((address for address, _ in rows), key=_place)
    by_network = [row["any_network"] for row in await hosts(order_by="any_network")]
    assert by_network == sorted((network for _, network in rows), key=_place)


def _place(value: Any) -> tuple[int, int, int, int]:
    """PostgreSQL sorts by version, network, length of the prefix, and address."""
    network = getattr(value, "network", value)
    first = int(getattr(network, "network_address", network))
    bits = getattr(network, "prefixlen", value.max_prefixlen)
    return value.version, first, bits, int(getattr(value, "ip", getattr(value, "network_address", value)))


async def test_every_type_is_read_back_and_updated(hosts: Any) -> None:
    row = await hosts.insert(FULL)
    assert row == {"id": 1, **FULL}
    assert [type(value) for value in row.values()][1:] == [type(value) for value in FULL.values()]
    whole = {"face_four": IPv4Interface("10.0.0.5/32"), "face_six": IPv6Interface("::1/128")}
    assert (await hosts.update({"id": 1, **whole}))["face_four"] == IPv4Interface("10.0.0.5/32")
    assert await hosts(hosts.c.four.in_([IPv4Address("192.0.2.1")]), net_four=FULL["net_four"]) != []
    assert await hosts("four = ?", [IPv4Address("192.0.2.1")]) != []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("four", "192.0.2.1"),
        ("four", IPv6Address("::1")),
        ("four", IPv4Interface("10.0.0.5/24")),
        ("net_four", IPv4Address("10.0.0.0")),
        ("six", IPv6Address("fe80::1%eth0")),
        ("any_address", "here"),
    ],
)
async def test_other_values_are_refused(hosts: Any, column: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=f"host.{column}"):
        await hosts.insert({**FULL, column: value})


@pytest.mark.parametrize("name", ["hosts.csv", "hosts.json"])
async def test_files_and_cursors(db: Database, hosts: Any, tmp_path: Path, name: str) -> None:
    await hosts.insert_all([FULL, {**FULL, "four": IPv4Address("9.0.0.1")}])
    await hosts.export_file(tmp_path / name)
    before = await hosts(order_by="id")
    await hosts.delete_where(all=True)
    await db.import_file(tmp_path / name, "host")
    assert await hosts(order_by="id") == before
    page = await hosts.page(size=1, order_by="four")
    assert [row["four"] for row in (await hosts.page(size=1, order_by="four", after=page.next)).rows] == [FULL["four"]]


async def test_reflection_code_copies_and_samples(db: Database, hosts: Any, tmp_path: Path) -> None:
    await hosts.insert(FULL)
    assert (await build(hosts))["four"].version == 4
    path = tmp_path / "tables.py"
    create_mod_from_tables(path, hosts)
    assert "four: IPv4Address\n" in path.read_text()
    with imported(path) as module:
        assert (await (await db.create(module.Host, name="again")).insert(FULL)).six == FULL["six"]
    async with Database(tmp_path / "copy.db") as target:
        await copy_database(db, target)
        await target.reflect()
        assert await target.t.host.get(1) == {"id": 1, **FULL}


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_reflected_table_has_addresses(db: Database, hosts: Any, db_url: str) -> None:
    await hosts.insert(FULL)
    async with Database(db_url) as other:
        await other.reflect()
        assert await other.t.host.get(1) == {"id": 1, **FULL}
        assert await other.t.host.count(four=FULL["four"]) == 1


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_addresses_of_other_programs_are_read(db: Database, hosts: Any) -> None:
    await hosts.insert(FULL)
    await db.q("UPDATE host SET four = '9.8.7.6', any_address = '10.0.0.5/8', face_six = '::1/64'")
    row = await hosts.get(1)
    assert (row["four"], row["any_address"]) == (IPv4Address("9.8.7.6"), IPv4Interface("10.0.0.5/8"))
    assert row["face_six"] == IPv6Interface("::1/64")


class Leased(IPv4Address):
    """An address of a class of another library."""


class Device:
    address: IPv4Address
    network: IPv6Network
    face: IPv4Interface | None
    other: IPv6Address | None


SIX = [IPv6Address(text) for text in ("::", "::1", "::ffff:1.2.3.4", "2001:db8::a", "2001:db8::10", "fe80::1")]
FACES = [IPv4Interface(text) for text in ("10.0.0.1/8", "10.0.0.2/8", "10.0.0.1/16", "10.0.0.1/32", "10.1.0.0/16")]


async def test_conditions_keys_and_unique_columns_of_addresses(db: Database) -> None:
    devices = await db.create(Device, pk="address", indexes=[Index("ux_other", "other", unique=True)])
    for number, (other, face) in enumerate(zip(SIX[:5], FACES, strict=True)):
        network = ip_network(f"2001:db8:{number:x}::/48")
        await devices.insert(address=IPv4Address(2**31 + number * 300), network=network, face=face, other=other)
    keys = [row["address"] for row in await devices(order_by="address")]
    assert keys == sorted(keys)
    assert [row["other"] for row in await devices(order_by="other")] == sorted(SIX[:5])
    assert [row["face"] for row in await devices(order_by="face")] == sorted(FACES, key=_place)
    c = devices.c
    assert await devices.count(c.address.between(keys[1], keys[3])) == 3
    assert await devices.count(c.address.in_(keys[:2])) == 2
    assert await devices.count(address=keys[:2]) == 2
    assert await devices.count(c.other > IPv6Address("::1")) == 3
    assert await devices.count(c.network != ip_network("2001:db8:1::/48")) == 4
    found = await asyncio.gather(*[devices.get(key) for key in keys])
    assert [row["address"] for row in found] == keys
    with pytest.raises(UniqueViolationError):
        await devices.update({"address": keys[0], "other": SIX[4]})
    assert (await devices.upsert({**found[0], "other": SIX[5]}))["other"] == SIX[5]
    with pytest.raises(ValidationError, match=r"device\.address: takes IPv4Address, not str"):
        await devices.count(address="10.0.0.1")
    with pytest.raises(ValidationError, match="takes IPv4Address, not str"):
        await devices.count(c.address == "10.0.0.1")


async def test_a_subclass_is_stored_as_the_class_of_the_column(db: Database) -> None:
    devices = await db.create(Device, pk="address")
    network = ip_network("2001:db8::/48")
    row = await devices.insert(address=Leased("10.0.0.1"), network=network)
    assert type(row["address"]) is IPv4Address
    assert await devices.count(address=Leased("10.0.0.1")) == 1
    assert await devices.count("address = ?", [Leased("10.0.0.1")]) == 1


async def test_many_rows_and_what_the_driver_returns_can_be_written_again(db: Database) -> None:
    devices = await db.create(Device, pk="address")
    network = ip_network("2001:db8::/48")
    made = await devices.insert_all([{"address": IPv4Address(n), "network": network} for n in range(300)])
    rows = await db.q("SELECT address, network FROM device ORDER BY address")
    assert len(rows) == 300
    await devices.delete_where(all=True)
    if capabilities_of(db.engine.dialect).checks_types:
        await devices.insert_all(rows)
        assert await devices.count() == 300
    assert made
