"""Tests that requests for statistics are checked."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from floorcast.model.errors import InvalidParameter, MissingParameter
from floorcast.statistics.requests import (
    EVERYTHING,
    CampaignFilter,
    ServiceFilter,
    read_campaign_filter,
    read_changed_after,
    read_figure,
    read_interval,
    read_last,
    read_service_filter,
)

ZONE = ZoneInfo("America/New_York")


def test_services_and_call_centers_may_be_given_together() -> None:
    """A row is included if its service or its call center matches."""
    given = {"service": [{"id": "1"}], "callCenter": [{"id": 2}]}
    assert read_service_filter(given) == ServiceFilter(frozenset({1}), frozenset({2}))
    assert read_service_filter(None) == EVERYTHING


def test_campaigns_are_filtered_by_one_kind_alone() -> None:
    """A filter with several kinds is an error, which names them."""
    assert read_campaign_filter({"campaign": [{"id": 3}]}) == CampaignFilter(frozenset({3}))
    assert read_campaign_filter({}) == CampaignFilter()
    with pytest.raises(InvalidParameter, match="filter has campaign and service: expected one"):
        read_campaign_filter({"service": [{"id": 1}], "campaign": [{"id": 1}]})


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        (None, None),
        ("  ", None),
        (0, 0),
        (1401958827016, 1401958827016),
        ("1401958827016", 1401958827016),
        ("0" * 4301 + "7", 7),
        ("2014-06-05T09:00:27.016Z", 1401958827016),
        ("2014-06-05T05:00:27.016-0400", 1401958827016),
        ("2014-06-05T05:00:27.016", 1401958827016),  # the client's zone
        ("2014-06-05", 1401940800000),
        ("2016-12-31T23:59:60.500Z", 1483228799999),
        ("2016-12-31T18:59:60", 1483228799999),  # a leap second in the client's zone
    ],
)
def test_a_time_is_milliseconds_or_iso_8601(given: object, ms: int | None) -> None:
    """All formats that clients use are accepted."""
    assert read_changed_after(given, ZONE) == ms


@pytest.mark.parametrize(
    "given",
    ["yesterday", True, 1.5, [], {}, 10**40, "9" * 40, "9" * 4301, "9" * 17, "0000-01-01", "٣" * 9],
)
def test_other_values_are_not_times(given: object) -> None:
    """The error names the request's member."""
    with pytest.raises(InvalidParameter, match="stateChangedAfter must be a time"):
        read_changed_after(given, ZONE)


def test_last_is_a_second_to_a_day() -> None:
    """``last`` is a whole number of seconds, and may be left out."""
    assert [read_last(given) for given in (None, 1, 86_400)] == [None, 1, 86_400]
    for wrong in (0, -1, 86_401, True, 900.0, "900"):
        with pytest.raises(InvalidParameter, match="from 1 to 86400"):
            read_last(wrong)


def test_an_interval_has_one_of_four_lengths() -> None:
    """``interval`` is a number of seconds, and not a text."""
    assert [read_interval(given) for given in (300, 900, 1800, 3600)] == [300, 900, 1800, 3600]
    for wrong in (0, 301, True, "900", [900]):
        with pytest.raises(InvalidParameter, match="interval must be"):
            read_interval(wrong)


def test_a_figure_is_given_by_its_name() -> None:
    """Without a figure, it is not known which calls are asked for."""
    assert read_figure("totalOffered") == "totalOffered"
    for wrong in ("totaloffered", "", 1, ["totalOffered"]):
        with pytest.raises(InvalidParameter, match="figure must be"):
            read_figure(wrong)
    with pytest.raises(MissingParameter):
        read_figure(None)
