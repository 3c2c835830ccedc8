"""Tests of the cursors of paged lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.http.page_cursors import MAX_CURSOR_CHARS, PageCursor, read_cursor, write_cursor
from floorcast.model.errors import InvalidParameter

REQUEST = (7, 4001, "totalHandled", None, None)
SECRET = b"secret"
CURSOR = PageCursor(739_943, (1_795_531_654_998, 7, "S@1"))


@given(st.integers(0, 2**62), st.integers(0, 2**63 - 1), st.text(max_size=256))
def test_a_cursor_is_read_back_unchanged(at: int, transaction: int, session: str) -> None:
    """This applies to any call id, within the maximum length."""
    cursor = PageCursor(1, (at, transaction, session))
    text = write_cursor(cursor, REQUEST, SECRET)
    assert len(text) <= MAX_CURSOR_CHARS
    assert read_cursor(text, REQUEST, SECRET) == cursor


def test_no_cursor_means_the_first_page() -> None:
    """Null counts as no cursor."""
    assert read_cursor(None, REQUEST, SECRET) is None


@pytest.mark.parametrize(
    "text", ["", "x", "====", "\N{SNOWMAN}", 7, True, "A" * 40, "A" * (MAX_CURSOR_CHARS + 1)]
)
def test_invalid_cursors_are_refused(text: object) -> None:
    """The error says what to send instead."""
    with pytest.raises(InvalidParameter, match="omit it for the first page"):
        read_cursor(text, REQUEST, SECRET)


@pytest.mark.parametrize("other", [(8, *REQUEST[1:]), (*REQUEST[:4], 5), REQUEST[:4]])
def test_the_cursor_of_another_request_is_refused(other: tuple[object, ...]) -> None:
    """Other clients, services, figures, intervals and installations have different cursors."""
    text = write_cursor(CURSOR, REQUEST, SECRET)
    for request, secret in ((other, SECRET), (REQUEST, b"other")):
        with pytest.raises(InvalidParameter):
            read_cursor(text, request, secret)
    flipped = text[:-1] + ("A" if text[-1] != "A" else "B")
    with pytest.raises(InvalidParameter):
        read_cursor("A" + flipped[1:], REQUEST, SECRET)


def test_a_cursor_with_another_character_is_refused() -> None:
    """A decoder that skips what is not base64 would give one cursor many texts."""
    text = write_cursor(CURSOR, REQUEST, SECRET)
    for character in ("!", " ", "\n"):
        with pytest.raises(InvalidParameter):
            read_cursor(text[:8] + 4 * character + text[8:], REQUEST, SECRET)
