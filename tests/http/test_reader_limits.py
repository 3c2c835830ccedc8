"""Limits of readers: per session and per client, and none of another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.http.reader_limits import ReaderLimits
from floorcast.model.errors import RateLimited


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 1), st.sampled_from("abc")),
        max_size=60,
    )
)
def test_nobody_has_more_than_it_may_and_everybody_has_that(
    steps: list[tuple[bool, int, str]],
) -> None:
    """Against a plain list of who is there."""
    limits = ReaderLimits(per_session=2, per_client=3)
    there: list[tuple[int, str]] = []
    for enters, client, session in steps:
        reader = (client, f"{client}{session}")
        if not enters:
            if reader in there:
                there.remove(reader)
                limits.leave(*reader)
            continue
        full = there.count(reader) >= 2 or sum(one[0] == client for one in there) >= 3
        try:
            limits.check(*reader)
        except RateLimited:
            assert full
        else:
            assert not full
            limits.enter(*reader)
            there.append(reader)


def test_a_reader_that_fails_leaves_its_place() -> None:
    """However it ends."""
    limits = ReaderLimits(per_session=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limits.held(1, "s"):
            raise ZeroDivisionError
    with limits.held(1, "s"), pytest.raises(RateLimited, match="session has 1 streams"):
        limits.check(1, "s")
