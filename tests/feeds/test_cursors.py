"""Tests that tokens resolve to their exact position, or by time if the position is unknown."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.feeds.cursors import (
    FEED_REACH,
    MAX_CLOCK_AHEAD,
    is_token,
    local_time,
    pending_entry,
    read_token,
    resolve,
    token_at,
)
from floorcast.model import token as tokens
from floorcast.model.errors import InvalidParameter
from floorcast.model.token import MAX_INDEX, TICKS_PER_SECOND, end_of_entry, entry_of, position
from tests.http.servers import Entries

ZONE = ZoneInfo("America/New_York")
NOW = 1_700_000_000 * TICKS_PER_SECOND
CLIENT = 7

GAPS = st.lists(st.integers(1, 3600 * TICKS_PER_SECOND), max_size=30)


def log_of(gaps: list[int]) -> Entries:
    """Return a log whose entries are separated by the given gaps."""
    log = Entries(lambda: NOW)
    at = NOW - 1 - sum(gaps)
    for gap in [*gaps, 0]:
        log.take(CLIENT, at)
        at += gap
    return log


def resolved(log: Entries, text: str, now: int = NOW) -> int:
    """Return the cursor of a token."""
    return resolve(CLIENT, text, log, now, ZONE)


@given(GAPS, st.data())
def test_a_token_resolves_to_its_position(gaps: list[int], data: st.DataObject) -> None:
    """The token of any position within the last day resolves to exactly that position."""
    log = log_of(gaps)
    number = data.draw(st.integers(1, log.head(CLIENT).number))
    cursor = position(number, data.draw(st.integers(0, MAX_INDEX)))
    at_head = data.draw(st.booleans())
    text = token_at(CLIENT, cursor, log, NOW, at_head=at_head)
    ticks = tokens.decode(CLIENT, text).ticks
    recorded_at = log.recorded_at(CLIENT, number)
    following = log.recorded_at(CLIENT, number + 1)
    assert recorded_at is not None
    assert recorded_at <= ticks <= NOW
    assert following is None or ticks < following
    if at_head and following is None:
        assert ticks == NOW
    if NOW - ticks <= FEED_REACH:
        assert resolved(log, text) == cursor


@given(GAPS, st.integers(0, FEED_REACH), st.integers(2**20, 2**43))
def test_an_unknown_position_is_resolved_by_time(gaps: list[int], ago: int, entry: int) -> None:
    """A token with an unknown position resolves to the last entry up to the token's time."""
    log = log_of(gaps)
    cursor = resolved(log, tokens.encode(CLIENT, NOW - ago, position(entry, 5)))
    number = entry_of(cursor)
    assert cursor == end_of_entry(number)
    before, after = log.recorded_at(CLIENT, number), log.recorded_at(CLIENT, number + 1)
    assert before is None or before <= NOW - ago
    assert after is None or after > NOW - ago


def test_a_restored_log_is_recognized_by_its_times() -> None:
    """If the entry with the token's number has a later time, the token is from another log."""
    log = log_of([10, 10, 10])
    lost = tokens.encode(CLIENT, NOW - 25, position(3, 0))
    assert entry_of(resolved(log, lost)) == 1


def test_a_token_of_a_removed_entry_is_resolved_by_time() -> None:
    """If retention has removed a token's entry, the token is resolved by its time."""
    log = log_of([10, 10, 10])
    text = token_at(CLIENT, position(2, 1), log, NOW, at_head=False)
    assert resolved(log, text) == position(2, 1)
    log.forgotten = 2
    assert resolved(log, text) == end_of_entry(2)


def test_another_clients_token_is_resolved_by_time() -> None:
    """Another client's token is resolved by its time if the log has not reached its position."""
    log = log_of([10, 10, 10])
    theirs = tokens.encode(8, NOW - 15, end_of_entry(4))
    assert entry_of(resolved(log, theirs)) == 2


def test_a_token_of_an_empty_log_precedes_all_events() -> None:
    """All events follow a token that was made while the log was empty."""
    log = Entries(lambda: NOW)
    text = token_at(CLIENT, 0, log, NOW, at_head=True)
    log.take(CLIENT, NOW)
    assert resolved(log, text, NOW + 5) == 0


@pytest.mark.parametrize("seconds", [5, 6])
def test_an_unknown_position_in_the_future_is_refused(seconds: int) -> None:
    """A token may be up to five seconds in the future, because another clock may be ahead."""
    text = tokens.encode(CLIENT, NOW + seconds * TICKS_PER_SECOND, end_of_entry(99))
    log = log_of([10])
    if seconds <= 5:
        assert resolved(log, text) == end_of_entry(2)
    else:
        with pytest.raises(InvalidParameter, match="in the future"):
            resolved(log, text)


@given(GAPS, st.integers(0, 400 * 86_400 * TICKS_PER_SECOND), st.booleans())
def test_tokens_made_while_the_clock_was_ahead_stay_valid(
    gaps: list[int], ahead: int, taken: bool
) -> None:
    """A token made while the clock was ahead still resolves to its position."""
    log = log_of(gaps)
    if taken:
        log.take(CLIENT, NOW + ahead)
    cursor = end_of_entry(log.head(CLIENT).number)
    text = token_at(CLIENT, cursor, log, NOW + ahead, at_head=True)
    log.take(CLIENT, log.head(CLIENT).recorded_at + 1)
    assert resolved(log, text) == cursor
    again = token_at(CLIENT, cursor, log, NOW, at_head=False)
    assert resolved(log, again) == cursor


def test_a_token_stays_valid_while_the_wall_clock_is_ahead() -> None:
    """A clock that is two days ahead for a moment does not make a reader lose its place."""
    log = log_of([TICKS_PER_SECOND] * 3)
    text = token_at(CLIENT, end_of_entry(2), log, NOW, at_head=False)
    assert resolved(log, text, NOW + 2 * FEED_REACH) == end_of_entry(2)


@pytest.mark.parametrize("known", [True, False])
def test_a_token_is_valid_for_24_hours(known: bool) -> None:
    """The 24-hour limit is exact for any position. The message uses the client's time zone."""
    log = Entries(lambda: NOW)
    log.take(CLIENT, NOW - FEED_REACH - 1)
    cursor = end_of_entry(1) if known else end_of_entry(99)
    assert entry_of(resolved(log, tokens.encode(CLIENT, NOW - FEED_REACH, cursor))) == 1
    with pytest.raises(InvalidParameter) as refusal:
        resolved(log, tokens.encode(CLIENT, NOW - FEED_REACH - 1, cursor))
    assert refusal.value.message == (
        f'Time "{local_time(NOW - FEED_REACH - 1, ZONE)}" is more than 24 hours old. '
        "This type of data is kept for 24 hours."
    )


@given(
    st.text()
    | st.uuids().map(str)
    | st.from_regex(
        r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", fullmatch=True
    )
)
def test_any_text_gives_a_cursor_or_is_refused(text: str) -> None:
    """Any text gives a cursor or is refused."""
    log = log_of([10])
    with contextlib.suppress(InvalidParameter):
        assert resolved(log, text) >= 0


def test_times_are_formatted_like_the_reference() -> None:
    """A time is printed with the offset that the time zone had then."""
    assert local_time(1_619_264_069 * TICKS_PER_SECOND, ZONE) == "2021-04-24 07:34:29-0400"
    assert local_time(1_614_264_069 * TICKS_PER_SECOND, ZONE) == "2021-02-25 09:41:09-0500"


@pytest.mark.parametrize(
    ("ahead", "lost", "waits"),
    [
        (1, NOW - 2, True),
        (2**20, NOW - 2, True),
        (2**20 + 1, NOW - 2, False),
        (0, NOW - 2, False),
        (1, NOW, False),
    ],
)
def test_the_entry_of_another_nodes_token_may_still_arrive(
    ahead: int, lost: int, waits: bool
) -> None:
    """A token's entry may still arrive, unless all entries up to the token's time are present."""
    log = log_of([1, 1])
    log.lost = lost
    entry = log.head(CLIENT).number + ahead
    text = tokens.encode(CLIENT, NOW, position(entry, 3))
    assert pending_entry(CLIENT, text, log) == (entry if waits else None)


SECRET = b"of an installation"


@pytest.mark.parametrize("secret", [SECRET, b""])
def test_a_token_of_any_age_tells_its_time_and_position(secret: bytes) -> None:
    """A token has its own position, or that of its time if the log does not know its own.

    Only a token with an unknown position can be too far in the future.
    """
    log = log_of([10, 10, 10])
    year_ago = NOW - 366 * FEED_REACH
    for ticks, cursor, expected in (
        (NOW - 15, position(2, 3), position(2, 3)),
        (year_ago, end_of_entry(99), end_of_entry(0)),
        (NOW - 15, end_of_entry(99), end_of_entry(2)),
        (NOW + MAX_CLOCK_AHEAD, end_of_entry(99), end_of_entry(4)),
        (NOW + MAX_CLOCK_AHEAD + 1, position(4, 1), position(4, 1)),
    ):
        text = tokens.encode(CLIENT, ticks, cursor, secret)
        assert read_token(CLIENT, text, log, NOW, SECRET) == (ticks, expected)
    text = tokens.encode(CLIENT, NOW + MAX_CLOCK_AHEAD + 1, end_of_entry(99), secret)
    with pytest.raises(InvalidParameter, match="from the future"):
        read_token(CLIENT, text, log, NOW, SECRET)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" 0000-01-01 ", False),
        ("1401958827016", False),
        ("5eb2b8a0-ec70-11e3-8080-80808080808", False),
        ("5eb2b8a0-ec70-11e3-8080-808080808080", True),
        (" 5EB2B8A0-EC70-11E3-8080-808080808080 ", True),
    ],
)
def test_a_token_is_told_from_a_time(text: str, *, expected: bool) -> None:
    """A parameter that takes a time or a token is a token if it has the form of a UUID."""
    assert is_token(text) is expected


@given(GAPS, st.data())
def test_tokens_with_and_without_the_secret_resolve(gaps: list[int], data: st.DataObject) -> None:
    """Tokens made with the secret, and those made before the upgrade, resolve to their position."""
    log = log_of(gaps)
    number = data.draw(st.integers(1, log.head(CLIENT).number))
    cursor = position(number, data.draw(st.integers(0, MAX_INDEX)))
    for secret in (SECRET, b""):
        text = token_at(CLIENT, cursor, log, NOW, at_head=True, secret=secret)
        assert resolve(CLIENT, text, log, NOW, ZONE, SECRET) == cursor


def test_tokens_do_not_reveal_how_many_entries_are_between_them() -> None:
    """With the secret, the encoded positions of neighbors look unrelated."""
    texts = [tokens.encode(CLIENT, NOW + at, position(at, 0), SECRET) for at in range(1, 65)]
    read = [tokens.decode(CLIENT, text).position for text in texts]
    apart = [(one ^ other).bit_count() for one, other in pairwise(read)]
    # About half of the 62 bits differ. Without the secret, 1 or 2 bits would.
    assert 24 <= sum(apart) / len(apart) <= 38
    assert [tokens.decode(CLIENT, text, SECRET).position for text in texts] == [
        position(at, 0) for at in range(1, 65)
    ]


def test_another_nodes_token_is_pending_with_or_without_the_secret() -> None:
    """A reader waits for the entry of another node's token, with or without the secret."""
    log = log_of([1, 1])
    log.lost = 0
    ahead = position(log.head(CLIENT).number + 2, 0)
    for secret in (SECRET, b""):
        text = tokens.encode(CLIENT, NOW, ahead, secret)
        assert pending_entry(CLIENT, text, log, SECRET) == entry_of(ahead)
