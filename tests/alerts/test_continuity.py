"""Tests of the times at which a client's figures were known."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from floorcast.alerts.continuity import MAX_SETTLE_MS, MAX_STEP_MS, Continuity
from floorcast.floor.alerts import NO_ALERT, Alert

NOON = 1_795_536_000_000


def pending(since: int) -> Alert:
    """Return an alert that is pending since a time."""
    return msgspec.structs.replace(NO_ALERT, status="pending", since=since)


def seconds(known: Continuity, begin: int, count: int) -> int:
    """Note that the figures are known once a second, and return the last time."""
    for second in range(1, count + 1):
        known.resume(begin + second * 1000)
    return begin + count * 1000


@given(st.lists(st.tuples(st.integers(-100_000, 100_000), st.integers(0, 20_000)), max_size=60))
def test_only_time_without_gaps_counts(steps: list[tuple[int, int]]) -> None:
    """A gap of any length, a clock that jumps and a slow evaluation never add too much time."""
    known, now, total = Continuity(NOON), NOON, 0
    alert, settled = pending(NOON), known.resume(now)
    for step, took in steps:
        now += step
        total += step if settled and 0 <= step <= MAX_STEP_MS else 0
        settled = known.resume(now)
        if settled:
            assert known.held("a", alert) == total
            now += took
            known.finish(now)
            total += min(took, MAX_STEP_MS)


def test_figures_settle_for_as_long_as_a_gap_was() -> None:
    """After a gap, the figures are not used for as long as the gap was, at most a minute."""
    for gap, wait in ((6, 6), (59, 59), (3_600, 60), (-7_200, 60)):
        known = Continuity(NOON)
        assert known.resume(NOON + 1000)
        now = NOON + 1000 + gap * 1000
        settled = [known.resume(now + second * 1000) for second in range(wait + 2)]
        assert settled == [False] * wait + [True] * 2
    assert MAX_SETTLE_MS == 60_000


def test_figures_settle_when_the_sources_have_caught_up() -> None:
    """Old events delay the figures only after a gap, and no longer than the gap was."""
    for gap, old, wait in ((3_600, 300, 300), (3_600, 5_000, 600), (20, 300, 20), (3_600, 10, 60)):
        known = Continuity(NOON)
        now = NOON + gap * 1000
        settled = [
            known.resume(now + second * 1000, catching_up=second < old)
            for second in range(wait + 2)
        ]
        assert settled == [False] * wait + [True] * 2
        assert known.resume(now + (wait + 2) * 1000, catching_up=True)


def test_a_short_pause_is_not_a_gap() -> None:
    """Neither a late evaluation nor a long one is a gap."""
    known = Continuity(NOON)
    assert known.resume(NOON + MAX_STEP_MS)
    known.finish(NOON + 10 * MAX_STEP_MS)
    assert known.resume(NOON + 11 * MAX_STEP_MS)


def test_the_time_before_a_restart_counts_and_the_time_without_a_server_does_not() -> None:
    """An alert that was pending for 10 of 15 s before a restart needs another 5 s."""
    known = Continuity(NOON)  # the newest event before the restart
    alert = pending(NOON - 10_000)
    now = seconds(known, NOON + 3_600_000, 61)
    assert known.held("a", alert) == 10_000
    seconds(known, now, 5)
    assert known.held("a", alert) == 15_000


def test_an_alert_that_another_node_has_begun_counts_from_then() -> None:
    """A node sees another node's change at most one evaluation later."""
    known = Continuity(NOON)
    now = seconds(known, NOON, 10)
    assert known.held("a", pending(now - 400)) == 400
    assert known.held("b", pending(now + 400)) == 0


def test_a_later_begin_counts_anew() -> None:
    """An alert that was ok in between has not held since its earlier begin."""
    known = Continuity(NOON)
    now = seconds(known, NOON, 1)
    assert known.held("a", pending(now)) == 0
    now = seconds(known, now, 10)
    assert known.held("a", pending(now - 10_000)) == 10_000
    assert known.held("a", pending(now)) == 0
    known.forget(frozenset({"b"}))
    now = seconds(known, now, 1)
    assert known.held("a", pending(now - 500)) == 500
