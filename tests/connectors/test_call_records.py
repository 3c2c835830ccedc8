"""Tests of the times and the order of events made from call records."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from floorcast.client.cloud_event import CloudEvent
from floorcast.connectors.call_records import RecordedCall, events, shift_to_day, shift_to_end_at

DAY = date(1999, 8, 1)
MIDNIGHT = datetime(1999, 8, 1)  # noqa: DTZ001 — a record's clock time has no zone yet
LONDON = ZoneInfo("Europe/London")


def make_call(
    row: int, start: int, ivr: int = 0, wait: int = 0, talk: int | None = None, agent: str = ""
) -> RecordedCall:
    """Return a call that starts at second ``start``. Without ``talk``, the caller hangs up."""
    over = start + ivr + wait
    at = [MIDNIGHT + timedelta(seconds=second) for second in (start, start + ivr, over)]
    return RecordedCall(
        record_date=DAY,
        day=DAY,
        row=row,
        line="AA",
        call_id=str(row),
        service="PS",
        priority=0,
        outcome="HANG" if talk is None else "AGENT",
        agent=None if talk is None else agent or None,
        ivr_seconds=ivr,
        started=at[0],
        queued=at[1] if wait else None,
        answered=None if talk is None else at[2],
        ended=at[2] + timedelta(seconds=talk or 0),
    )


def event_labels(found: list[CloudEvent]) -> list[str]:
    """Return each event as its call's row and its name."""
    return [event.id.removeprefix("AA-").replace("-1999-08-01/", " ") for event in found]


def test_the_last_event_is_shifted_to_the_given_time() -> None:
    """All times are shifted equally, to the microsecond, and the ids stay the same."""
    now = datetime(2026, 3, 4, 12, 0, 0, 1, tzinfo=UTC)
    calls = [make_call(1, start=0, ivr=5, wait=10, talk=20), make_call(2, start=3)]
    found = events(calls, shift_to_end_at(calls, now), "bank")
    assert found[-1].time == now
    assert found[0].time == now - timedelta(seconds=35)
    assert {event.source for event in found} == {"bank/1999-08-01"}


def test_ids_depend_on_the_day_but_not_on_the_time() -> None:
    """Events sent again are duplicates. Calls replayed on another day are different calls."""
    calls = [make_call(1, start=0, wait=10, talk=20, agent="AVI")]
    early, late = datetime(2026, 3, 4, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)

    def names(found: list[CloudEvent]) -> set[tuple[str, object, object]]:
        of_calls = (event for event in found if event.type != "agent.state")
        return {(e.id, e.data["sessionId"], e.data["transactionId"]) for e in of_calls}

    now = names(events(calls, shift_to_end_at(calls, early), "bank"))
    again = names(events(calls, shift_to_end_at(calls, late), "bank"))
    onto = [
        names(events(calls, shift_to_day(calls, day.date(), LONDON), "bank"))
        for day in (early, late)
    ]
    assert now == again
    assert all(here.isdisjoint(there) for here, there in [(now, onto[0]), onto])
    assert all(isinstance(number, int) and number < 2**53 for _, _, number in now | onto[0])


def test_clock_times_are_kept_in_the_time_zone() -> None:
    """Ten o'clock on a summer day in London is nine in UTC."""
    calls = [make_call(1, start=36_000)]
    found = events(calls, shift_to_day(calls, date(2026, 7, 1), LONDON), "bank")
    assert found[0].time == datetime(2026, 7, 1, 9, tzinfo=UTC)
    assert found[0].id == "AA-1-1999-08-01-2026-07-01/start"


def test_two_dates_become_two_consecutive_days() -> None:
    """The first date becomes the given day, and the next date becomes the following day."""
    second = make_call(1, start=60)._replace(
        record_date=DAY + timedelta(1),
        started=MIDNIGHT + timedelta(1, 60),
        ended=MIDNIGHT + timedelta(1, 60),
    )
    calls = [make_call(1, start=60), second]
    found = events(calls, shift_to_day(calls, date(2026, 1, 9), LONDON), "bank")
    assert [f"{event.time:%d %H:%M}" for event in found] == ["09 00:01"] * 2 + ["10 00:01"] * 2
    assert len({event.id for event in found}) == 4


def test_a_clock_change_does_not_change_a_wait() -> None:
    """A call keeps its wait if London's clocks change while it waits."""
    for day in (date(2026, 3, 29), date(2026, 10, 25)):
        calls = [make_call(1, start=3_590, wait=3_620, talk=10)]
        start, queue, answer, end = (
            event.time for event in events(calls, shift_to_day(calls, day, LONDON), "bank")
        )
        assert (queue - start, answer - queue, end - answer) == (
            timedelta(0),
            timedelta(seconds=3_620),
            timedelta(seconds=10),
        )


def test_events_in_the_same_second_are_in_causal_order() -> None:
    """A call ends before its agent takes the next one. A call of zero length starts first."""
    calls = [
        make_call(1, start=60),
        make_call(2, start=30, wait=30, talk=0, agent="AVI"),
        make_call(3, start=0, talk=60, agent="AVI"),
    ]
    assert event_labels(events(calls, shift_to_end_at(calls, datetime.now(UTC)), "bank")) == [
        "3 start",
        "3 LOGON",
        "3 answer",
        "3 IN_CALL",
        "2 start",
        "2 queue",
        "3 end",
        "3 READY",
        "1 start",
        "2 answer",
        "2 IN_CALL",
        "1 end",
        "2 end",
        "2 LOGOFF",
    ]


def test_in_call_during_an_overlap_does_not_name_the_call() -> None:
    """IN_CALL names a call only if the agent was READY before it."""
    calls = [
        make_call(1, start=0, talk=60, agent="AVI"),
        make_call(2, start=10, talk=20, agent="AVI"),
        make_call(3, start=40, talk=30, agent="AVI"),
        make_call(4, start=80, talk=5, agent="AVI"),
    ]
    found = events(calls, shift_to_end_at(calls, datetime.now(UTC)), "bank")
    in_call = [one for one in found if one.data.get("eventType") == "IN_CALL"]
    assert event_labels(in_call) == ["1 IN_CALL", "2 IN_CALL", "3 IN_CALL", "4 IN_CALL"]
    assert ["call" in one.data for one in in_call] == [True, False, False, True]
    answers = [one.data.get("agent") for one in found if one.type == "call.answer"]
    assert answers == ["AVI"] * 4


def test_an_empty_file_produces_no_events() -> None:
    """Both kinds of shift accept an empty file."""
    assert events([], shift_to_end_at([], datetime.now(UTC)), "bank") == []
    assert events([], shift_to_day([], date(2026, 3, 4), LONDON), "bank") == []


durations = st.integers(0, 5)
some_calls = st.lists(
    st.tuples(
        st.integers(0, 30), durations, durations, st.none() | durations, st.sampled_from("AB")
    )
)


@given(some_calls)
def test_random_records_produce_events_in_order(
    drawn: list[tuple[int, int, int, int | None, str]],
) -> None:
    """Times never decrease, each call's steps are in order, and agents are ready between calls."""
    calls = [make_call(row, *numbers) for row, numbers in enumerate(drawn, 1)]
    found = events(calls, shift_to_end_at(calls, datetime(2026, 3, 4, tzinfo=UTC)), "bank")
    assert [event.time for event in found] == sorted(event.time for event in found)
    assert len({event.id for event in found}) == len(found)
    for call in calls:
        steps = [step for row, step in map(str.split, event_labels(found)) if row == call.call_id]
        own = [step for step in steps if step.islower()]
        assert own == [step for step in ("start", "queue", "answer", "end") if step in own]
        assert (own[0], own[-1]) == ("start", "end")
        assert ("IN_CALL" in steps) == bool(call.agent)
        assert not call.agent or steps.index("IN_CALL") == steps.index("answer") + 1
    for agent in "AB":
        states = [
            event.data["eventType"]
            for event in found
            if event.data.get("agent") == agent and event.type == "agent.state"
        ]
        if states:
            assert (states[0], states[1], states[-1]) == ("LOGON", "IN_CALL", "LOGOFF")
            assert "READY" not in [states[-2], states[1]]
