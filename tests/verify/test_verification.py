"""Tests that recomputed figures agree with the fold, and reveal mistakes in the fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from floorcast.floor import agent_fold, call_steps, campaigns, tally
from floorcast.floor.agent_fold import AgentFold
from floorcast.floor.agent_states import AgentCounts
from floorcast.floor.call_counts import CallCounts
from floorcast.floor.call_steps import SegmentChange
from floorcast.floor.call_table import CallTable
from floorcast.floor.calls import Call
from floorcast.floor.counted_calls import CallsByService
from floorcast.floor.days import Calendar
from floorcast.floor.floor import Floor
from floorcast.floor.ledger import Ledger
from floorcast.floor.queue_segments import QueueSegment, Step
from floorcast.floor.state import FloorState
from floorcast.floor.tally import Tally
from floorcast.floor.thresholds import Thresholds
from floorcast.model.inbound import InboundEvent, milliseconds
from floorcast.projection.refold import FoldLimits, Refold
from floorcast.site.configuration import Service
from floorcast.statistics import service_stats
from floorcast.statistics.present_agents import AgentDays
from floorcast.statistics.visibility import Moment
from floorcast.verify.verification import Difference, StoredEntry, displayed_rows, verify
from tests.search import tries
from tests.statistics.floors import agent_at, at, call_at, event_at
from tests.verify.random_days import PLAN, Day, logs
from tests.verify.recomputing import rows_of_log
from tests.verify.stories import Story, stories
from tests.verify.true_figures import differences

PATIENT = settings(
    max_examples=tries(100),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
CHANGES = (
    ("America/New_York", "2026-03-08"),  # 23 hours
    ("America/New_York", "2026-11-01"),  # 25 hours
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),  # half an hour
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Asia/Kathmandu", "2026-06-05"),  # +05:45
    ("Africa/Cairo", "2026-04-24"),  # the clocks change at midnight
    ("Pacific/Kiritimati", "2026-06-05"),  # a day ahead of most servers
)


@st.composite
def days_of_change(draw: st.DrawFn) -> Day:
    zone, day = draw(st.sampled_from(CHANGES))
    midnight = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    begin = midnight + timedelta(hours=draw(st.sampled_from([0, 1, 2, 3, 20, 26])))
    return draw(logs(replace(PLAN, time_zone=zone), begin))


@PATIENT
@given(logs())
def test_random_logs_verify_clean(day: Day) -> None:
    """Every figure of every method agrees at any time of a random log."""
    assert verify(1, day.entries, Moment(day.now)).differences == []


@PATIENT
@given(days_of_change())
def test_days_of_23_and_25_hours_verify_clean(day: Day) -> None:
    """Figures agree on days when clocks change by an hour or half an hour, and in distant zones."""
    assert verify(1, day.entries, Moment(day.now)).differences == []


@PATIENT
@given(logs(), st.sampled_from([Moment(0, 60_000, 60_000, 500), Moment(0, 1, 1, 0)]))
def test_other_limits_verify_clean(day: Day, limits: Moment) -> None:
    """Figures agree even if calls and agents count as quiet after a minute or immediately."""
    assert verify(1, day.entries, limits._replace(now=day.now)).differences == []


@PATIENT
@given(stories(), st.sampled_from([1, 60_000, 3_600_000]))
def test_the_figures_are_what_happened(story: Story, later: int) -> None:
    """Both the fold and the recomputation show what happened, in whatever order events arrive."""
    entries = story.entries()
    now = max(story.now, entries[-1].recorded_at // 10_000) + later
    refold = Refold(FloorState(client=1), FoldLimits())
    for entry in entries:
        refold.fold_entry(*entry)
    shown = displayed_rows(refold.floor, Moment(now), refold.evicted_calls())
    assert differences(story, now, shown) == []
    assert differences(story, now, rows_of_log(entries, now)) == []


def a_morning() -> list[StoredEntry]:
    """Return a log with everything that could be folded wrongly."""
    events = [
        agent_at("LOGON", "2026-11-22T23:50:00-05:00", service=10),
        agent_at("READY", "2026-11-22T23:51:00-05:00"),
        call_at("start", "2026-11-22T23:59:00-05:00", 1, service=10, direction="INBOUND"),
        call_at("queue", "2026-11-22T23:59:00-05:00", 1),
        call_at("start", "2026-11-23T09:00:00-05:00", 2, service=10, direction="OUTBOUND"),
        call_at("queue", "2026-11-23T09:00:10-05:00", 2),
        call_at("queue", "2026-11-23T09:00:40-05:00", 2, service=20),
        agent_at("NOT_READY", "2026-11-23T09:01:00-05:00", reason="LUNCH"),
        agent_at("IN_CALL", "2026-11-23T09:01:15-05:00", call=named(2)),
        agent_at("AGENT_HOLD", "2026-11-23T09:02:15-05:00"),
        agent_at("AGENT_RESUMED", "2026-11-23T09:02:45-05:00"),
        call_at("disposition", "2026-11-23T09:03:00-05:00", 2, termCode="RPC"),
        call_at("end", "2026-11-23T09:03:05.500-05:00", 2),
        agent_at("WRAP_UP", "2026-11-23T09:03:06-05:00"),
        agent_at("READY", "2026-11-23T09:03:36-05:00"),
        call_at("start", "2026-11-23T09:03:00-05:00", 3, service=20, direction="INBOUND"),
        call_at("answer", "2026-11-23T09:03:31-05:00", 3, agent="BOB"),
        call_at("queue", "2026-11-23T09:03:20-05:00", 3),  # this event is late
        call_at("start", "2026-11-23T09:04:00-05:00", 4, service=10, direction="INBOUND"),
        call_at("queue", "2026-11-23T09:04:00-05:00", 4),
        event_at("campaign.update", "2026-11-23T09:04:00-05:00", campaign=5, service=10, loaded=9),
        event_at("campaign.update", "2026-11-23T09:03:00-05:00", campaign=5, loaded=7),
        call_at("end", "2026-11-23T09:04:10.500-05:00", 4),
        agent_at("LOGON", "2026-11-23T09:04:15-05:00", "CAT", services=[20, "Elsewhere"]),
        call_at("queue", "2026-11-23T09:04:20-05:00", 5, service=20),
        agent_at("LOGOFF", "2026-11-23T09:04:30-05:00", "CAT"),
        call_at("end", "2026-11-23T09:04:41-05:00", 5),
    ]
    return in_entries(events)


def named(number: int) -> dict[str, object]:
    return {"transactionId": number, "sessionId": f"S{number}"}


def in_entries(events: list[InboundEvent]) -> list[StoredEntry]:
    """Return a site entry and an entry per event.

    Each event is recorded at its own time, or just after the previous one.
    """
    entries = [StoredEntry(1, 10_000, "site", msgspec.json.encode(PLAN))]
    for number, event in enumerate(events, 2):
        assert event.time is not None
        recorded_at = max(milliseconds(event.time) * 10_000, entries[-1].recorded_at + 1)
        entries.append(StoredEntry(number, recorded_at, "events", msgspec.json.encode(event)))
    return entries


NOW = Moment(at("2026-11-23T09:06:00-05:00"), quiet_call=12 * 3_600_000)


def test_a_morning_verifies_clean() -> None:
    """The log that is used for the mutations below has no differences itself."""
    verified = verify(1, a_morning(), NOW)
    assert verified.differences == []
    assert verified.entries == 28
    assert verified.figures > 150


def _append(call: Call, step: Step) -> SegmentChange:
    call.steps.append(step)
    return call_steps._append_step(call, step)  # noqa: SLF001 — the mistake is made inside


_WAIT = QueueSegment.wait
LENIENT = Service(id=0, name="-", sla_seconds=86_400)

WRONG: dict[str, tuple[object, str, Callable[..., object]]] = {
    "waits are a second longer": (
        QueueSegment,
        "wait",
        lambda segment, _: 1000 + _WAIT(segment, _),
    ),
    "late events are appended": (tally, "apply_step", _append),
    "reasons are mixed up": (agent_fold, "reason_index", lambda reason: 5),
    "days begin in UTC": (Calendar, "_midnight", lambda _, day: (day - 719_163) * 86_400_000),
    "no call is offered": (CallCounts, "offered", lambda *_: None),
    "calls are not found by service": (CallsByService, "of", lambda *_: ()),
    "any wait is within the SLA": (Thresholds, "_service", lambda *_: LENIENT),
    "wrap-ups are not counted": (Tally, "wrap_up", lambda *_: None),
    "visits are not counted": (AgentCounts, "_visit", lambda *_: None),
    "an agent was logged in to one service only": (AgentCounts, "_login", lambda *_: None),
    "nobody is credited": (CallCounts, "credit", lambda *_: None),
    "old reports undo newer ones": (campaigns, "_newer", lambda *_: True),
    "calls are not located": (CallTable, "update_indexes", lambda *_: None),
    "dispositions do not count": (CallCounts, "disposition", lambda *_: None),
    "agents stay where they were": (AgentFold, "update_rosters", lambda *_: None),
    "counters of agents get lost": (Ledger, "_note", lambda *_: None),
    "the present adds nothing": (AgentDays, "accrued", lambda *_: 0),
    "means are cut off": (
        service_stats,
        "mean_seconds",
        lambda total, n: total // 1000 // max(n, 1),
    ),
    "rates are whole": (service_stats, "rate", lambda part, whole: 100 * part // max(whole, 1)),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_fold_is_caught(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake in the fold or in the statistics causes a difference."""
    owner, name, wrong = WRONG[mistake]
    monkeypatch.setattr(owner, name, wrong)
    assert verify(1, a_morning(), NOW).differences


def test_a_difference_names_method_row_and_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference has all that is needed to request the figure from the API."""
    monkeypatch.setattr(CallCounts, "credit", lambda *_: None)
    found = verify(1, a_morning(), NOW).differences
    assert Difference("service/agent/stats", "Ann", "outboundCalls", 0, 1) in found


def test_a_given_floor_is_checked() -> None:
    """A given floor without the log's events differs from the log."""
    entries = a_morning()
    whole, without = verify(1, entries, NOW), entries[:-1]
    behind = Floor(FloorState(client=1))
    assert whole.differences == []
    for entry in without[:1]:
        behind.begin_entry(entry.number, entry.recorded_at)
        behind.apply(PLAN)
    assert verify(1, entries, NOW, behind).differences


def test_an_empty_log_verifies_clean() -> None:
    """An empty log has no differences. The default time is that of the log's last entry."""
    assert verify(1, []).differences == []
    assert verify(1, in_entries([])).entries == 1


def in_order_of_arrival(story: Sequence[tuple[int, InboundEvent]]) -> list[StoredEntry]:
    """Return a log with a site entry and events that arrived at the given times (ms)."""
    site = StoredEntry(1, (story[0][0] - 1) * 10_000, "site", msgspec.json.encode(PLAN))
    return [site] + [
        StoredEntry(number, when * 10_000 + number, "events", msgspec.json.encode(event))
        for number, (when, event) in enumerate(story, 2)
    ]


def test_the_service_of_a_late_logon_counts_for_the_whole_visit_today() -> None:
    """A visit began before midnight without a service, but none of it counts without one today."""
    evening, night = at("2026-11-22T23:00:00-05:00"), at("2026-11-23T01:00:00-05:00")
    story = [
        (evening, agent_at("LOGON", evening)),
        (evening, agent_at("LOGON", evening - 3 * 3_600_000, service=10)),
    ]
    assert verify(1, in_order_of_arrival(story), Moment(night)).differences == []


def test_an_agent_does_not_leave_a_late_answered_call_for_another_one() -> None:
    """The agent has both calls, whichever answer arrives first."""
    noon = at("2026-11-23T12:00:00-05:00")
    story = [
        (noon, call_at("answer", noon, 3, agent="BOB")),
        (noon, call_at("answer", noon - 9 * 3_600_000, 1, agent="BOB")),
        (noon, call_at("start", noon, 1, service=10, direction="INBOUND")),
    ]
    assert verify(1, in_order_of_arrival(story), Moment(noon + 2)).differences == []


def test_an_agent_leaves_a_quiet_call_for_another_one() -> None:
    """The call has left memory when its agent answers another one, and then receives an event."""
    morning, noon = at("2026-11-23T05:00:00-05:00"), at("2026-11-23T10:00:00-05:00")
    story = [
        (morning, call_at("answer", morning, 2, agent=9)),
        (noon, agent_at("IN_CALL", noon, 9, call={"transactionId": 1, "sessionId": "S1"})),
        (noon, call_at("start", noon, 2, service=10, direction="INBOUND")),
    ]
    assert verify(1, in_order_of_arrival(story), Moment(noon)).differences == []
