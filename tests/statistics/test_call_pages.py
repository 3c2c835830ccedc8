"""A page is one part of a long list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from floorcast.statistics.call_pages import Page, PlaceInList

PLACES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 5), st.sampled_from("ab")), unique=True
)


@given(PLACES, st.integers(1, 4))
def test_pages_join_to_the_sorted_list(places: list[PlaceInList], most: int) -> None:
    """Pages are the same for any order in which rows are added, and each one has the total."""
    after, found = None, []
    while True:
        page: Page[PlaceInList] = Page(after, most)
        for place in places:
            page.add(place, place)
        rows = page.rows()
        assert page.total == len(places)
        assert len(rows) <= most
        assert all(place == row for place, row in rows)
        found += [place for place, _ in rows]
        after = page.last
        if after is None:
            break
    assert found == sorted(places)


def test_what_cannot_be_on_the_page_is_counted_and_dropped() -> None:
    """Once a page is full of earlier rows, later rows are only counted."""
    page: Page[None] = Page((0, 0, ""), 2)
    for at in range(1, 12):
        assert page.takes((at, 1, "s"))
        page.add((at, 1, "s"), None)
        if at == 9:
            break
    assert not page.takes((50, 1, "s"))
    assert not page.takes((0, 0, ""))
    page.add((50, 1, "s"), None)
    assert page.total == 10
    assert [place[0] for place, _ in page.rows()] == [1, 2]
