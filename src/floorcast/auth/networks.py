"""Network addresses: the network that counts as one caller, and loopback addresses."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback", "network_of"]


def network_of(address: str) -> str:
    """Return an IPv4 address in its usual notation, or the /64 network of an IPv6 address.

    Any other address, such as that of a Unix socket, is returned unchanged.
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
    """Return whether a server at ``host`` can be reached only from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
