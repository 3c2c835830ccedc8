"""Tests of the filter in a request."""

from __future__ import annotations

from floorcast.client.filters import NO_FILTER, Filter


def test_filter_is_formatted_as_in_the_reference() -> None:
    """Ids can be numbers or strings of digits."""
    given = Filter(service=[93140], call_center=["11363"], interaction_type=["EMAIL", "SMS"])
    assert given.members() == {
        "filter": {
            "service": [{"id": 93140}],
            "callCenter": [{"id": "11363"}],
            "interactionType": [{"type": "EMAIL"}, {"type": "SMS"}],
        }
    }
    assert Filter(campaign=[5]).members() == {"filter": {"campaign": [{"id": 5}]}}


def test_empty_filter_is_omitted() -> None:
    """Another server might take an empty filter as "nothing"."""
    assert NO_FILTER.members() == {}
