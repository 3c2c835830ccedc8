"""Tests of pages, which are parts of long lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.statistics.call_pages import CallPage, CallSortKey

PLACES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 5), st.sampled_from("ab")), unique=True
)


@given(PLACES, st.integers(1, 4))
def test_the_pages_form_the_sorted_list(sort_keys: list[CallSortKey], limit: int) -> None:
    """Pages are the same for any order in which rows are added, and each one has the total."""
    after, found = None, []
    while True:
        page: CallPage[CallSortKey] = CallPage(after, limit)
        for sort_key in sort_keys:
            page.add(sort_key, sort_key)
        rows = page.rows()
        assert page.total == len(sort_keys)
        assert len(rows) <= limit
        assert all(sort_key == row for sort_key, row in rows)
        found += [sort_key for sort_key, _ in rows]
        after = page.last
        if after is None:
            break
    assert found == sorted(sort_keys)


def test_rows_beyond_the_page_are_counted_and_dropped() -> None:
    """Once a page is full of earlier rows, later rows are only counted."""
    page: CallPage[None] = CallPage((0, 0, ""), 2)
    for at in range(1, 12):
        assert page.may_contain((at, 1, "s"))
        page.add((at, 1, "s"), None)
        if at == 9:
            break
    assert not page.may_contain((50, 1, "s"))
    assert not page.may_contain((0, 0, ""))
    page.add((50, 1, "s"), None)
    assert page.total == 10
    assert [sort_key[0] for sort_key, _ in page.rows()] == [1, 2]
