"""Tests of the limits on connections and of the checks of heads."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from floorcast.server.connection_limits import (
    MAX_NON_BODY_BYTES,
    ConnectionLimits,
    ConnectionTuning,
    DeadlineQueue,
    Deadlines,
    RequestLimits,
    connection_capacity,
    head_refusal,
    head_without_upgrade,
)
from floorcast.server.protocol_refusals import (
    CONNECT_REFUSED,
    HEAD_TOO_LARGE,
    INVALID_HOST,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    NO_HOST,
    NOT_HTTP,
    SEVERAL_HOSTS,
    UNKNOWN_CODING,
    URL_TOO_LONG,
    ProtocolRefusal,
)

ONE, TWO, THREE, PROXY = "192.0.2.1", "192.0.2.2", "192.0.2.3", "10.0.0.7"


def test_connections_are_limited_per_address() -> None:
    """By default, the limit is half of all places. Others can connect until the server is full."""
    limits = ConnectionLimits(places=10, per_address=0)
    assert [limits.enter(ONE) for _ in range(6)] == ["admitted"] * 5 + ["address"]
    assert [limits.enter(TWO) for _ in range(6)] == ["admitted"] * 5 + ["address"]
    assert limits.enter(THREE) == "full"
    limits.leave(ONE)
    assert limits.enter(ONE) == "admitted"
    assert ConnectionLimits(places=10, per_address=2).per_address == 2


def test_some_connections_are_reserved_for_loopback() -> None:
    """An operator on the machine can reach a full server."""
    limits = ConnectionLimits(places=16, per_address=100)
    for address in (ONE, TWO):
        assert [limits.enter(address) for _ in range(8)] == ["admitted"] * 8
    assert limits.enter(THREE) == "full"
    assert limits.enter("127.0.0.1") == "admitted"
    assert limits.enter("::1") == "full"


def test_addresses_behind_a_trusted_proxy_have_separate_limits() -> None:
    """Each address that the proxy forwards has its own limit of concurrent requests."""
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
    """The transport may report the address in any form."""
    limits = ConnectionLimits(places=10, per_address=1, trusted_proxies=["10.0.0.0/8"])
    assert [limits.enter(address), limits.enter(address)] == ["admitted", "address"]


def test_some_file_descriptors_are_reserved_for_files() -> None:
    """Most of a shell's usual 1,024 descriptors are for connections."""
    assert connection_capacity(1024) == 840
    assert connection_capacity(100) == 16
    assert connection_capacity(65536) > 61_000


class WaitsModel(RuleBasedStateMachine):
    """Deadlines start, restart and end over time. Overdue ones come oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waits: DeadlineQueue[int] = DeadlineQueue("kind", 10.0)
        self.model: dict[int, float] = {}

    @rule(one=st.integers(0, 5))
    def begin(self, one: int) -> None:
        self.waits.begin(one, self.now)
        self.model.pop(one, None)
        self.model[one] = self.now

    @rule(one=st.integers(0, 5))
    def end(self, one: int) -> None:
        self.waits.end(one)
        self.model.pop(one, None)

    @rule(seconds=st.floats(0, 8))
    def advance(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take_overdue(self) -> None:
        due = [one for one, since in self.model.items() if self.now - since >= 10.0]
        found = []
        while (one := self.waits.pop_overdue(self.now)) is not None:
            found.append(one)
            del self.model[one]
        assert found == due

    @rule()
    def take_longest(self) -> None:
        longest = next(iter(self.model), None)
        assert self.waits.pop_longest() == longest
        if longest is not None:
            del self.model[longest]

    @invariant()
    def waits_match_the_model(self) -> None:
        assert len(self.waits) == len(self.model)
        assert all(one in self.waits for one in self.model)


TestWaits = WaitsModel.TestCase


def test_overdue_connections_are_handled_in_small_batches() -> None:
    """The others are left for the next turn, and ended waits are skipped."""
    now = 0.0
    deadlines: Deadlines[int] = Deadlines(ConnectionTuning(head=5, idle=7), lambda: now)
    for one in range(3):
        deadlines.head.begin(one, now)
    for one in range(3, 6):
        deadlines.idle.begin(one, now)
    deadlines.forget(1)
    acted: list[tuple[int, str]] = []

    def act(one: int, waits: DeadlineQueue[int]) -> None:
        acted.append((one, waits.kind))

    assert not deadlines.expire(2, act)
    assert acted == []
    now = 7.0
    assert deadlines.expire(3, act)
    assert acted == [(0, "head_too_slow"), (2, "head_too_slow"), (3, "idle")]
    assert not deadlines.expire(3, act)
    assert acted[3:] == [(4, "idle"), (5, "idle")]


@pytest.mark.parametrize(("head", "sweep"), [(10.0, 1.0), (0.4, 0.1)])
def test_short_deadlines_are_checked_more_often(head: float, sweep: float) -> None:
    """Otherwise, connections would exceed them by too much."""
    assert ConnectionTuning(head=head).sweep == pytest.approx(sweep)


def test_a_request_head_is_limited_by_bytes_and_header_count() -> None:
    """A head is refused at the first limit that it reaches.

    The refusal says if the URL is too long.
    """
    long_url, large, many = RequestLimits(), RequestLimits(), RequestLimits()
    for limits in (long_url, large, many):
        limits.begin_head()
    assert long_url.add_url(MAX_HEAD_BYTES)
    assert not long_url.add_url(1)
    assert long_url.refusal is URL_TOO_LONG
    assert large.add_url(1)
    assert large.add_header(MAX_HEAD_BYTES - 1)
    assert not large.add_header(1)
    assert large.refusal is HEAD_TOO_LARGE
    assert all(many.add_header(1) for _ in range(MAX_HEADERS))
    assert not many.add_header(1)
    assert many.refusal is HEAD_TOO_LARGE


def test_bytes_outside_the_body_are_limited() -> None:
    """Each part of the body restarts the count, and trailers are never kept."""
    limits = RequestLimits()
    limits.begin_head()
    limits.begin_body()
    limits.end_slice(10, 0)
    for _ in range(10):
        before = limits.body
        limits.part_began = False
        limits.add_body(MAX_NON_BODY_BYTES)
        limits.end_slice(MAX_NON_BODY_BYTES, before)
    assert limits.refusal is None
    assert not limits.add_header(5)
    assert limits.refusal is None
    limits.end_slice(MAX_NON_BODY_BYTES + 1, limits.body)
    assert limits.refusal is HEAD_TOO_LARGE


def test_a_connection_has_one_read_deadline_at_a_time() -> None:
    """The deadline ends when the data has been read, and restarts if a body makes progress."""
    clock = [0.0]
    deadlines: Deadlines[str] = Deadlines(ConnectionTuning(), lambda: clock[0])

    def waits() -> list[str]:
        return [waits.kind for waits in deadlines.queues() if "one" in waits]

    deadlines.start_head("one")
    assert waits() == ["head_too_slow"]
    deadlines.start_body("one", restart=False)
    assert waits() == ["body_too_slow"]
    clock[0] = ConnectionTuning().body
    deadlines.start_body("one", restart=True)
    assert deadlines.body.pop_overdue(clock[0]) is None
    deadlines.start_idle("one", answered=False)
    assert waits() == []
    deadlines.start_idle("one", answered=True)
    assert waits() == ["idle"]


# --- heads ----------------------------------------------------------------------------------------

HOST = (b"host", b"x")
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"floorcast.example.com",
        b"my_server:8080",
        b"10.0.0.7:80",
        b"[::1]:8080",
        b"[fe80::1%25eth0]",
        b" padded.example ",
    ],
)
def test_a_valid_host_is_accepted(host: bytes) -> None:
    """A host is a name or an address, with or without a port. An empty one is allowed, too."""
    assert head_refusal(b"GET", b"/", "1.1", [(b"host", host)]) is None


@pytest.mark.parametrize(
    "host", [b"a b", b"a/b", b"u@a", b"a?b", b"a#b", b"a\\b", b"\xc3\xa9", b"<a>"]
)
def test_an_invalid_host_is_refused(host: bytes) -> None:
    """A proxy could take another part of it as the host (RFC 9112, section 3.2)."""
    assert head_refusal(b"GET", b"/", "1.1", [(b"host", host)]) is INVALID_HOST
    assert head_refusal(b"GET", b"/", "1.0", [(b"host", host)]) is INVALID_HOST


@pytest.mark.parametrize(
    ("method", "url", "version", "headers", "refusal"),
    [
        (b"GET", b"/", "1.1", [], NO_HOST),
        (b"GET", b"http://x/", "1.1", [], NO_HOST),
        (b"GET", b"/", "1.0", [], None),
        (b"GET", b"/", "1.1", [HOST, HOST], SEVERAL_HOSTS),
        (b"GET", b"/", "1.0", [HOST, HOST], SEVERAL_HOSTS),
        (b"CONNECT", b"x:1", "1.1", [HOST], CONNECT_REFUSED),
        (b"GET", b"/", "0.9", [HOST], NOT_HTTP),
        (b"GET", b"/", "2.0", [HOST], NOT_HTTP),
        (b"GET", b"http://x", "1.1", [HOST], NOT_HTTP),
        (b"POST", b"/", "1.1", [HOST, CHUNKED], None),
        (b"POST", b"/", "1.1", [HOST, (b"transfer-encoding", b" Chunked ")], None),
        (b"POST", b"/", "1.1", [HOST, (b"transfer-encoding", b"gzip, chunked")], UNKNOWN_CODING),
        (b"POST", b"/", "1.1", [HOST, (b"transfer-encoding", b",chunked")], UNKNOWN_CODING),
        (b"POST", b"/", "1.1", [HOST, (b"transfer-encoding", b"identity")], UNKNOWN_CODING),
        (b"POST", b"/", "1.1", [HOST, (b"transfer-encoding", b"gzip"), CHUNKED], UNKNOWN_CODING),
        (b"POST", b"/", "1.1", [HOST, CHUNKED, CHUNKED], UNKNOWN_CODING),
        (b"POST", b"/", "1.0", [HOST, CHUNKED], UNKNOWN_CODING),
    ],
)
def test_an_ambiguous_head_is_refused(
    method: bytes,
    url: bytes,
    version: str,
    headers: list[tuple[bytes, bytes]],
    refusal: ProtocolRefusal | None,
) -> None:
    """Whoever reads the head must find the same host and the same end of the body."""
    assert head_refusal(method, url, version, headers) is refusal


def test_a_plain_head_has_no_upgrade_headers() -> None:
    """All other headers are kept, including whether to close the connection."""
    headers = [
        (b"host", b"here"),
        (b"connection", b"Upgrade, close"),
        (b"upgrade", b"h2c"),
        (b"http2-settings", b"AAE"),
    ]
    head = head_without_upgrade(b"POST", b"/a", b"1.1", headers)
    assert head == b"POST /a HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
