"""Tests of changes to a webhook's progress."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from floorcast.model.token import TICKS_PER_SECOND
from floorcast.webhooks.progress import (
    MAX_DELIVERY_RETRY_SECONDS,
    MAX_RETRY_AFTER_SECONDS,
    SUSPEND_AFTER,
    Progress,
    progress_item,
    read_progress,
    record_delivery,
    record_failure,
    remaining_pause,
    resume,
    retry_after_seconds,
    suspend,
    webhook_id,
)

NOW = 1_700_000_000 * TICKS_PER_SECOND


def retry_delay(progress: Progress, now: int = NOW) -> float:
    """Return the seconds until a webhook's next attempt."""
    return (progress.next_try - now) / TICKS_PER_SECOND


@given(tries=st.integers(0, 1_000_000), chance=st.floats(0, 1), asked=st.floats(0, 1e9))
def test_a_retry_delay_is_bounded(tries: int, chance: float, asked: float) -> None:
    """The delay is bounded after any number of failures and for any Retry-After."""
    after = record_failure(Progress(tries=tries), "500", NOW, chance, asked)
    assert 0.5 <= retry_delay(after) <= max(MAX_DELIVERY_RETRY_SECONDS, MAX_RETRY_AFTER_SECONDS)
    assert retry_delay(after) >= min(asked, MAX_RETRY_AFTER_SECONDS) - 1e-6
    assert (
        retry_delay(record_failure(Progress(tries=tries), "500", NOW, chance))
        <= MAX_DELIVERY_RETRY_SECONDS
    )


def test_retry_delays_double_up_to_five_minutes() -> None:
    """The first delay is one second. Up to half of each delay is subtracted at random."""
    progress, delays = Progress(), []
    for _ in range(12):
        progress = record_failure(progress, "500", NOW, 1.0)
        delays.append(retry_delay(progress))
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert retry_delay(record_failure(Progress(tries=3), "500", NOW, 0.0)) == 4


def test_a_day_of_failures_suspends_the_webhook_at_its_position() -> None:
    """The day begins with the first of consecutive failures. A success ends it."""
    first = record_failure(Progress(token="t"), "500", NOW, 1.0)
    late = record_failure(first, "503", NOW, 1.0, elapsed=SUSPEND_AFTER - 1)
    assert late.state == "active"
    over = record_failure(late, "503", NOW, 1.0, elapsed=1)
    assert (over.state, over.token, over.suspensions) == ("suspended", "t", 1)
    assert "503" in over.reason
    again = record_failure(record_delivery(late, 3, NOW), "500", NOW, 1.0)
    assert (again.state, again.failing, again.events, again.failures) == ("active", 0, 3, 3)
    assert resume(over).failing == 0


@given(st.lists(st.integers(-10 * SUSPEND_AFTER, 10 * SUSPEND_AFTER), max_size=20))
def test_the_wall_clock_does_not_suspend_a_webhook(jumps: list[int]) -> None:
    """Only elapsed time counts, wherever the wall clock jumps."""
    progress = Progress()
    for jump in jumps:
        progress = record_failure(progress, "500", NOW + jump, 1.0, elapsed=TICKS_PER_SECOND)
    assert (progress.state, progress.failing) == ("active", len(jumps) * TICKS_PER_SECOND)


def test_resuming_retries_at_once_and_changes_the_position_only_on_request() -> None:
    """Each command has a number, so that the sender notices it."""
    held = suspend(Progress(token="t", end="e", tries=9, since=NOW, order=4), "gone")
    on = resume(held)
    assert (on.state, on.token, on.end, on.tries, on.order) == ("active", "t", "e", 0, 5)
    assert (resume(held, "u").token, resume(held, "u").end) == ("u", "")
    assert resume(held, "").token == ""


def test_retry_after_is_seconds_or_a_date() -> None:
    """A Retry-After that is neither a number of seconds nor a date is ignored."""
    assert retry_after_seconds("120", NOW) == 120
    assert retry_after_seconds("Tue, 14 Nov 2023 22:14:20 GMT", NOW) == 60
    assert retry_after_seconds("Tue, 14 Nov 2003 22:14:20 GMT", NOW) == 0
    hours_behind = "Tue, 14 Nov 2023 20:13:20 GMT"
    assert retry_after_seconds("Tue, 14 Nov 2023 20:13:50 GMT", NOW, hours_behind) == 30
    assert retry_after_seconds("Tue, 14 Nov 2023 22:14:20 GMT", NOW, "yesterday") == 60
    for odd in ("", "soon", "-5", "1e9", "Tue, 99 Nov 9999999 22:14:20 GMT"):
        assert retry_after_seconds(odd, NOW) == 0


@given(st.integers(-(10**9), 10**9))
def test_a_clock_that_jumps_never_makes_a_planned_pause_longer(jump: int) -> None:
    """This holds for the process that takes over, which knows only the wall clock."""
    failed = record_failure(Progress(tries=3), "500", NOW, 1.0)
    assert remaining_pause(failed, NOW) == 8
    assert 0 <= remaining_pause(failed, NOW + jump * TICKS_PER_SECOND) <= 8
    older = structs.replace(failed, pause=0)  # as an earlier release wrote it
    assert 0 <= remaining_pause(older, NOW + jump * TICKS_PER_SECOND) <= 3600
    assert remaining_pause(Progress(), NOW) == remaining_pause(resume(failed), NOW) == 0


def test_stored_progress_can_be_read() -> None:
    """Stored progress can be read, even if a later release has added a member."""
    progress = record_failure(Progress(token="t", events=7), "500", NOW, 1.0)
    raw = progress_item(1, "ops", progress).value
    assert read_progress(raw) == progress
    more = msgspec.json.encode(msgspec.json.decode(raw or b"") | {"later": 1})
    assert read_progress(more) == progress


def test_the_id_in_metrics_reveals_neither_client_nor_name() -> None:
    """A webhook's id never changes, and differs between clients, names and installations."""
    assert webhook_id(1, "ops", b"s") == webhook_id(1, "ops", b"s")
    assert len({webhook_id(c, n, s) for c in (1, 2) for n in ("a", "b") for s in (b"s", b"t")}) == 8
