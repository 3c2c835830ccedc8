"""How many connections there may be, and from where."""

from __future__ import annotations

import pytest

from floorcast.server.connection_limits import ConnectionLimits, places_of

ONE, TWO, PROXY = "192.0.2.1", "192.0.2.2", "10.0.0.7"


def test_one_address_has_its_limit() -> None:
    """Half of all by default; others come in all the same, until the server is full."""
    limits = ConnectionLimits(places=10, per_address=0)
    assert [limits.enter(ONE) for _ in range(6)] == ["admitted"] * 5 + ["address"]
    assert [limits.enter(TWO) for _ in range(6)] == ["admitted"] * 5 + ["full"]
    limits.leave(ONE)
    assert limits.enter(ONE) == "admitted"
    assert ConnectionLimits(places=10, per_address=2).per_address == 2


def test_some_places_are_kept_back_for_loopback() -> None:
    """Whoever is on the machine can still look at a full server."""
    limits = ConnectionLimits(places=16, per_address=100)
    for address in (ONE, TWO):
        assert [limits.enter(address) for _ in range(8)] == ["admitted"] * 8
    assert limits.enter("192.0.2.3") == "full"
    assert limits.enter("127.0.0.1") == "admitted"
    assert limits.enter("::1") == "full"


def test_a_trusted_proxy_is_not_one_address() -> None:
    """Each address that it names has its own limit, of requests under way."""
    limits = ConnectionLimits(places=100, per_address=3, trusted_proxies=["10.0.0.0/8"])
    assert [limits.enter(PROXY) for _ in range(20)] == ["admitted"] * 20
    assert [limits.enter_request(ONE) for _ in range(4)] == [True, True, True, False]
    assert limits.enter_request(TWO)
    limits.leave_request(ONE)
    assert limits.enter_request(ONE)
    for _ in range(20):
        limits.leave(PROXY)
    assert limits.total == 0


@pytest.mark.parametrize("address", ["", "a socket's path", "fe80::1%eth0"])
def test_any_address_is_counted(address: str) -> None:
    """Whatever the transport calls it."""
    limits = ConnectionLimits(places=10, per_address=1, trusted_proxies=["10.0.0.0/8"])
    assert [limits.enter(address), limits.enter(address)] == ["admitted", "address"]


def test_descriptors_are_kept_back_for_files() -> None:
    """Even of a shell's usual 1,024 most are for connections."""
    assert places_of(1024) == 840
    assert places_of(100) == 16
    assert places_of(65536) > 61_000
