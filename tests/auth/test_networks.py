"""Tests that addresses that belong to the same party are grouped."""

from __future__ import annotations

import pytest

from floorcast.auth.networks import is_loopback, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_addresses_of_one_party_map_to_one_network(address: str, network: str) -> None:
    """An IPv6 party has a /64 network. An IPv4 address is the same in both notations."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("example.org", False),
    ],
)
def test_only_this_machine_counts_as_loopback(host: str, here: bool) -> None:
    """Names are not resolved; localhost is the only name that counts as this machine."""
    assert is_loopback(host) is here
