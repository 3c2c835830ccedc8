"""Tests of personal values in any notation, and of events without these values."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.model.person import (
    Person,
    PersonCalls,
    call_key,
    erase_values,
    ids_contain,
    normalize_phone,
)

ADA = Person(("12125550147",), ("ACC-1",))


@pytest.mark.parametrize(
    "written",
    ["+1 (212) 555-0147", "2125550147", "0012125550147", "1.212.555.0147", "tel:+12125550147",
     "sip:2125550147@pbx.example", "call 212 555-0147 back", 2125550147, "ACC-1"],
)  # fmt: skip
def test_a_persons_value_is_recognized_in_any_notation(written: object) -> None:
    """The value may have a country code, be a JSON number, or be part of an address."""
    assert ADA.owns(written)


@pytest.mark.parametrize(
    "other",
    [
        "+1 212 555 0148",
        "5550147",
        "ACC-12",
        "x12125550148",
        "2125550147000000",
        None,
        True,
        0.5,
        "0147",
        "",
    ],
)
def test_other_values_do_not_match(other: object) -> None:
    """A part of a value does not match, because others may share it."""
    assert not ADA.owns(other)


def test_text_without_a_phone_number_has_no_digits() -> None:
    """Examples are names, dates, and texts with too many digits."""
    assert [normalize_phone(text) for text in ("Ada", "", "1" * 16, "10:15")] == [""] * 4


def test_erasing_a_person_keeps_the_events_structure() -> None:
    """Personal members, and values with the number, become null. Ids and all other members stay."""
    event = {
        "id": "2125550147",
        "data": {
            "transactionId": 2125550147,
            "sessionId": "S1",
            "consumer": {"firstName": "Ada"},
            "note": ["call +1 212 555 0147", "+12125550147"],
            "service": 10,
        },
    }
    assert ADA.appears_in(event)
    assert erase_values(event, ADA) == {
        "id": "2125550147",
        "data": {
            "transactionId": 2125550147,
            "sessionId": "S1",
            "consumer": {"firstName": None},
            "note": [None, None],
            "service": 10,
        },
    }
    assert ids_contain({"id": "x-12125550147", "data": {}}, ADA)
    assert not ids_contain({"id": "x"}, ADA)


def test_the_call_of_an_event_is_found() -> None:
    """Call events, agent events and published events have a call. Other events have none."""
    call = {"transactionId": "7", "sessionId": "S"}
    assert call_key({"data": call}) == (7, "S")
    assert call_key({"data": {"agent": 1, "call": call}}) == (7, "S")
    assert call_key(call) == (7, "S")
    assert call_key({"type": "call.end", "data": {**call, "call": {}}}) == (7, "S")
    assert call_key({"data": {"agent": 1}}) is None
    assert call_key({"data": {"transactionId": "x", "sessionId": "S"}}) is None


def test_an_id_is_the_same_call_as_long_as_a_floor_knows_the_call() -> None:
    """After more than two days without the call, its id is somebody else's call."""
    calls, hour = PersonCalls(), 3_600_000
    calls.add((7, "S"), 100 * hour, 101 * hour)
    assert calls.has((7, "S"), 40 * hour, 48 * hour)
    assert calls.has((7, "S"), 153 * hour, 160 * hour)
    assert not calls.has((7, "S"), 154 * hour, 160 * hour)
    assert not calls.has((7, "T"), 100 * hour, 101 * hour)
    assert not calls.has(None, 100 * hour, 101 * hour)
    assert calls.between(0, 48 * hour) == {(7, "S")}
    assert calls.between(0, 47 * hour) == set()


PIECES = st.sampled_from(
    ["2", "1", "5", "55", "212", "0147", "+1", "ACC-1", "/", " ", "\t", "\n", "-", "é", '"', "\\"]
)  # fmt: skip
VALUES = st.lists(PIECES, max_size=8).map("".join) | st.integers(0, 10**11) | st.none()
MEMBERS = st.dictionaries(st.sampled_from(["note", "skill", "to", "id"]), VALUES, max_size=3)


@given(
    MEMBERS | st.builds(lambda one: {"call": [one]}, MEMBERS),
    st.sampled_from(["+1 (212) 555-0147", "2125550147", "+12\t1255\n50147", "a 555", 2125550147]),
    st.text('A1-\\"é\n/', min_size=1, max_size=3),
)
def test_the_pattern_finds_every_event_with_a_value(
    data: dict[str, Any], written: object, account: str
) -> None:
    """It searches the JSON of an event, in which white space and quotes are escaped."""
    for event in (data, {**data, "line": written}, {**data, "line": f"{account}"}):
        person = Person(("12125550147",), (account,))
        if person.appears_in(event):
            text = pa.array([msgspec.json.encode(event).decode()])
            assert pc.match_substring_regex(text, person.json_pattern())[0].as_py()
