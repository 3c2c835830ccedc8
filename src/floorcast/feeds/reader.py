"""A reader of a stream: a connection, and no more than must be known of it alone.

It is the protocol of its connection. While it is up to date its place in the feed is that of
the readers it stands with (see ``channels``); only one that is held up, because it takes less
than it is given, has a cursor of its own. That cursor is all that it costs.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol, cast

from floorcast.feeds import deflate, sse
from floorcast.feeds.sse import Chunk, StreamFormat
from floorcast.feeds.streams import Hub

__all__ = ["CLOSE", "KEEPALIVE", "STUCK", "Caller", "Place", "Reader"]

KEEPALIVE = 10.0  # seconds without anything to send, as the reference has it
CLOSE = 300.0  # seconds without an event, as the reference has it
STUCK = 60.0  # seconds in which a reader must take something of what it was sent


class Caller(Protocol):
    """Who reads, as far as the server knows. ``opening`` is the token that it begins with."""

    opening: str

    def refusal(self) -> str:
        """Why the stream may not go on; empty if it may. Asking is a use of the session."""
        ...

    def moment(self) -> str:
        """The present, as keep-alives print it."""
        ...

    def token(self, position: int) -> str:
        """The token of a place."""
        ...

    def token_now(self, cursor: int) -> str:
        """The token of a reader that has seen everything up to ``cursor``."""
        ...


class Place(Protocol):
    """Where a reader stands: with others of the same filter, form and feed."""

    form: StreamFormat
    streams: Hub

    def join(self, cursor: int, reader: Reader) -> None:
        """Go on from ``cursor``."""
        ...

    def leave(self, reader: Reader) -> None:
        """Count it out."""
        ...

    def keepalive(self, caller: Caller, now: float) -> Chunk:
        """What all of them hear at ``now`` who have not heard anything for long."""
        ...

    def head_of(self, reader: Reader) -> int | None:
        """The cursor of a reader that has seen everything, None for one that has not."""
        ...


class Reader(asyncio.Protocol):
    """One reader, from the moment at which its connection is handed over.

    ``blocked``: nothing may be written to it now, for it is held up, ended or gone. ``cursor``
    is None as long as it stands with others.
    """

    __slots__ = (
        "_checked",
        "_crc",
        "_ending",
        "_length",
        "_place",
        "_stuck",
        "_told",
        "_transport",
        "blocked",
        "caller",
        "cursor",
        "gone",
        "heard",
        "sent",
        "write",
    )

    def __init__(self, position: Place, cursor: int, caller: Caller) -> None:
        self._place = position
        self.caller = caller
        self.cursor: int | None = cursor
        self.blocked = self.gone = self._ending = False
        self.sent = self._checked = 0  # bytes written, bytes seen taken
        self._crc = self._length = 0
        self.heard = self._told = self._stuck = 0.0  # in the loop's time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the connection is ours, the head of the answer is written."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of another tree
        self.write = self._transport.write
        now = asyncio.get_running_loop().time()
        self.heard = self._told = self._stuck = now
        self._say(sse.opening(self._place.form, self.caller.opening))
        self._place.streams.enter(self, now + KEEPALIVE)
        if not self.blocked:
            self.resume_writing()

    def connection_lost(self, _exc: Exception | None) -> None:
        """The reader has gone, or we have closed."""
        if not self.gone:
            self.gone = self.blocked = True
            self._place.streams.leave(self)
            self._place.leave(self)

    def pause_writing(self) -> None:
        """It takes less than it is given: write no more."""
        self.blocked = True

    def resume_writing(self) -> None:
        """It has taken most of what there was: go on from its cursor."""
        if self._ending or self.gone:
            return
        self.blocked = False
        if self.cursor is not None:
            cursor, self.cursor = self.cursor, None
            self._place.join(cursor, self)

    def data_received(self, _data: bytes) -> None:
        """Whatever it says now, it is not listened to."""

    def eof_received(self) -> bool:
        """It has closed its side: it is gone, which nothing else may tell before the next event."""
        return False

    def count(self, chunk: Chunk) -> None:
        """Note that a chunk of events was written, where the stream is compressed."""
        self._crc = deflate.joined(self._crc, chunk.crc, chunk.plain)
        self._length += chunk.plain

    def end(self, why: str) -> None:
        """Say why, and close once that is sent; who is held up is cut off."""
        if self.gone or self._ending:
            return
        self._ending = True
        if self.blocked:
            self._transport.abort()
            return
        form = self._place.form
        head = self._place.head_of(self) if form.ids else None
        token = self.caller.token_now(head) if head is not None else ""
        self.blocked = True
        self._say(sse.framed(sse.comment(f"closed: {why}", token), form))
        with suppress(RuntimeError):  # as in ``_say``
            self.write(sse.ending(form, self._crc, self._length))
        self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever it was not sent yet."""
        self._transport.abort()

    def visit(self, now: float) -> float | None:
        """Look after it: is it allowed, does it take what it is sent, has it heard of us."""
        if self.gone:
            return None
        if self._is_stuck(now):
            self._place.streams.counts.slow += not self._ending
            self._transport.abort()
            return None
        if self._ending:
            return now + KEEPALIVE
        if why := self.caller.refusal():
            self.end(why)
            return now + KEEPALIVE
        return self._keep_alive(now)

    def _keep_alive(self, now: float) -> float:
        due = max(self.heard, self._told) + KEEPALIVE
        if self.blocked:
            return now + KEEPALIVE
        if now >= self.heard + CLOSE:
            self.end(f"no event for 5 minutes, {self.caller.moment()}")
            return now + KEEPALIVE
        if now >= due:
            self._told = now
            self._say(self._place.keepalive(self.caller, now))
            due = now + KEEPALIVE
        return min(due, self.heard + CLOSE)

    def _is_stuck(self, now: float) -> bool:
        unsent = self._transport.get_write_buffer_size()
        recorded_at = self.sent - unsent
        if not unsent or recorded_at > self._checked:
            self._checked = recorded_at
            self._stuck = now
        return now >= self._stuck + STUCK

    def _say(self, chunk: Chunk) -> None:
        """Write to this reader alone."""
        if chunk.wire:
            self.sent += len(chunk.wire)
            self._place.streams.counts.bytes += len(chunk.wire)
            if self._place.form.gzip:
                self.count(chunk)
            try:
                self.write(chunk.wire)
            except RuntimeError:  # reset, which the loop has not told us yet
                self.blocked = True
