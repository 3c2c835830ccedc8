"""Draws stories of a floor that is known exactly, and sends their events late and out of order.

A story records what happens as it happens. The figures that follow from it
(``tests.verify.true_figures``) need neither the events nor their order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from floorcast.verify.verification import StoredEntry

__all__ = [
    "CATEGORIES",
    "ON_CALL",
    "SERVICES",
    "SLA_MS",
    "Desk",
    "Login",
    "Period",
    "Story",
    "Turn",
    "stories",
]

T = TypeVar("T")
SITE: dict[str, Any] = {
    "services": [
        {"id": 10, "name": "Sales", "sla_seconds": 20},
        {"id": 20, "name": "Support", "sla_seconds": 20, "short_abandon_seconds": 5},
        {"id": 30, "name": "Care", "sla_seconds": 5, "service_level": "with_abandons_within_sla"},
        {"id": 40, "name": "Exits", "sla_seconds": 20, "count_exits_as": "abandoned"},
    ],
    "agents": [{"id": 1, "login": "ANN"}, {"id": 2, "login": "BOB"}, {"id": 3, "login": "CAT"}],
}
SERVICES = (10, 20, 30, 40)
SLA_MS = {10: 20_000, 20: 20_000, 30: 5_000, 40: 20_000}
CATEGORIES = {
    "RPC": "rpcComplete", "RPC_INCOMPLETE": "rpcIncomplete", "WPC": "wpc", "x": "nonContacts",
}  # fmt: skip
ON_CALL = ("In Call", "Hold", "Transferring")
BEGINS = st.sampled_from(
    [
        ("America/New_York", "2026-11-23T12:00"),
        ("America/New_York", "2026-11-23T23:30"),
        ("America/New_York", "2026-11-23T23:58"),
        ("America/New_York", "2026-03-08T01:50"),  # 23 hours
        ("America/New_York", "2026-11-01T00:50"),  # 25 hours
        ("Africa/Cairo", "2026-04-23T23:55"),  # the clocks change at midnight
        ("Asia/Kathmandu", "2026-06-05T23:55"),
    ]
)
PAUSES = st.sampled_from(
    [1, 1000, 4999, 5000, 5001, 19_999, 20_000, 20_001, 61_000, 200_000, 701_003]
)
DELAYS = st.sampled_from([0, 0, 0, 500, 5_000, 60_000, 400_000, 830_000])


@dataclass(eq=False)
class Turn:
    """A call's turn at a service, from ``joined`` (None if it did not queue) or from the answer.

    ``why`` tells how it ended: ``end``, ``leave``, or ``queue`` for another queue. ``answers`` has
    the time at which each agent answered, and ``wrap_up`` the ms that followed.
    """

    service: int
    joined: int | None
    answered: int | None = None
    left: int | None = None
    why: str = ""
    answers: dict[str, int] = field(default_factory=dict)
    wrap_up: int = 0

    @property
    def began(self) -> int:
        """When the turn began."""
        began = self.answered if self.joined is None else self.joined
        assert began is not None
        return began

    @property
    def decided(self) -> int | None:
        """When the turn was answered, or else left; None while the call waits."""
        return self.left if self.answered is None else self.answered


@dataclass(eq=False)
class TrueCall:
    """A call: its turns, the agents that are on it now, and its last term code.

    Agents in ``finished`` have left the other agents on the call, and have had no other call since.
    """

    number: int
    direction: str
    turns: list[Turn] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    finished: set[str] = field(default_factory=set)
    ended: int | None = None
    code: tuple[int, str, str, int] | None = None

    @property
    def turn(self) -> Turn:
        """The last turn."""
        return self.turns[-1]

    @property
    def name(self) -> dict[str, Any]:
        """The members by which events name the call."""
        return {"transactionId": self.number, "sessionId": f"S{self.number}"}


class Period(NamedTuple):
    """Time in a state. Periods of one visit to the state share a number."""

    begin: int
    end: int
    state: str
    reason: str
    service: int
    visit: int


class Login(NamedTuple):
    """Time in which an agent is logged in, and the services that it serves."""

    begin: int
    end: int
    services: tuple[int, ...]


@dataclass(eq=False)
class Desk:
    """An agent, and what it has done. ``turn`` is of the call in hand, ``last`` of the last one."""

    login: str
    services: tuple[int, ...] = ()
    state: str = "Logoff"
    reason: str = ""
    since: int = 0
    begun: int = 0
    service: int = 0
    visit: int = 0
    talk_visit: int = 0
    call: TrueCall | None = None
    turn: Turn | None = None
    last: tuple[TrueCall, Turn] | None = None
    wrapped: Turn | None = None
    periods: list[Period] = field(default_factory=list)
    logged_on: int = 0
    logins: list[Login] = field(default_factory=list)

    @property
    def talks(self) -> bool:
        """Whether the agent is on its call, which has not ended or moved."""
        return self.call is not None and self.login in self.call.agents

    def enter(self, state: str, reason: str, now: int) -> None:
        """Enter a state. ``turn`` must already be that of the new call in hand."""
        self.periods += self.open_period(now)
        if self.state == "Logoff":
            self.logged_on = now
        if state == "Logoff":
            self.logins += self.open_login(now)
        if self.state == "Wrapup" and state != "Wrapup" and self.wrapped is not None:
            self.wrapped.wrap_up += now - self.since
        if state != self.state:
            resumes = state == "In Call" and self.state in ON_CALL and self.talk_visit
            self.visit = self.talk_visit if resumes else now
            self.wrapped = self.last[1] if state == "Wrapup" and self.last else None
            self.since = now
        if state not in ON_CALL:
            self.call = self.turn = None
        if state == "In Call" or state not in ON_CALL:
            self.talk_visit = self.visit if state == "In Call" else 0
        self.state, self.reason, self.begun = state, reason, now
        of_call = None if self.turn is None else self.turn.service
        self.service = of_call if of_call in self.services else self.services[0]

    def open_period(self, now: int) -> list[Period]:
        """Return the time in the present state, if the agent is logged in."""
        known = Period(self.begun, now, self.state, self.reason, self.service, self.visit)
        return [] if self.state == "Logoff" else [known]

    def open_login(self, now: int) -> list[Login]:
        """Return the present login, if the agent is logged in."""
        return [] if self.state == "Logoff" else [Login(self.logged_on, now, self.services)]


class Story:
    """What happens on a floor with three agents. Each event has a time (ms) of its own."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self.zone, begin = draw(BEGINS)
        self.now = round(datetime.fromisoformat(begin).replace(tzinfo=self._tz).timestamp() * 1000)
        self.calls: list[TrueCall] = []
        self.desks = [Desk(login) for login in ("ANN", "BOB", "CAT")]
        self.missed: list[tuple[int, int]] = []
        self._behind = {True: draw(DELAYS), False: draw(DELAYS)}  # a source of agents, one of calls
        self._every = draw(st.sampled_from([1, 1, 30_000]))  # ms between a source's requests
        self._sent: list[tuple[int, bytes]] = []

    @property
    def _tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def day(self, at: int) -> date:
        """Return the calendar day of a time."""
        return datetime.fromtimestamp(at / 1000, self._tz).date()

    def entries(self) -> list[StoredEntry]:
        """Return the site's entry and one per event, as they arrive."""
        site = json.dumps({**SITE, "time_zone": self.zone}).encode()
        requests: dict[int, list[bytes]] = {}
        for arrives, line in sorted(self._sent, key=lambda one: one[0]):
            requests.setdefault(-(-arrives // self._every) * self._every, []).append(line)
        arrivals = ((at * 10_000, "events", b"\n".join(lines)) for at, lines in requests.items())
        return [
            StoredEntry(number, *entry)
            for number, entry in enumerate([(1, "site", site), *arrivals], 1)
        ]

    def go_on(self) -> None:
        """Let some time pass, and one thing happen."""
        self._wait()
        free = [desk for desk in self.desks if desk.state not in (*ON_CALL, "Logoff")]
        self._pick([self._arrive, *self._with_calls(free), *self._with_agents(free)])()

    def _with_calls(self, free: list[Desk]) -> Iterator[Callable[[], None]]:
        """Yield what can happen to calls that are not with an agent."""
        waiting = [call for call in self.calls if call.turn.decided is None]
        parked = [call for call in self.calls if call.turn.why == "leave" and call.ended is None]
        answered = [call for call in self.calls if any(turn.answers for turn in call.turns)]
        if waiting:
            call = self._pick(waiting)
            for happens in (self._end, self._exit, self._queue, self._miss):
                yield partial(happens, call)
        if waiting and free:
            yield from [partial(self._take, self._pick(free), self._pick(waiting))] * 4
        if parked:
            yield partial(self._unpark, self._pick(parked), free)
        if answered:
            yield partial(self._code, self._pick(answered))

    def _with_agents(self, free: list[Desk]) -> Iterator[Callable[[], None]]:
        """Yield what agents can do."""
        off = [desk for desk in self.desks if desk.state == "Logoff"]
        talking = [desk for desk in self.desks if desk.talks]
        over = [desk for desk in self.desks if desk.state in ON_CALL and not desk.talks]
        if off:
            yield partial(self._log_on, self._pick(off))
        if free:
            desk = self._pick(free)
            yield from (partial(self._idle, desk), partial(self._dial, desk))
        if over:
            yield from [partial(self._finish, self._pick(over))] * 4
        if talking:
            desk = self._pick(talking)
            call = desk.call
            assert call is not None
            for happens in (self._end, self._end, self._queue, self._exit):
                yield partial(happens, call)
            yield partial(self._hold, desk)
            if free:
                yield from [partial(self._consult, desk, self._pick(free))] * 2
            if len(call.agents) > 1:
                yield partial(self._finish, desk)

    # -- calls -----------------------------------------------------------------------------

    def _arrive(self) -> None:
        call = self._start(self._pick(["INBOUND", "INBOUND", "OUTBOUND"]), self._service())
        named = self._pick([{}, {"service": self._service()}])
        call.turns[0].service = named.get("service", call.turns[0].service)
        self._send("call.queue", {**call.name, **named})

    def _dial(self, desk: Desk) -> None:
        call = self._start(self._pick(["MANUAL", "OUTBOUND", "INBOUND"]), self._service())
        call.turn.joined = None
        self._take(desk, call)

    def _start(self, direction: str, service: int) -> TrueCall:
        call = TrueCall(len(self.calls) + 1, direction, [Turn(service, self.now)])
        self.calls.append(call)
        self._send("call.start", {**call.name, "service": service, "direction": direction})
        return call

    def _miss(self, call: TrueCall) -> None:
        data = {"agent": "ANN", "reason": "NO_ANSWER", "ringSeconds": 9}
        self._send("agent.missed", {**call.name, **data})
        self.missed.append((self.now, call.turn.service))

    def _leave(self, call: TrueCall, why: str) -> None:
        if call.turn.left is None:
            call.turn.left, call.turn.why = self.now, why
        call.agents.clear()
        call.finished.clear()

    def _end(self, call: TrueCall) -> None:
        self._send("call.end", call.name)
        self._leave(call, "end")
        call.ended = self.now

    def _exit(self, call: TrueCall) -> None:
        reason = self._pick(["TIMEOUT", "KEY", "CALLBACK", "VOICEMAIL", "TRANSFER"])
        self._send("call.leave", {**call.name, "reason": reason})
        self._leave(call, "leave")
        if self._draw(st.booleans()):
            self.now += self._pick([1, 999, 1000, 1001])
            self._end(call)

    def _queue(self, call: TrueCall) -> None:
        service = self._service()
        self._send("call.queue", {**call.name, "service": service})
        if call.turn.decided is not None or call.turn.service != service:
            self._leave(call, "queue")
            call.turns.append(Turn(service, self.now))

    def _unpark(self, call: TrueCall, free: list[Desk]) -> None:
        what = self._pick(["end", "queue", "answer"])
        if what == "end":
            self._end(call)
        elif what == "queue":
            self._queue(call)
        elif free:
            call.turns.append(Turn(call.turn.service, None))
            self._take(self._pick(free), call)

    def _code(self, call: TrueCall) -> None:
        """Set a term code for the call of an agent that is named, or that has it now.

        An agent who has finished still has the call until the next one. See metrics.md.
        """
        code = self._pick(tuple(CATEGORIES))
        data: dict[str, Any] = {**call.name, "termCode": code}
        login = self._pick([who for turn in call.turns for who in turn.answers])
        if self._draw(st.booleans()) and call.agents and not call.finished:
            login = call.agents[-1]
        else:
            data["agent"] = login
        self._send("call.disposition", data)
        service = [turn.service for turn in call.turns if login in turn.answers][-1]
        call.code = (self.now, code, login, service)

    # -- agents ----------------------------------------------------------------------------

    def _log_on(self, desk: Desk) -> None:
        services = st.lists(st.sampled_from(SERVICES), min_size=1, max_size=3, unique=True)
        desk.services = tuple(self._draw(services))
        self._enter(desk, "LOGON", "Logon", services=desk.services)

    def _idle(self, desk: Desk) -> None:
        what = self._pick(["READY", "READY", "NOT_READY", "WRAP_UP", "LOGOFF"])
        if what == "NOT_READY":
            self._enter(desk, what, "Not Ready", reason=self._pick(["LUNCH", "BREAK", "?"]))
        else:
            self._enter(desk, what, {"WRAP_UP": "Wrapup"}.get(what, what.title()))

    def _take(self, desk: Desk, call: TrueCall) -> None:
        """Answer the call, or join its agents. One in four sources sends a ``call.answer``, too."""
        turn = call.turn
        if turn.answered is None:
            turn.answered = self.now
        turn.answers.setdefault(desk.login, self.now)
        data: dict[str, Any] = self._pick([{}, {}, {"service": turn.service}])
        data = {"call": {**call.name, **data}}
        if not self._draw(st.integers(0, 3)):
            self._send("call.answer", {**call.name, "agent": desk.login})
            self.now += 1
            data = self._pick([data, {}])
        for other in self.calls:
            other.finished.discard(desk.login)
            if desk.login in other.agents:
                other.agents.remove(desk.login)
        call.agents.append(desk.login)
        desk.call, desk.turn, desk.last = call, turn, (call, turn)
        self._enter(desk, "IN_CALL", "In Call", **data)

    def _hold(self, desk: Desk) -> None:
        if desk.state == "Hold":
            self._enter(desk, "AGENT_RESUMED", "In Call")
        elif desk.state == "Transferring":
            how = self._pick(["COMPLETE_AGENT2", "FAILED_AGENT2", "COMPLETE_SUPERVISOR"])
            self._enter(desk, f"AGENT_TRANSFER_{how}", "In Call")
        else:
            self._enter(desk, "AGENT_HOLD", "Hold")

    def _consult(self, desk: Desk, other: Desk) -> None:
        """Bring another agent into the call, which then both of them have."""
        assert desk.call is not None
        self._enter(desk, "AGENT_TRANSFER_INITIATED_AGENT2", "Transferring", agent2=other.login)
        self._wait()
        self._take(other, desk.call)

    def _finish(self, desk: Desk) -> None:
        """Leave the call, which has ended or moved or which another agent keeps."""
        if desk.talks:
            assert desk.call is not None
            desk.call.agents.remove(desk.login)
            desk.call.finished.add(desk.login)
        what = self._pick(["WRAP_UP", "WRAP_UP", "READY"])
        if what == "READY":
            self._enter(desk, what, "Ready")
        else:
            assert desk.last is not None
            self._enter(desk, what, "Wrapup", **self._pick([{}, {"call": desk.last[0].name}]))

    def _enter(self, desk: Desk, event: str, state: str, **data: object) -> None:
        self._send("agent.state", {"agent": desk.login, "eventType": event, **data})
        desk.enter(state, str(data.get("reason", "")), self.now)

    # -- events ----------------------------------------------------------------------------

    def _pick(self, some: Sequence[T]) -> T:
        return self._draw(st.sampled_from(some))

    def _service(self) -> int:
        return self._pick(SERVICES)

    def _wait(self) -> None:
        self.now += self._draw(PAUSES)

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        delay = self._behind[kind == "agent.state"]
        if not self._draw(st.integers(0, 3)):
            delay = self._draw(DELAYS)
        when = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.now)).isoformat()
        event = {"specversion": "1.0", "id": "x", "source": "s", "type": kind, "time": when}
        self._sent.append((self.now + delay, json.dumps({**event, "data": data}).encode()))


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Draw a story of up to a few hours."""
    story = Story(draw)
    for _ in range(draw(st.integers(1, 30))):
        story.go_on()
    return story
