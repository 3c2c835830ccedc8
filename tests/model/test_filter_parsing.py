"""Tests that a filter is either valid or refused with an error that names the problem."""

from __future__ import annotations

import pytest

from floorcast.model.errors import InvalidParameter, MissingParameter
from floorcast.model.filter_parsing import read_condition, read_id, read_members


def read(value: object) -> dict[str, frozenset[int] | None]:
    """Return a filter with two kinds of ids."""
    given = read_members(value, "service", "callCenter")
    return {member: read_condition(given, member, "id", read_id) for member in given}


def test_ids_can_be_numbers_or_strings_of_digits() -> None:
    """Both forms mean the same id, however many conditions there are."""
    given = {"service": [{"id": "38049"}, {"id": 7}], "callCenter": [{"id": 38049}]}
    assert read(given) == {
        "service": frozenset({38049, 7}),
        "callCenter": frozenset({38049}),
    }


@pytest.mark.parametrize("value", [None, {}, {"service": None}])
def test_absent_conditions_are_omitted(value: object) -> None:
    """A missing filter, an empty filter and a null condition all count as absent."""
    assert read(value) == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "filter must be an object, not an array"),
        ("service", "filter must be an object, not a string"),
        ({"services": []}, "filter.services is unknown: expected service or callCenter"),
        ({"service": {"id": 1}}, "filter.service must be an array, not an object"),
        ({"service": []}, 'filter.service must contain at least one {"id": …}; omit it'),
        ({"service": [1]}, "filter.service[0] must be an object, not a number"),
        ({"service": [{"id": 1, "ID": 2}]}, "filter.service[0].ID is unknown: expected id"),
        ({"service": [{"id": 1}, {"id": "x"}]}, "filter.service[1].id must be an id"),
        ({"service": [{"id": True}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": -1}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": "٣"}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": 2**63}]}, "filter.service[0].id must be an id"),
    ],
)
def test_unknown_members_and_wrong_types_are_named(value: object, message: str) -> None:
    """A misspelled filter must not widen the response."""
    with pytest.raises(InvalidParameter) as caught:
        read(value)
    assert caught.value.message.startswith(message)


def test_a_condition_without_an_id_is_a_missing_parameter() -> None:
    """The code is 201 rather than 202."""
    with pytest.raises(MissingParameter, match=r"filter.service\[0\].id is missing"):
        read({"service": [{}]})
