"""Converts tokens to cursors and back, by the rules in section 3 of the contract.

A token contains a position and a time. If the log does not know the position, only the time is
used. This is the case if the log was restored, or if the token was made for another client or by
another program.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

import structlog

from floorcast.log.port import EventLog, Head
from floorcast.model.errors import InvalidParameter
from floorcast.model.token import TICKS_PER_SECOND, Token, decode, encode, end_of_entry, entry_of

__all__ = [
    "FEED_REACH",
    "MAX_CLOCK_AHEAD",
    "is_token",
    "local_time",
    "pending_entry",
    "read_token",
    "resolve",
    "token_at",
]

FEED_REACH = 24 * 3600 * TICKS_PER_SECOND  # ticks that a feed reaches back in time
MAX_CLOCK_AHEAD = 5 * TICKS_PER_SECOND  # ticks by which another clock can be ahead of the server's
_MAX_ENTRIES_AHEAD = 1 << 20  # entries that another node may be ahead of this one

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.stdlib.get_logger(__name__)


def resolve(
    client: int, text: str, log: EventLog, now: int, zone: tzinfo, secret: bytes = b""
) -> int:
    """Return the cursor that a token stands for.

    ``now`` is in ticks. ``zone`` is the client's time zone, which messages use. ``secret`` is the
    installation's secret (see ``floorcast.model.token``); tokens made without it are also accepted.
    Raises InvalidParameter if the token is malformed, is older than 24 hours, or is from the
    future. A token whose position is in the log never counts as from the future, because this
    server's clock may have been ahead when the token was made.
    """
    token, *older = _decoded(client, text, secret)
    position = _known_position(client, token, log)
    if position is None and older:
        position = _known_position(client, older[0], log)
    # a wall clock that is ahead for a moment must not make every reader lose its place
    if min(now, log.steady_now()) - token.ticks > FEED_REACH:
        raise InvalidParameter(
            f'Time "{local_time(token.ticks, zone)}" is more than 24 hours old. '
            "This type of data is kept for 24 hours."
        )
    if position is not None:
        return position
    if token.ticks - now > MAX_CLOCK_AHEAD:
        raise InvalidParameter(
            f'Time "{local_time(token.ticks, zone)}" of the token is in the future: '
            "expected a token or an eventId from a feed"
        )
    entry = log.last_entry_at(client, token.ticks)
    _log.info("token_taken_by_time", client=client, entry=entry)
    return end_of_entry(entry)


def is_token(text: str) -> bool:
    """Return whether a text has the form of a token, perhaps with spaces around it."""
    return _UUID.fullmatch(text.strip()) is not None


def read_token(client: int, text: str, log: EventLog, now: int, secret: bytes = b"") -> Token:
    """Return a token's time and position, however old the token is.

    Raises InvalidParameter if the token is malformed or from the future.
    """
    token, *older = _decoded(client, text, secret)
    position = _known_position(client, token, log)
    if position is None and older:
        position = _known_position(client, older[0], log)
    if position is None:
        if token.ticks - now > MAX_CLOCK_AHEAD:
            raise InvalidParameter("the token is from the future: expected one from a feed")
        position = end_of_entry(log.last_entry_at(client, token.ticks))
    return Token(token.ticks, position)


def pending_entry(client: int, text: str, log: EventLog, secret: bytes = b"") -> int | None:
    """Return the entry of another node's token if this node does not have the entry yet.

    Otherwise, returns None. Raises InvalidParameter if the token is malformed.
    """
    head = log.head(client).number
    for token in _decoded(client, text, secret):
        entry = entry_of(token.position)
        if 0 < entry - head <= _MAX_ENTRIES_AHEAD and token.ticks > log.lost_until(client):
            return entry
    return None


def token_at(
    client: int, cursor: int, log: EventLog, now: int, *, at_head: bool, secret: bytes = b""
) -> str:
    """Return the token of a reader that has seen everything up to ``cursor``.

    The token's time is that of the cursor's entry. For a reader that has seen everything
    (``at_head``), the time is now, or just before the next entry if there is one. A reader whose
    token is resolved by its time therefore misses nothing.
    """
    entry = entry_of(cursor)
    head = log.head(client)
    recorded_at = _recorded_at(client, entry, head, log) or 0
    if at_head:
        following = log.recorded_at(client, entry + 1) if entry < head.number else None
        recorded_at = max(recorded_at, now if following is None else min(now, following - 1))
    return encode(client, recorded_at, cursor, secret)


def local_time(ticks: int, zone: tzinfo) -> str:
    """Format a time in ``zone`` as the reference does in messages and keep-alives."""
    moment = _EPOCH + timedelta(microseconds=ticks // 10)
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S%z")


def _decoded(client: int, text: str, secret: bytes) -> list[Token]:
    """Decode a token with the secret and without it, because older releases used no secret."""
    if _UUID.fullmatch(text) is not None:
        try:
            return [decode(client, text, one) for one in dict.fromkeys((secret, b""))]
        except ValueError:
            pass
    raise InvalidParameter(
        "token must be a version 1 UUID: expected a token or an eventId from a feed, or none to "
        "start now"
    )


def _known_position(client: int, token: Token, log: EventLog) -> int | None:
    entry = entry_of(token.position)
    head = log.head(client)
    if entry > head.number:
        return None
    recorded_at = _recorded_at(client, entry, head, log)
    return token.position if recorded_at is not None and recorded_at <= token.ticks else None


def _recorded_at(client: int, entry: int, head: Head, log: EventLog) -> int | None:
    if entry == head.number:
        return head.recorded_at
    return log.recorded_at(client, entry) if entry else 0
