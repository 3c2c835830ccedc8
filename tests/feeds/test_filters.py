"""Tests of valid filters and the events that they select."""

from __future__ import annotations

from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds import filters
from floorcast.feeds.filters import EVERYTHING, Filter, Matcher, matcher, read_filter
from floorcast.model.errors import InvalidParameter, MissingParameter
from floorcast.model.filter_parsing import MAX_ID

IDS = st.integers(0, MAX_ID)
SOME_IDS = st.none() | st.frozensets(st.integers(0, 5), min_size=1)
CLASSES = st.tuples(
    st.sampled_from(["VOICE", "SMS", "EMAIL"]),
    st.none() | st.integers(0, 5),
    st.none() | st.integers(0, 5),
)


@given(
    CLASSES,
    st.none() | st.frozensets(st.sampled_from(["VOICE", "SMS"])),
    SOME_IDS,
    SOME_IDS,
    SOME_IDS,
)
def test_conditions_are_combined_with_and_and_values_with_or(
    facets: tuple[str, int | None, int | None],
    kinds: frozenset[str] | None,
    services: frozenset[int] | None,
    call_centers: frozenset[int] | None,
    sight: frozenset[int] | None,
) -> None:
    """An event must meet all conditions and be in one of the user's call centers."""
    conditions = [
        (kinds, facets[0]),
        (services, facets[1]),
        (call_centers, facets[2]),
        (sight, facets[2]),
    ]
    expected = all(allowed is None or value in allowed for allowed, value in conditions)
    sees = matcher(Filter(kinds, services, call_centers), sight)
    assert sees(facets) == sees(facets) == sees.any_of([facets]) == expected
    assert list(sees.verdicts([facets])) in ([expected], [])
    assert all(sees.verdicts([facets])) == expected


def test_equal_filters_share_one_matcher() -> None:
    """Equal filters share one matcher, however they were written, so their readers share work."""
    one = read_filter({"service": [{"id": 1}, {"id": "2"}], "interactionType": [{"type": "sms"}]})
    other = read_filter(
        {"interactionType": [{"type": "SMS"}], "service": [{"id": 2}, {"id": "01"}]}
    )
    assert one == other
    assert matcher(one, frozenset({1})) is matcher(other, frozenset({1}))
    assert matcher(one) is not matcher(one, frozenset({1}))
    assert matcher() is EVERYTHING
    assert EVERYTHING.matches_all


@pytest.mark.parametrize(
    "nothing", [None, {}, {"service": None}, {"interactionType": None, "callCenter": None}]
)
def test_a_null_condition_does_not_narrow(nothing: object) -> None:
    """A condition that is null counts as not given."""
    assert read_filter(nothing) == Filter()


@given(IDS)
def test_an_id_can_be_a_number_or_its_digits(an_id: int) -> None:
    """A number and its digits as a string mean the same id."""
    for value in (an_id, str(an_id)):
        assert read_filter({"callCenter": [{"id": value}]}).call_centers == frozenset({an_id})


@pytest.mark.parametrize(
    ("given_filter", "named"),
    [
        ([], "filter must be an object, not an array"),
        ("SMS", "filter must be an object, not a string"),
        (5, "filter must be an object, not a number"),
        (True, "filter must be an object, not true or false"),
        ({"services": []}, "filter.services is unknown"),
        ({"Service": [{"id": 1}]}, "filter.Service is unknown"),
        ({"service": {"id": 1}}, "filter.service must be an array, not an object"),
        ({"service": []}, "filter.service must contain at least one"),
        ({"service": [1]}, "filter.service[0] must be an object, not a number"),
        ({"service": [{"id": 1}, None]}, "filter.service[1] must be an object"),
        ({"service": [{"id": 1, "name": "x"}]}, "filter.service[0].name is unknown"),
        ({"service": [{"id": "x"}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": ""}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": "-1"}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": "²"}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": -1}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": 1.0}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": True}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": 2**63}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": "9" * 5000}]}, "filter.service[0].id must be an id"),
        ({"service": [{"id": []}]}, "filter.service[0].id must be an id"),
        ({"interactionType": [{"type": "FAX"}]}, "filter.interactionType[0].type must be VOICE"),
        ({"interactionType": [{"type": 1}]}, "filter.interactionType[0].type must be VOICE"),
        ({"interactionType": ["SMS"]}, "filter.interactionType[0] must be an object, not a string"),
        ({"interactionType": [{"id": 1}]}, "filter.interactionType[0].id is unknown"),
    ],
)
def test_an_error_names_the_wrong_member(given_filter: object, named: str) -> None:
    """A misspelled filter is refused, because it must not widen the response."""
    with pytest.raises(InvalidParameter) as refusal:
        read_filter(given_filter)
    assert refusal.value.message.startswith(named)


@pytest.mark.parametrize("value", [{}, {"id": None}])
def test_a_condition_without_a_value_is_a_missing_parameter(value: dict[str, object]) -> None:
    """The error for a condition without a value is a missing parameter, not an invalid one."""
    with pytest.raises(MissingParameter, match=r"filter\.service\[0\]\.id is missing"):
        read_filter({"service": [value]})


def test_a_filter_has_at_most_a_thousand_conditions_of_a_kind() -> None:
    """The error for too many conditions of a kind has their number."""
    ids = [{"id": number} for number in range(1_000)]
    assert len(read_filter({"service": ids, "callCenter": ids}).services or ()) == 1_000
    with pytest.raises(InvalidParameter, match=r"filter\.callCenter has 57,000 members"):
        read_filter({"service": ids, "callCenter": ids * 57})


def test_unused_filters_are_not_kept() -> None:
    """Of many different filters, only the one that is in use is kept."""
    seen = []
    for start in range(300):
        sees = matcher(Filter(services=frozenset(range(start, start + 1_000))))
        assert sees(("SMS", start, None))
        seen.append(ref(sees))
    assert [one() for one in seen if one() is not None] == [sees]
    assert matcher(Filter(services=frozenset(range(299, 1_299)))) is sees
    assert sees.size > 64_000


def test_cached_verdicts_of_a_matcher_are_limited() -> None:
    """A matcher clears its verdicts at the limit, and is still right."""
    sees = matcher(Filter(services=frozenset({3})))
    for service in range(30_000):
        assert sees(("VOICE", service, None)) == (service == 3)
    assert sees(("SMS", 3, 1))


def test_cached_verdicts_of_all_matchers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many filters in use, some verdicts are computed again, and all of them are right."""
    monkeypatch.setattr(filters, "MAX_ALL_VERDICTS", Matcher.cached_verdicts + 1_000)
    before = Matcher.cached_verdicts

    def decide() -> list[bool]:
        many = [matcher(Filter(services=frozenset({number}))) for number in range(10, 60)]
        right = [
            sees(("SMS", service, None)) == (service == number)
            for number, sees in enumerate(many, 10)
            for service in range(100)
        ]
        assert before < Matcher.cached_verdicts <= before + 1_000
        return right

    assert all(decide())
    assert Matcher.cached_verdicts == before


def test_a_screen_sees_its_services_and_its_call_centers() -> None:
    """An agent that is visible only because of its service is shown without its call."""
    sees = matcher(Filter(), frozenset({1}), frozenset({7}))
    shown = [("VOICE", 7, 2), ("VOICE", 8, 1), ("VOICE", 8, 2), ("", 7, None), ("", 8, None)]
    assert [sees(facets) for facets in shown] == [True, True, False, True, False]
    assert [sees.hides_call(facets) for facets in shown[:2]] == [False, False]
    assert sees.hides_call(("", 7, 2))
    assert not sees.hides_call(("", 8, 1))
    assert matcher(Filter(), frozenset({1}), frozenset({7})) is sees
    assert matcher(Filter(), frozenset({1})) is not sees
