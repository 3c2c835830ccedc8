"""Tests of the addresses to which webhooks may send requests."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.webhooks.addresses import AddressRefused, is_public, resolve, system_resolver

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:8.8.8.8"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # shared among a carrier's customers
    "169.254.169.254",  # cloud metadata
    "192.0.0.192",
    "198.18.0.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "2002:a00:1::",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo, for a client at 10.0.0.1
    "not an address",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_internet_address_is_public(address: str) -> None:
    """IPv4 and IPv6 addresses on the Internet are public, even an IPv4 address written as IPv6."""
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_local_address_is_not_public(address: str) -> None:
    """Private, shared, loopback, link-local, multicast and reserved addresses are not public.

    The notation of an address does not matter.
    """
    assert not is_public(address)


def resolve_to(*addresses: str, allow_private: bool = False) -> list[str]:
    """Resolve a name for which the resolver returns these addresses."""

    async def resolver(_host: str, _port: int) -> list[str]:
        return list(addresses)

    return asyncio.run(resolve("a.test", 443, allow_private=allow_private, resolver=resolver))


def test_a_name_with_any_private_address_is_refused() -> None:
    """A name that has a private address is refused, even if its other addresses are public.

    ``allow_private`` permits such a name.
    """
    assert resolve_to("8.8.8.8", "8.8.8.8", "8.8.4.4") == ["8.8.8.8", "8.8.4.4"]
    with pytest.raises(AddressRefused, match="allow_private = true"):
        resolve_to("8.8.8.8", "10.0.0.1")
    assert resolve_to("8.8.8.8", "10.0.0.1", allow_private=True) == ["8.8.8.8", "10.0.0.1"]


def test_names_are_resolved_by_the_system() -> None:
    """The system's resolver resolves names. An address resolves to itself."""
    assert set(asyncio.run(system_resolver("localhost", 80))) <= {"127.0.0.1", "::1"}
    assert asyncio.run(system_resolver("192.0.2.7", 80)) == ["192.0.2.7"]


def test_a_name_without_an_address_is_an_error() -> None:
    """Resolving a name that has no address raises an ``OSError``."""
    with pytest.raises(OSError, match="no address"):
        resolve_to()
