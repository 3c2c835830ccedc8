"""Tests that connections are admitted, and closed if they are overdue or to make room."""

from __future__ import annotations

from structlog.testing import capture_logs

from floorcast.server.connection_admission import MAX_CLOSED_PER_TURN, ConnectionAdmission
from floorcast.server.connection_limits import (
    ConnectionLimits,
    ConnectionTuning,
    DeadlineQueue,
    Deadlines,
)
from tests.server.serving import on_uvloop


class FakeConnection:
    """A connection that records calls, and disconnects like a real one."""

    def __init__(self, peer: str, harness: AdmissionHarness) -> None:
        self.peer = peer
        self.harness = harness
        self.late: list[str] = []
        self.evicted = False

    def on_deadline(self, queue: DeadlineQueue[FakeConnection]) -> None:
        self.late.append(queue.kind)

    def evict(self) -> None:
        self.evicted = True
        self.harness.limits.leave(self.peer)


class AdmissionHarness:
    """An admission with the test's clock."""

    def __init__(self, places: int, per_address: int) -> None:
        self.now = 0.0
        self.limits = ConnectionLimits(places, per_address)
        self.deadlines: Deadlines[FakeConnection] = Deadlines(ConnectionTuning(), lambda: self.now)
        self.admission = ConnectionAdmission(self.limits, self.deadlines, None)

    def enter(self, peer: str) -> FakeConnection | None:
        """Return a connection that waits for its first request, or None if it is refused."""
        if self.admission.admit(peer) != "admitted":
            return None
        connection = FakeConnection(peer, self)
        self.deadlines.idle.begin(connection, self.now)
        return connection


def test_the_longest_waiting_connection_is_evicted() -> None:
    """In a full server, it may have any address. At an address's limit, it has the same address."""
    harness = AdmissionHarness(places=3, per_address=2)
    first, second, other = (harness.enter(peer) for peer in "aab")
    assert first
    assert second
    assert other
    assert harness.enter("c")
    assert [connection.evicted for connection in (first, second, other)] == [True, False, False]
    assert harness.enter("c")
    assert [connection.evicted for connection in (first, second, other)] == [True, True, False]


def test_an_address_at_its_limit_evicts_its_own_connection_in_a_full_server() -> None:
    """An address must not be able to close other addresses' connections."""
    harness = AdmissionHarness(places=3, per_address=2)
    other, own = harness.enter("b"), harness.enter("a")
    assert other
    assert own
    assert harness.enter("a")
    assert harness.enter("a")
    assert own.evicted
    assert not other.evicted


def test_a_connection_with_a_request_in_progress_is_never_evicted() -> None:
    """Instead, the next connection is refused."""
    harness = AdmissionHarness(places=1, per_address=1)
    busy = harness.enter("a")
    assert busy is not None
    harness.deadlines.forget(busy)
    assert harness.enter("b") is None
    assert not busy.evicted


def test_overdue_connections_are_closed_a_few_per_turn() -> None:
    """Any number of overdue connections is closed over several turns of the loop."""
    harness = AdmissionHarness(places=1000, per_address=1000)
    many = [harness.enter("a") for _ in range(3 * MAX_CLOSED_PER_TURN)]
    harness.now = ConnectionTuning().idle

    async def sweep() -> None:
        harness.admission.sweep()
        late = sum(bool(connection and connection.late) for connection in many)
        assert late == MAX_CLOSED_PER_TURN

    on_uvloop(sweep)
    with capture_logs() as logs:
        harness.admission.notices.note("idle", "a")
        harness.admission.sweep()
    assert [log["event"] for log in logs] == ["connections_closed"]
