"""Addresses and networks: INET and CIDR; on SQLite text that sorts by value."""

from __future__ import annotations

import re
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Any, Final, get_args

from deebase._types.base import ColumnType, NamedWithCast, Processor, is_a, misfit, refused

Address = IPv4Address | IPv6Address | IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

_PLAIN: Final = frozenset({*get_args(Address), *get_args(Network)})
_LEADING_ZEROS: Final = re.compile(r"\b0+(?=[0-9])")
_VERSION: Final = re.compile("^[46] ")


def _padded(address: Any) -> str:
    """Return the digits of an address with leading zeros, so that text sorts by value."""
    if address.version == 4:
        return ".".join([f"{byte:03}" for byte in address.packed])
    digits = address.packed.hex()
    return ":".join([digits[place : place + 4] for place in range(0, 32, 4)])


def _written(value: Any) -> str:
    """Return what SQLite stores: an address, a network with its prefix, an interface with its network before it."""
    if is_a(value, (IPv4Interface, IPv6Interface)):
        return f"{_written(value.network)} {_padded(value.ip)}"
    if is_a(value, (IPv4Network, IPv6Network)):
        return f"{_padded(value.network_address)}/{value.prefixlen:0{2 if value.version == 4 else 3}}"
    return _padded(value)


def _bare(stored: str) -> str:
    """Return the usual text of what SQLite stores, which may also be as others write it."""
    network, _, address = stored.strip().rpartition(" ")
    text = f"{address}/{network.rpartition('/')[2]}" if network else address
    return text if ":" in text.partition("/")[0] else _LEADING_ZEROS.sub("", text)


class _NetworkType(ColumnType[Any]):
    """What the types of addresses and networks have in common."""

    def accept(self, value: Any) -> Any:
        """Return a value of exactly the class: an interface is an address to Python, and more than one to a column."""
        kind: Any = next((base for base in type(value).__mro__ if base in _PLAIN), None)
        if kind not in self.classes:
            raise misfit(value, " or ".join([kind.__name__ for kind in self.classes]), f"such as {self.example}")
        if getattr(value, "scope_id", None) is not None:
            raise refused(value, "an address with a zone cannot be stored", "store the zone in another column")
        # The database gives no instance of a subclass.
        return value if type(value) is kind else kind(kind.__str__(value))

    def to_sqlite(self) -> Processor:
        return lambda value: _written(self.accept(value))

    def to_postgres(self) -> Processor:
        """Return what checks it: a condition may compare with anything."""
        return self.accept

    def from_sqlite(self) -> Processor:
        """Return what reads it, or the text that others write."""
        return lambda stored: self.parse(_bare(stored))

    def sample(self, number: int, name: str) -> Any:
        """Return an address, or the network of one."""
        return self.classes[0](number)


class Inet(_NetworkType, python=Address, name="inet"):
    """INET, which holds addresses of both versions, with a network mask or without: an interface or an address.

    SQLite stores the version first, then what an interface has, so that rows sort as on PostgreSQL.
    """

    sqlite = "INET TEXT"
    postgres = NamedWithCast("INET")
    wanted = "an IP address"
    example = "192.0.2.1"

    @classmethod
    def holds(cls, value: Any) -> bool:
        """Return False: each class has a type of its own, which a value without a column has."""
        return False

    def accept(self, value: Any) -> Any:
        """Return an address; text is read as one."""
        if isinstance(value, str):
            try:
                value = self.parse(value)
            except ValueError:
                raise refused(value, f"this text is not {self.wanted}", f"such as {self.example}") from None
        return super().accept(value)

    def parse(self, text: str) -> Any:
        """Return an address, or an interface where the mask is not that of a single address."""
        found = ip_interface(text.strip())
        return found.ip if found.network.prefixlen == found.max_prefixlen else found

    def to_sqlite(self) -> Processor:
        """Return what writes the version, and an interface."""
        return lambda value: self._with_version(ip_interface(str(self.accept(value))))

    @staticmethod
    def _with_version(value: Any) -> str:
        return f"{value.version} {_written(value)}"

    def from_sqlite(self) -> Processor:
        """Return what reads it, or the text that others write."""
        return lambda stored: self.parse(_bare(_VERSION.sub("", stored)))


class Cidr(Inet, python=Network, name="cidr"):
    """CIDR, which holds networks of both versions. SQLite stores the version first."""

    sqlite = "CIDR TEXT"
    postgres = NamedWithCast("CIDR")
    wanted = "an IP network"
    example = "192.0.2.0/24"

    def parse(self, text: str) -> Any:
        return ip_network(text.strip())

    def to_sqlite(self) -> Processor:
        """Return what writes the version, and the network."""
        return lambda value: self._with_version(self.accept(value))


class IPv4AddressType(_NetworkType, python=IPv4Address):
    """An IPv4 address: INET."""

    postgres = NamedWithCast("INET")
    wanted = "an IPv4 address"
    example = "192.0.2.1"
    zero = IPv4Address(0)


class IPv6AddressType(_NetworkType, python=IPv6Address):
    """An IPv6 address: INET."""

    postgres = NamedWithCast("INET")
    wanted = "an IPv6 address"
    example = "2001:db8::1"
    zero = IPv6Address(0)


class _InterfaceType(_NetworkType):
    """An address with its network."""

    postgres = NamedWithCast("INET")

    def from_postgres(self) -> Processor:
        """Return what makes an interface: the driver makes an address where the mask is that of a single one."""
        return self.classes[0]


class IPv4InterfaceType(_InterfaceType, python=IPv4Interface):
    """An IPv4 address with its network: INET."""

    wanted = "an IPv4 address with its network"
    example = "192.0.2.1/24"


class IPv6InterfaceType(_InterfaceType, python=IPv6Interface):
    """An IPv6 address with its network: INET."""

    wanted = "an IPv6 address with its network"
    example = "2001:db8::1/64"


class IPv4NetworkType(_NetworkType, python=IPv4Network):
    """An IPv4 network: CIDR."""

    postgres = NamedWithCast("CIDR")
    wanted = "an IPv4 network"
    example = "192.0.2.0/24"


class IPv6NetworkType(_NetworkType, python=IPv6Network):
    """An IPv6 network: CIDR."""

    postgres = NamedWithCast("CIDR")
    wanted = "an IPv6 network"
    example = "2001:db8::/32"
