"""What addresses tell: the part that one party holds, and whether it is this machine."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback", "network_of"]


def network_of(address: str) -> str:
    """The address itself, or of IPv6 its network of 64 bits; IPv4 is the same written either way.

    What is no IP address (a Unix socket's) is itself.
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
    """Whether only this machine can reach what listens at ``host``."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
