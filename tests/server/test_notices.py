"""Tests that the log has one line, with a count, per kind of notice and period."""

from __future__ import annotations

from structlog.testing import capture_logs

from floorcast.server.notices import PERIOD_SECONDS, Notices


def test_repeated_events_share_one_log_line() -> None:
    """The first event is logged immediately.

    Later events are logged together, with the last address.
    """
    now = 0.0
    notices = Notices(lambda: now)
    with capture_logs() as lines:
        for number in range(1000):
            notices.note("head_too_slow", f"192.0.2.{number % 7}")
        notices.note("full", "192.0.2.9")
        notices.log_due()
        assert [(line["why"], line["count"]) for line in lines] == [
            ("head_too_slow", 1),
            ("full", 1),
        ]
        now = PERIOD_SECONDS
        notices.log_due()
        notices.log_due()
    assert [(line["why"], line["count"], line["address"]) for line in lines[2:]] == [
        ("head_too_slow", 999, "192.0.2.5")
    ]
    assert notices.counts == {"head_too_slow": 1000, "full": 1}
