"""Admitting connections, and closing some to make room or because they are overdue."""

from __future__ import annotations

from structlog.testing import capture_logs

from floorcast.server.connection_admission import CLOSED_IN_A_TURN, ConnectionAdmission
from floorcast.server.connection_limits import ConnectionLimits, ConnectionTuning, Deadlines, Waits
from tests.server.serving import on_uvloop


class Caller:
    """A connection that records calls, and disconnects like a real one."""

    def __init__(self, peer: str, callers: Callers) -> None:
        self.peer = peer
        self.callers = callers
        self.late: list[str] = []
        self.evicted = False

    def overdue(self, waits: Waits[Caller]) -> None:
        self.late.append(waits.kind)

    def evict(self) -> None:
        self.evicted = True
        self.callers.limits.leave(self.peer)


class Callers:
    """An admission with the test's clock."""

    def __init__(self, places: int, per_address: int) -> None:
        self.now = 0.0
        self.limits = ConnectionLimits(places, per_address)
        self.deadlines: Deadlines[Caller] = Deadlines(ConnectionTuning(), lambda: self.now)
        self.admission = ConnectionAdmission(self.limits, self.deadlines, None)

    def enter(self, peer: str) -> Caller | None:
        """Return a connection that waits for its first request, or None if it is refused."""
        if self.admission.admit(peer) != "admitted":
            return None
        caller = Caller(peer, self)
        self.deadlines.idle.begin(caller, self.now)
        return caller


def test_the_connection_that_has_waited_longest_makes_room() -> None:
    """In a full server, it may have any address. At an address's limit, it has the same address."""
    callers = Callers(places=3, per_address=2)
    first, second, other = (callers.enter(peer) for peer in "aab")
    assert first
    assert second
    assert other
    assert callers.enter("c")
    assert [caller.evicted for caller in (first, second, other)] == [True, False, False]
    assert callers.enter("c")
    assert [caller.evicted for caller in (first, second, other)] == [True, True, False]


def test_an_address_with_its_share_makes_room_among_its_own_even_if_the_server_is_full() -> None:
    """An address must not be able to close other addresses' connections."""
    callers = Callers(places=3, per_address=2)
    other, own = callers.enter("b"), callers.enter("a")
    assert other
    assert own
    assert callers.enter("a")
    assert callers.enter("a")
    assert own.evicted
    assert not other.evicted


def test_a_connection_whose_request_is_in_progress_never_makes_room() -> None:
    """Instead, the next connection is refused."""
    callers = Callers(places=1, per_address=1)
    busy = callers.enter("a")
    assert busy is not None
    callers.deadlines.forget(busy)
    assert callers.enter("b") is None
    assert not busy.evicted


def test_overdue_connections_are_closed_a_few_in_each_turn() -> None:
    """Any number of overdue connections is closed over several turns of the loop."""
    callers = Callers(places=1000, per_address=1000)
    many = [callers.enter("a") for _ in range(3 * CLOSED_IN_A_TURN)]
    callers.now = ConnectionTuning().idle

    async def sweep() -> None:
        callers.admission.sweep()
        late = sum(bool(caller and caller.late) for caller in many)
        assert late == CLOSED_IN_A_TURN

    on_uvloop(sweep)
    with capture_logs() as logs:
        callers.admission.notices.note("idle", "a")
        callers.admission.sweep()
    assert [log["event"] for log in logs] == ["connections_closed"]
