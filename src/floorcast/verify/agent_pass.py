"""The pass over agents: their states one after the other, and what the present one adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from floorcast.verify.call_pass import learn
from floorcast.verify.days import Days
from floorcast.verify.records import Heard, Known, Records
from floorcast.verify.sums import Presence, Sums

__all__ = ["AgentPass"]

STATES = {
    "LOGOFF": "Logoff",
    "LOGON": "Logon",
    "READY": "Ready",
    "NOT_READY": "Not Ready",
    "IN_CALL": "In Call",
    "WRAP_UP": "Wrapup",
    "TRANSFERRING": "Transferring",
    "MANUAL_DIAL": "Manual Dial",
    "PREVIEW_DIAL_OFFERED": "Preview Dial",
    "PREVIEW_DIAL_ACCEPTED": "Preview Dial",
    "DIALING": "Dialing",
    "REGISTERING": "Registering",
    "AGENT_HOLD": "Hold",
    "AGENT_RESUMED": "In Call",
    "RESERVED": "Reserved",
}
ON_A_CALL = ("In Call", "Hold", "Transferring")
WITH_A_CALL = (*ON_A_CALL, "Dialing", "Manual Dial", "Preview Dial", "Reserved")
REASONS = ("LUNCH", "TRAINING", "BREAK", "MEETING", "TECH_DIFFICULTIES")


@dataclass
class _Visit:
    """A visit to a state, and the services that it touched today."""

    state: str
    services: set[int | None] = field(default_factory=set)


class AgentPass:
    """Adds one agent after the other to ``sums``. Times are in ms."""

    def __init__(self, sums: Sums, records: Records, days: Days, now: int, quiet: int) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._now = now
        self._quiet = quiet

    def add(self, agent: int, heard: Sequence[Heard]) -> None:
        """Add an agent, of which this was heard in the order of the log."""
        told, latest = [], None
        for one in heard:
            if latest is None or one.at >= latest:
                told.append(one)
                latest = one.at
        stretches = _stretches(told, min(self._now, told[-1].at + self._quiet))
        self._count_time(agent, stretches)
        self._count_visits(agent, stretches)
        self._count_wrap_ups(agent, heard, stretches)
        self._note_presence(agent, told, stretches)

    def _count_time(self, agent: int, stretches: Sequence[_Stretch]) -> None:
        for one in stretches:
            begin, end = max(one.begin, self._days.begin), min(one.end, self._days.end)
            if one.state != "Logoff" and end > begin:
                sums = self._sums.agents[agent][one.service]
                sums.time[one.state] += end - begin
                if one.state == "Not Ready":
                    sums.reasons[one.reason if one.reason in REASONS else "OTHER"] += end - begin

    def _count_visits(self, agent: int, stretches: Sequence[_Stretch]) -> None:
        visits: list[_Visit] = []
        in_call: _Visit | None = None
        for one in stretches:
            if one.state == "In Call" and in_call is not None:
                visit = in_call
            elif visits and one.continues:
                visit = visits[-1]
            else:
                visit = _Visit(one.state)
            visits.append(visit)
            if one.state not in ON_A_CALL:
                in_call = None
            elif one.state == "In Call":
                in_call = visit
            begins_today = self._days.is_today(one.begin)
            goes_on = max(one.begin, self._days.begin) < min(one.end, self._days.end)
            if one.state != "Logoff" and (begins_today or goes_on):
                visit.services.add(one.service)
        for visit in {id(visit): visit for visit in visits}.values():
            for service in visit.services:
                self._sums.agents[agent][service].visits[visit.state] += 1

    def _count_wrap_ups(
        self, agent: int, heard: Sequence[Heard], stretches: Sequence[_Stretch]
    ) -> None:
        """Each wrap-up that follows a handled call, when it ends, for the call's service."""
        first = heard[0].position
        known = [one for one in self._records.known_of(agent) if one.position >= first]
        moments: list[_Stretch | Known] = [*stretches, *known]
        after = _AfterCalls()
        for one in sorted(moments, key=lambda one: (one.position, isinstance(one, Known))):
            if isinstance(one, Known):
                after.take_known(one)
                continue
            wrapped_up = after.take_stretch(one)
            if wrapped_up is not None and self._days.is_today(one.begin):
                self._sums.services[wrapped_up.service].wrap_ups.append(wrapped_up.time)

    def _note_presence(
        self, agent: int, told: Sequence[Heard], stretches: Sequence[_Stretch]
    ) -> None:
        last = stretches[-1]
        since = last.begin
        for one in reversed(stretches):
            if one.state != last.state:
                break
            since = one.begin
        if all(one.state == "Logoff" for one in stretches):
            since = 0  # it was never logged in
        monitored = [one.data["monitored"] for one in told if one.data.get("monitored") is not None]
        skills = [one.data["skill"] for one in told if one.data.get("skill") is not None]
        self._sums.presences[agent] = Presence(
            state=last.state,
            since=since,
            service=last.service,
            reason=last.reason if last.state == "Not Ready" else None,
            monitored=bool(monitored and monitored[-1]),
            skill=skills[-1] if skills else None,
            call=self._call_in_hand(told, stretches),
        )
        if last.state != "Logoff" and told[-1].at + self._quiet > self._days.begin:
            self._sums.agents[agent][last.service].is_present = True
        if last.state != "Logoff" and told[-1].at + self._quiet <= self._now:
            del self._sums.presences[agent]

    def _call_in_hand(self, told: Sequence[Heard], stretches: Sequence[_Stretch]) -> dict[str, Any]:
        event: Heard | None = None
        for one, stretch in zip(told, stretches, strict=True):
            if stretch.state not in WITH_A_CALL:
                event = None
            if one.data.get("call") is not None and stretch.state != "Logoff":
                event = one
        if event is None:
            return {}
        said = event.data["call"]
        number, session = _int(said.get("transactionId")), said.get("sessionId")
        facts: dict[str, Any] = {}
        if number is not None and session is not None:
            for earlier in self._records.story((number, session), event.position):
                learn(facts, earlier)
        dialed = facts.get("callerId" if facts.get("direction") == "INBOUND" else "phoneDialed")
        return {
            "transactionId": number,
            "sessionId": session,
            "direction": _first(said.get("direction"), facts.get("direction")),
            "account": _first(said.get("account"), facts.get("account")),
            "phone": _first(said.get("phoneNumber"), dialed),
        }


@dataclass
class _Stretch:
    """From one event of an agent to the next; ``continues`` the state of the one before."""

    position: int
    begin: int
    end: int
    state: str
    service: int | None
    reason: str | None
    continues: bool


class _WrapUp(NamedTuple):
    """A wrap-up that followed a call of the service; in ms."""

    service: int | None
    time: int


class _AfterCalls:
    """Which call, if any, an agent's wrap-up follows."""

    def __init__(self) -> None:
        self._call: Known | None = None
        self._latest: int | None = None
        self._since: int | None = None

    def take_known(self, known: Known) -> None:
        """A call became known as his, or as somebody else's."""
        if not known.is_his:
            self._call = None
        elif self._latest is None or known.at > self._latest:
            self._call, self._latest = known, known.at
        elif known.at == self._latest and self._call is not None:
            self._call = known  # told again, before the wrap-up

    def take_stretch(self, stretch: _Stretch) -> _WrapUp | None:
        """The next stretch begins; the wrap-up that it ends, if it follows a call of his."""
        found = None
        if self._since is not None and stretch.state != "Wrapup":
            if self._call is not None:
                found = _WrapUp(self._call.service, stretch.begin - self._since)
            self._call, self._since = None, None
        if stretch.state == "Wrapup" and self._since is None:
            self._since = stretch.begin
        if stretch.state in ("Logon", "Logoff"):
            self._call = None
        return found


def _stretches(told: Sequence[Heard], until: int) -> list[_Stretch]:
    found: list[_Stretch] = []
    state, before_offer, service = "Logoff", "Ready", None
    for index, one in enumerate(told):
        kind = one.data["eventType"]
        entered = _state(kind, before_offer)
        if kind == "PREVIEW_DIAL_OFFERED" and state != "Preview Dial":
            before_offer = "Ready" if state == "Logoff" else state
        if one.service is not None:
            service = one.service
        end = told[index + 1].at if index + 1 < len(told) else max(until, one.at)
        reason = one.data.get("reason")
        continues = entered == state and bool(found)
        found.append(_Stretch(one.position, one.at, end, entered, service, reason, continues))
        state = entered
    return found


def _state(kind: str, before_offer: str) -> str:
    if kind == "PREVIEW_DIAL_SKIPPED":
        return before_offer
    if kind.startswith("AGENT_TRANSFER_"):
        return "In Call" if "COMPLETE" in kind or "FAILED" in kind else "Transferring"
    return STATES[kind]


def _int(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
