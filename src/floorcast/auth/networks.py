"""Network addresses: the prefix of one party, and loopback."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback", "network_of"]


def network_of(address: str) -> str:
    """The IPv4 address, in one notation, or the /64 network of an IPv6 address.

    Other addresses (of a Unix socket) are returned unchanged.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))


def is_loopback(host: str) -> bool:
    """Whether a server at ``host`` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
