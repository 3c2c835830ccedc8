"""The bounded store of what was lately used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.cache import ByteCache


@given(
    st.integers(0, 50),
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 6), st.integers(1, 30))
    ),
)
def test_it_never_holds_more_than_its_limit(limit: int, steps: list[tuple[str, int, int]]) -> None:
    """And what it gives is what was put in last."""
    cache: ByteCache[int] = ByteCache(limit)
    last: dict[int, int] = {}
    for step, key, size in steps:
        if step == "put":
            cache.put(key, size, size)
            last[key] = size
        elif step == "drop":
            cache.drop(key)
        assert cache.get(key) in (None, last.get(key))
        assert cache.bytes <= limit
        assert (cache.bytes == 0) == (len(cache) == 0)


def test_what_was_used_last_stays() -> None:
    """Asking counts as use."""
    cache: ByteCache[str] = ByteCache(3)
    for key in "abc":
        cache.put(key, key, 1)
    assert cache.get("a") == "a"
    cache.put("d", "d", 1)
    assert [cache.get(key) for key in "abcd"] == ["a", None, "c", "d"]
    cache.put("a", "too large", 4)
    assert cache.get("a") is None
