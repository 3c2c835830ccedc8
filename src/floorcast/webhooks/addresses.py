"""Resolves and checks the address of a webhook's receiver for each connection.

The connection uses the checked address instead of the name. It is therefore safe even if the name
resolves to another address a moment later.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

__all__ = ["AddressRefused", "Resolver", "is_public", "resolve", "system_resolver"]

MAX_ADDRESSES = 64  # per name; further addresses are ignored
MAX_LOOKUPS = 32  # names resolved at the same time

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Returns the addresses of a host name and port, as text. Raises OSError."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ALSO_PRIVATE = tuple(
    map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48", "fec0::/10"))
)
"""Networks that some Python releases treat as public: IETF assignments, relays, site-local."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(Exception):
    """The host has no address to which a request may be sent."""


@cache
def _lookup_threads() -> ThreadPoolExecutor:
    # separate threads, because a slow name server must not occupy the server's threads
    return ThreadPoolExecutor(MAX_LOOKUPS, "webhook-names")


async def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses that the system's resolver finds for the name."""
    loop = asyncio.get_running_loop()
    lookup = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await loop.run_in_executor(_lookup_threads(), lookup)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def is_public(address: str) -> bool:
    """Return whether an address belongs to the public internet.

    Private, shared, loopback, link-local (where clouds have their metadata), multicast, reserved
    and unspecified addresses are not public. An IPv6 address that contains an IPv4 address (mapped,
    6to4, NAT64, Teredo) is public if all of its parts are public.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # an address with a scope is link-local
        return False
    return all(map(_is_global, (parsed, *_embedded(parsed))))


def _is_global(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address in _NAT64):
        return True  # the contained address decides
    return (
        address.is_global
        and not any(address in network for network in _ALSO_PRIVATE)
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
    )


def _embedded(address: _Address) -> list[_Address]:
    if not isinstance(address, ipaddress.IPv6Address):
        return []
    found: list[_Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.teredo is not None:
        found += address.teredo
    if int(address) >> 32 == 0 and int(address) > 0xFFFF:  # IPv4-compatible (deprecated)
        found.append(ipaddress.IPv4Address(int(address)))
    return [one for one in found if one is not None]


async def resolve(
    host: str, port: int, *, allow_private: bool, resolver: Resolver = system_resolver
) -> list[str]:
    """Return the addresses of ``host`` to connect to, in the system's order.

    Raises AddressRefused if any address is not public, unless ``allow_private`` is true. A name
    with a public and a private address could otherwise be used to reach the private one. Raises
    OSError if the name has no address.
    """
    found = list(dict.fromkeys(await resolver(host, port)))[:MAX_ADDRESSES]
    if not found:
        raise OSError(f"{host} has no address")
    if not allow_private and not all(map(is_public, found)):
        raise AddressRefused(
            f"{host} has an address in a private network; set allow_private = true if the receiver"
            " is in your own network"
        )
    return found
