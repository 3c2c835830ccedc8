"""The pass over calls: adds each call to today's counts and determines its current state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from floorcast.verify.call_facts import known_facts
from floorcast.verify.call_paths import (
    CallPath,
    CallSegment,
    call_path,
    declared_service,
    is_step,
    segment_of_agent,
)
from floorcast.verify.client_days import ClientDays
from floorcast.verify.record_types import (
    AgentAnswer,
    CallRecord,
    CampaignRecord,
    CountingRules,
    WrapUpRecord,
    call_key,
)
from floorcast.verify.records import Records
from floorcast.verify.sums import IntervalSums, OpenCall, Sums

__all__ = ["CallPass", "add_answers"]

_RIGHT_PARTY = ("rpcComplete", "rpcIncomplete")
_OUTBOUND = ("OUTBOUND", "MANUAL")
_NAMING = ("start", "queue", "end", "update")  # an answer's service is that of its agent
_HALF_HOUR_MS = 30 * 60_000

_DayAndService = tuple[date, int | None]
"""A day and a service. A call counts only once there."""


def add_answers(records: Records, events: Sequence[CallRecord]) -> None:
    """Record the agents that answered a call, and the services at which they answered."""
    path = call_path(events)
    for event, segment in path.agent_answers:
        assert event.agent is not None
        service = path.segments[segment].service
        answer = AgentAnswer(event.position, event.counts_at, service, *call_key(event))
        records.add_answer(event.agent, answer)


class CallPass:
    """Adds calls to ``sums``, one at a time. Times are in ms."""

    def __init__(
        self, sums: Sums, records: Records, days: ClientDays, now: int, quiet: int
    ) -> None:
        self._sums = sums
        self._records = records
        self._days = days
        self._rules = records.rules
        self._now = now
        self._quiet = quiet
        self._has_left = records.has_left
        self._name = (0, "")

    def add(self, events: Sequence[CallRecord]) -> None:
        """Add a call. ``events`` has its events in the order of the log."""
        path = call_path(events)
        self._count_missed(events, path)
        if all(event.kind in ("state", "missed") and not is_step(event) for event in events):
            return  # only events about agents name it
        last_event = _last_event_time(events)
        facts = known_facts(events)
        steps = [event for event in events if is_step(event)]
        rules = self._rules[steps[-1].rules] if steps else self._rules[0]
        name = call_key(events[0])
        direction = facts.get("direction")
        self._record_campaigns(events)
        self._name = name
        self._count_offered(path, last_event)
        self._count_handled(path, rules, direction, self._records.wrap_ups_of(name))
        self._count_abandoned(path, rules)
        self._count_moved_on(path, rules)
        self._count_agents(path, direction)
        self._count_disposition(events, name, path)
        if path.ended is None and last_event + self._quiet > self._now:
            self._sums.open_calls.append(self._open_call(name, path, facts))

    # -- counts for services --------------------------------------------------------------

    def _count_offered(self, path: CallPath, last_event: int) -> None:
        touching = [one for one in path.segments if self._touches_today(one, last_event)]
        for service in {one.service for one in touching}:
            self._sums.services[service].offered += 1
            self._add_to_list(service, "totalOffered")
            first = min(one.began for one in touching if one.service == service)
            self._interval(service, max(first, self._days.begin)).counts["offered"] += 1

    def _touches_today(self, segment: CallSegment, last_event: int) -> bool:
        end = segment.answered if segment.answered is not None else segment.left
        if end is None:
            if segment.began < self._days.begin:
                return last_event + self._quiet > self._days.begin
            return self._days.is_today(segment.began)
        return self._days.of(segment.began) <= self._days.today <= self._days.of(end)

    def _count_handled(
        self,
        path: CallPath,
        rules: CountingRules,
        direction: str | None,
        wrap_ups: Sequence[WrapUpRecord],
    ) -> None:
        """Count a handled call once per service and day, in its first answered segment there."""
        for segment in self._first_answered(path).values():
            assert segment.answered is not None
            sums = self._sums.services[segment.service]
            if self._days.is_today(segment.answered):
                wait = segment.wait(segment.answered)
                sums.handled += 1
                self._add_to_list(segment.service, "totalHandled")
                interval = self._interval(segment.service, segment.answered)
                interval.counts["handled"] += 1
                if segment.joined is not None or direction not in _OUTBOUND:
                    sums.waits.append(wait)
                    within = wait <= rules.thresholds(_number(segment.service))[0]
                    sums.handled_within += within
                    self._add_to_list(segment.service, "totalCallsAnsweredWithinSLA", within)
                    interval.waits.append(wait)
                    interval.counts["answeredWithinSLA"] += within
            if segment.left is not None and self._days.is_today(segment.left):
                sums.talks.append(segment.left - segment.answered)
                own = [
                    one.spent for one in wrap_ups if _segment_before(path.segments, one) is segment
                ]
                sums.wrap_ups.append(sum(own))
                interval = self._interval(segment.service, segment.left)
                interval.talks += 1
                interval.counts["transferred"] += segment.passed_on or segment.exited
                interval.spent["talk"] += segment.left - segment.answered
                interval.spent["wrapUp"] += sum(own)

    def _first_answered(self, path: CallPath) -> dict[_DayAndService, CallSegment]:
        found: dict[_DayAndService, CallSegment] = {}
        for segment in path.segments:
            if segment.answered is not None:
                found.setdefault((self._days.of(segment.answered), segment.service), segment)
        return found

    def _count_abandoned(self, path: CallPath, rules: CountingRules) -> None:
        counted: set[_DayAndService] = set(self._first_answered(path))
        for segment in path.segments:
            if segment.answers or segment.left is None or not self._days.is_today(segment.left):
                continue
            abandoned = segment.ended_unanswered or (
                segment.exited and rules.counts_exits(_number(segment.service))
            )
            day_and_service = (self._days.of(segment.left), segment.service)
            if abandoned and day_and_service not in counted:
                counted.add(day_and_service)
                sums, wait = self._sums.services[segment.service], segment.wait(segment.left)
                sla, short = rules.thresholds(_number(segment.service))
                sums.abandoned.append(wait)
                self._add_to_list(segment.service, "totalAbandoned")
                self._add_to_list(segment.service, "totalCallsAbandonedWithinSLA", wait <= sla)
                sums.abandoned_within += wait <= sla
                sums.abandoned_short += wait <= short
                counts = self._interval(segment.service, segment.left).counts
                counts["abandoned"] += 1
                counts["abandonedWithinSLA"] += wait <= sla
                counts["abandonedShort"] += wait <= short

    def _count_moved_on(self, path: CallPath, rules: CountingRules) -> None:
        """Count a call as moved on if it left a service unanswered and without another result."""
        resolved = set(self._first_answered(path))
        found: dict[int | None, CallSegment] = {}
        for segment in path.segments:
            if segment.answers:
                continue
            if segment.left is None:
                resolved.add((self._days.today, segment.service))
            elif segment.ended_unanswered or (
                segment.exited and rules.counts_exits(_number(segment.service))
            ):
                resolved.add((self._days.of(segment.left), segment.service))
            elif self._days.is_today(segment.left):
                found[segment.service] = segment
        ended = [one for one in path.segments if one.joined is not None and not one.waits]
        for one in ended:  # a call that waited there at the end of today did not move on today
            end = one.answered if one.answered is not None else one.left
            if end is not None and one.began < self._days.end <= end:
                resolved.add((self._days.today, one.service))
        for service, segment in found.items():
            if (self._days.today, service) not in resolved:
                assert segment.left is not None
                moved_on = self._interval(service, segment.left).moved_on
                moved_on[segment.reason or "REQUEUED"] += 1
                self._add_to_list(service, "movedOn")

    def _count_missed(self, events: Sequence[CallRecord], path: CallPath) -> None:
        for event in events:
            if event.kind == "missed" and self._days.is_today(event.at):
                service = event.service
                if service is None:
                    service = path.service_at(event.at)
                self._interval(service, event.at).counts["missed"] += 1

    def _add_to_list(self, service: int | None, figure: str, counts: bool = True) -> None:
        """Add the call to the calls behind a figure if it counts."""
        if counts:
            self._sums.calls[service, figure].add(self._name)

    def _interval(self, service: int | None, at: int) -> IntervalSums:
        return self._sums.intervals[service, self._days.quarter(at)]

    # -- counts for agents ----------------------------------------------------------------

    def _count_agents(self, path: CallPath, direction: str | None) -> None:
        """Count the call once per agent, service and day, for each agent that answered it."""
        if direction is None:
            return
        kind = "inbound" if direction == "INBOUND" else "outbound"
        answered = {
            (one.agent, segment.service)
            for segment in path.segments
            for one in segment.answers
            if one.agent is not None and self._days.is_today(one.at)
        }
        for agent, service in answered:
            assert agent is not None
            self._sums.agents[agent][service].calls[kind] += 1

    def _count_disposition(
        self, events: Sequence[CallRecord], name: tuple[int, str], path: CallPath
    ) -> None:
        """Count the latest disposition for the agent that it names, or that had the call."""
        dispositions = [one for one in events if one.kind == "disposition"]
        if not dispositions:
            return
        latest = max(dispositions, key=lambda one: (one.at, one.position))
        category = self._rules[latest.rules].category(latest.data.get("termCode"))
        segment = _segment_at(path.segments, latest.at)
        agent = latest.agent
        if agent is None and segment is not None:
            agent = self._agent_at(name, segment, latest.at)
        if latest.agent is not None:
            segment = segment_of_agent(path.segments, latest.agent, latest.at)
        service = path.present_service if segment is None else segment.service
        if agent is not None and self._days.is_today(latest.at):
            self._sums.agents[agent][service].categories[category] += 1
        if category in _RIGHT_PARTY and self._now - _HALF_HOUR_MS < latest.at <= self._now:
            self._sums.connects.append(latest.at)

    def _agent_at(self, name: tuple[int, str], segment: CallSegment, at: int) -> int | None:
        """Return the call's agent at a time: the last one that had answered it and not left it."""
        at = at if segment.left is None else min(at, segment.left)
        had = [one for one in segment.answers if one.at <= at] or segment.answers[:1]
        still = [one for one in had if one.agent is None or not self._has_left(one.agent, name, at)]
        return (still or had)[-1].agent

    # -- the current state ----------------------------------------------------------------

    def _open_call(self, name: tuple[int, str], path: CallPath, facts: dict[str, Any]) -> OpenCall:
        last = path.segments[-1] if path.segments else None
        if last is None:
            return OpenCall(
                name, path.present_service, "DIALING", None, path.began, [], False, facts
            )
        state = "QUEUED" if last.waits else "CONNECTED"
        since = last.joined if last.waits else None
        current_agents = [
            one.agent
            for one in last.answers
            if last.left is None
            and (one.agent is None or not self._has_left(one.agent, name, self._now))
        ]
        agents = [one.agent for one in last.answers[:1] if one.agent is not None]
        return OpenCall(
            name,
            path.present_service,
            state,
            since,
            path.began,
            agents,
            bool(current_agents),
            facts,
        )

    def _record_campaigns(self, events: Sequence[CallRecord]) -> None:
        """Record that each campaign that the call's events name was active until its last step."""
        campaigns = {one.campaign for one in events if one.campaign is not None}
        if not campaigns:
            return
        last = max(event.at for event in events if is_step(event))
        service, first_named = declared_service(events), None
        named = [event for event in events if event.kind in _NAMING and event.service is not None]
        if named:
            first = min(named, key=lambda one: (one.at, one.service))
            first_named = (first.at, *call_key(first))
            service = first.service if service is None else service
        for campaign in campaigns:
            record = CampaignRecord(events[0].position, campaign, last, service, None, first_named)
            self._records.add_campaign_record(record)


def _last_event_time(events: Sequence[CallRecord]) -> int:
    """Return the time of the call's last event.

    An event about an agent that names the call counts only if another event came before it.
    """
    times: list[int] = []
    for event in events:
        if times or is_step(event) or event.kind not in ("state", "missed"):
            times.append(event.at)
    return max(times)


def _segment_at(segments: Sequence[CallSegment], at: int) -> CallSegment | None:
    """Return the last segment answered at or before ``at``, or else the first one after it."""
    answered = [segment for segment in segments if segment.answered is not None]
    before = [segment for segment in answered if (segment.answered or 0) <= at]
    return before[-1] if before else next(iter(answered), None)


def _segment_before(segments: Sequence[CallSegment], wrap_up: WrapUpRecord) -> CallSegment | None:
    """Return the segment before a wrap-up: the agent's last one, or else the last answered one."""
    own = segment_of_agent(segments, wrap_up.agent, wrap_up.begin)
    if own is not None:
        return own
    before = [one for one in segments if one.answered is not None and one.answered <= wrap_up.begin]
    return before[-1] if before else None


def _number(service: int | None) -> int:
    return -1 if service is None else service
