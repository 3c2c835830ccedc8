"""The pass over agents: goes through their states in the order of event times and adds them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from floorcast.verify.call_facts import known_facts
from floorcast.verify.call_paths import call_path, segment_of_agent
from floorcast.verify.client_days import QUARTER_MS, ClientDays
from floorcast.verify.record_types import AgentRecord, WrapUpRecord
from floorcast.verify.records import Records
from floorcast.verify.state_periods import (
    ON_A_CALL,
    WITH_A_CALL,
    CurrentCallTracker,
    LoginState,
    StatePeriod,
    is_answer,
    login_states,
    state_after,
)
from floorcast.verify.sums import Presence, Sums

__all__ = ["AgentPass", "add_states_to_calls"]

_TIMES = {"Ready": "readyTime", "Wrapup": "wrapupTime", "Not Ready": "notReadyTime"}
REASONS = ("LUNCH", "TRAINING", "BREAK", "MEETING", "TECH_DIFFICULTIES")


@dataclass
class _Visit:
    """A visit to a state, with the services for which it counted today."""

    state: str
    services: set[int | None] = field(default_factory=set)


def add_states_to_calls(records: Records, agent: int, events: Sequence[AgentRecord]) -> None:
    """Add an agent's states to the calls that they name, with the agent's service at that time."""
    for one, login in zip(events, login_states(events), strict=True):
        records.add_state(agent, one, login.current_service)


class AgentPass:
    """Adds agents to ``sums``, one at a time. Times are in ms."""

    def __init__(
        self, sums: Sums, records: Records, days: ClientDays, now: int, quiet: int
    ) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._now = now
        self._quiet = quiet

    def add(self, agent: int, events: Sequence[AgentRecord]) -> None:
        """Add an agent. ``events`` has its events in the order of time."""
        periods = self._periods(agent, events)
        if periods:
            self._count_time(agent, periods)
            self._count_visits(agent, periods)
            self._record_wrap_ups(agent, events, periods)
            self._record_presence(agent, periods)

    def _periods(self, agent: int, events: Sequence[AgentRecord]) -> list[StatePeriod]:
        found: list[StatePeriod] = []
        state, before_offer = "Logoff", "Ready"
        current_call = CurrentCallTracker()
        for one, login in zip(events, login_states(events), strict=True):
            if one.kind == "answered":
                current_call.answer(one, state)
            if one.kind != "state":
                if found and (login.is_late or one.kind == "answered"):
                    service = self._counting_service(agent, login, current_call.event, state)
                    self._change_services(found, one, login, service)
                    found[-1].login, found[-1].call_event = login, current_call.event
                continue
            kind = one.data["eventType"]
            entered = state_after(kind, before_offer)
            if kind == "PREVIEW_DIAL_OFFERED" and state != "Preview Dial":
                before_offer = "Ready" if state == "Logoff" else state
            current_call.enter(one, entered)
            continues = entered == state and bool(found)
            end = one.at
            if found and kind == "LOGON" and one.at - found[-1].event.at > self._quiet:
                # there was no event for too long: the previous state ended with its own event
                continues, end = False, found[-1].event.at
            while found and found[-1].begin > end:
                found.pop()
            if found:
                found[-1].end = end
            service = self._counting_service(agent, login, current_call.event, entered)
            found.append(
                StatePeriod(
                    one,
                    one.at,
                    one.at,
                    entered,
                    login,
                    service,
                    current_call.event,
                    continues,
                    (service,),
                    login.services,
                )
            )
            state = entered
        if found:
            last = found[-1]
            last.end = max(last.begin, min(self._now, last.event.at + self._quiet))
        return found

    def _change_services(
        self, found: list[StatePeriod], one: AgentRecord, login: LoginState, service: int | None
    ) -> None:
        """Count the agent's time for other services, from an event that is not a state.

        A LOGON that arrived too late applies as far back as a late state could.
        """
        last, since = found[-1], one.at
        if one.kind == "late":
            since = max(since, one.recorded_at - self._records.late_ms)
        since = min(since, last.event.at + self._quiet)
        if service == last.service and login.services == last.login.services:
            return
        if since > last.begin:
            found.append(last.on_service(service, since))
        else:
            last.service = service

    def _counting_service(
        self, agent: int, login: LoginState, call_event: AgentRecord | None, state: str
    ) -> int | None:
        """Return the service that the agent's time counts for.

        It is the service of the current call, or else the agent's current service.
        """
        if len(login.services) > 1 and call_event is not None and state in WITH_A_CALL:
            call_service = call_event.named
            if call_service is None:
                call_service = self._call_service(agent, call_event)
            if call_service in login.services:
                return call_service
        return login.current_service

    def _call_service(self, agent: int, call_event: AgentRecord) -> int | None:
        """Return the service of the agent's segment of the call, from events that arrived in time.

        An event arrived in time if it is or precedes the event that names the call, or if it was
        recorded before the late limit for agent states had passed.
        """
        if call_event.call is None:
            return None
        until = call_event.at + self._records.late_ms
        events = [
            event
            for event in self._records.call_events(call_event.call)
            if event.position <= call_event.position or event.recorded_at <= until
        ]
        segment = segment_of_agent(call_path(events).segments, agent, call_event.at)
        return None if segment is None else segment.service

    def _count_time(self, agent: int, periods: Sequence[StatePeriod]) -> None:
        for one in periods:
            begin, end = max(one.begin, self._days.begin), min(one.end, self._days.end)
            if one.state != "Logoff" and end > begin:
                sums = self._sums.agents[agent][one.service]
                sums.time[one.state] += end - begin
                self._count_in_intervals(one, begin, end)
                if one.state == "Not Ready":
                    reason = self._records.rules[one.event.rules].reason(one.reason)
                    sums.reasons[reason if reason in REASONS else "OTHER"] += end - begin

    def _count_in_intervals(self, one: StatePeriod, begin: int, end: int) -> None:
        names = ["loggedInTime"]
        if one.state in ON_A_CALL:
            names += ["talkTime", "holdTime"] if one.state == "Hold" else ["talkTime"]
        elif one.state in _TIMES:
            names.append(_TIMES[one.state])
        while begin < end:
            quarter = self._days.quarter(begin)
            stop = min(end, self._days.begin + (quarter + 1) * QUARTER_MS)
            for name in names:
                self._sums.intervals[one.service, quarter].spent[name] += stop - begin
            begin = stop

    def _count_visits(self, agent: int, periods: Sequence[StatePeriod]) -> None:
        visits: list[_Visit] = []
        in_call: _Visit | None = None
        for one in periods:
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
            continues_today = max(one.begin, self._days.begin) < min(one.end, self._days.end)
            if one.state != "Logoff":
                services = {*(one.entered if begins_today else ())}
                services |= {one.service} if continues_today else set()
                visit.services |= services
                services |= {*(one.entered_services if begins_today else ())}
                services |= {*(one.login.services if continues_today else ())}
                for service in services:
                    self._sums.agents[agent][service].was_present = True
        for visit in {id(visit): visit for visit in visits}.values():
            for service in visit.services:
                self._sums.agents[agent][service].visits[visit.state] += 1

    def _record_wrap_ups(
        self, agent: int, events: Sequence[AgentRecord], periods: Sequence[StatePeriod]
    ) -> None:
        """Assign each finished wrap-up to the call that it names or to the last answered one."""
        begun: list[StatePeriod] = []
        for one in periods:
            if begun and not (one.state == "Wrapup" and one.continues):
                self._record_wrap_up(agent, events, begun)
                begun = []
            if one.state == "Wrapup":
                begun.append(one)

    def _record_wrap_up(
        self, agent: int, events: Sequence[AgentRecord], visit: Sequence[StatePeriod]
    ) -> None:
        first = visit[0].event
        named = [one.event.call for one in visit if one.event.call is not None]
        answered = [
            one.call
            for one in events
            if (one.at, one.position) < (first.at, first.position) and is_answer(one)
        ]
        for call in named[-1:] or answered[-1:]:
            assert call is not None
            spent = visit[-1].end - first.at
            self._records.add_wrap_up(call, WrapUpRecord(agent, first.at, spent))

    def _record_presence(self, agent: int, periods: Sequence[StatePeriod]) -> None:
        last = periods[-1]
        known_until = last.event.at + self._quiet
        since = last.begin
        for one in reversed(periods):
            since = one.begin
            if not one.continues:
                break
        if all(one.state == "Logoff" for one in periods):
            since = 0  # the agent has never logged in
        data = [one.event.data for one in periods]
        monitored = [one["monitored"] for one in data if one.get("monitored") is not None]
        skills = [one["skill"] for one in data if one.get("skill") is not None]
        self._sums.presences[agent] = Presence(
            state=last.state,
            since=since,
            service=last.service,
            services=last.services,
            reason=last.reason if last.state == "Not Ready" else None,
            monitored=bool(monitored and monitored[-1]),
            skill=skills[-1] if skills else None,
            call=self._current_call_data(last),
        )
        if last.state != "Logoff" and known_until > self._days.begin:
            for service in last.services:
                self._sums.agents[agent][service].is_present = True
        if last.state != "Logoff" and known_until <= self._now:
            del self._sums.presences[agent]

    def _current_call_data(self, last: StatePeriod) -> dict[str, Any]:
        """Return the data of the agent's current call, which its states name."""
        event = last.call_event
        if event is None:
            return {}
        call = event.data["call"]
        facts: dict[str, Any] = {}
        if event.call is not None:
            facts = known_facts(self._records.call_events(event.call))
        return {
            "transactionId": _int(call.get("transactionId")),
            "sessionId": call.get("sessionId"),
            "direction": _first(call.get("direction"), facts.get("direction")),
            "account": _first(call.get("account"), _short(facts.get("account"))),
            "phone": _first(call.get("phoneNumber"), _short(customer_phone(facts))),
        }


def customer_phone(facts: dict[str, Any]) -> str | None:
    """Return the customer's number: the caller's for an inbound call, or else the dialed number."""
    direction, dialed = facts.get("direction"), facts.get("phoneDialed")
    of_caller = direction == "INBOUND" or (direction is None and dialed is None)
    phone = facts.get("callerId") if of_caller else dialed
    return None if phone is None else str(phone)


def _short(text: str | None) -> str | None:
    """Return a text that an agent takes over from its call."""
    return None if text is None or len(text) > 128 else text


def _int(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value is not None), None)
