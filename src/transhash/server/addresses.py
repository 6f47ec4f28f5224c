"""The addresses that requests come from, as limits count them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

NETWORK = 64  # bits of an IPv6 address that name a network: one client has all addresses in it


@lru_cache(maxsize=4096)
def plain(address: str) -> str:
    """An address as IPv4 where it is one: a socket that takes both kinds calls 192.0.2.1 ::ffff:192.0.2.1."""
    found = _read(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return address if mapped is None else str(mapped)


@lru_cache(maxsize=4096)
def counted(address: str) -> str:
    """What limits of one address count: the address, or of IPv6 its network."""
    found = _read(plain(address))
    if not isinstance(found, ipaddress.IPv6Address):
        return plain(address)
    return str(ipaddress.ip_network((int(found) >> NETWORK << NETWORK, NETWORK)))


@lru_cache(maxsize=4096)
def is_among(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an address is one of these, or in one of these networks (10.0.0.0/8)."""
    found = _read(address)
    return found is not None and any(found in ipaddress.ip_network(each) for each in networks)


def _read(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])  # without the interface of a local one
    except ValueError:
        return None
