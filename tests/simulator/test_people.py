"""Tests that invented people are distinct and cannot be reached."""

from __future__ import annotations

import re
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from floorcast.simulator.people import HOURS_FROM_EASTERN, agent_name, random_person


def test_ten_thousand_agents_have_unique_names() -> None:
    """Names are unique with and without spaces, because a login has none."""
    names = [agent_name(number) for number in range(10_000)]
    assert len(set(names)) == len({name.replace(" ", "") for name in names}) == 10_000
    assert not any(a.split()[1] == b.split()[1] for a, b in pairwise(names))


@given(st.integers(), st.sampled_from(sorted(HOURS_FROM_EASTERN)))
def test_phone_numbers_and_addresses_are_fictional(seed: int, zone: str) -> None:
    """Numbers are 555-0100 to 555-0199 of an area code, and addresses are at example.com."""
    somebody = random_person(Random(seed), zone)
    assert re.fullmatch(r"\d{3}55501\d\d", somebody.phone)
    assert re.fullmatch(r"[a-z]+\.[a-z]+@example\.com", somebody.email)
