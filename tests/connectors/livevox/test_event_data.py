"""Tests of the data of events from the feeds."""

from __future__ import annotations

import pytest

from floorcast.connectors.livevox.event_data import epoch_ms


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2014-06-05T05:00:27.016-0400", 1401958827016),
        ("2016-12-31T23:59:60Z", 1483228799999),
        ("2014-06-05T05:00:27.016", None),
        ("1969-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_a_time_needs_a_zone(text: str | None, ms: int | None) -> None:
    """A leap second is a time, too. Anything else is omitted."""
    assert epoch_ms(text) == ms
