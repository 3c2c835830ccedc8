"""Serves streams. The readers of a feed that have the same subscription form a channel.

All readers at one position of a feed share a cursor, and the bytes for them are built only once. A
reader that has seen everything is *idle* and costs nothing until an event matches its filter. Then
all idle readers of the channel become *due* at the same time. Only a slow reader, which reads less
than it is sent, has a separate cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import cast

import structlog

from floorcast.feeds.blocks import Page
from floorcast.feeds.feed import Feed
from floorcast.model.errors import Unavailable
from floorcast.sse import deflate, framing
from floorcast.sse.framing import Chunk
from floorcast.sse.hub import Hub
from floorcast.sse.subscription import Caller, Subscription

__all__ = [
    "BATCH_READERS",
    "IDLE_SECONDS",
    "KEEPALIVE_SECONDS",
    "STUCK_SECONDS",
    "WRITE_BYTES",
    "Channel",
    "Reader",
    "subscribe",
]

WRITE_BYTES = 64 * 1024  # of events in one write, before compression (which takes 1 ms)
BATCH_READERS = 8  # readers written to between two checks of the clock
KEEPALIVE_SECONDS = 10.0  # silence before a keep-alive comment, from the reference
IDLE_SECONDS = 300.0  # time without an event before a stream is closed, from the reference
STUCK_SECONDS = 60.0  # time in which a reader must accept some of the bytes sent to it
FAILURE = "the server failed"

_log = structlog.stdlib.get_logger(__name__)


class Channel:
    """The readers of one feed that have the same subscription. It listens to the feed for them."""

    def __init__(self, hub: Hub, feed: Feed, subscription: Subscription) -> None:
        self.hub = hub
        self.matcher, self._count, self.format = self._subscription = subscription
        self._feed = feed
        self._reader_count = 0
        self._idle: dict[Reader, None] = {}
        self._ahead: list[tuple[int, list[Reader]]] = []
        self._due: deque[tuple[int, list[Reader]]] = deque()
        self._awake = False
        self._keepalive_chunk: tuple[float, Chunk] = (0.0, Chunk(b""))

    @property
    def busy(self) -> bool:
        """Whether any reader is due."""
        self._awake = bool(self._due)
        return self._awake

    def reader(self, cursor: int, caller: Caller) -> Reader:
        """Create a reader, which joins the channel when it gets its connection."""
        self._reader_count += 1
        return Reader(self, cursor, caller)

    def join(self, cursor: int, reader: Reader) -> None:
        """Start to serve ``reader`` from ``cursor`` on."""
        self._enqueue(cursor, [reader])

    def leave(self, reader: Reader) -> None:
        """Remove a reader that is disconnected. If it is due, it is skipped."""
        self._idle.pop(reader, None)
        self._reader_count -= 1
        if not self._reader_count:
            self._feed.listeners.pop(self._subscription, None)

    def head_of(self, reader: Reader) -> int | None:
        """Return the cursor of a reader that has seen everything, or None for any other reader."""
        return self._feed.through if reader in self._idle else None

    def keepalive(self, caller: Caller, now: float) -> Chunk:
        """Return the keep-alive at ``now``. Readers share it, as they have the same time zone."""
        if self._keepalive_chunk[0] != now:
            plain = framing.comment(f"keepalive {caller.local_time()}")
            self._keepalive_chunk = (now, framing.framed(plain, self.format))
        return self._keepalive_chunk[1]

    def notify(self, before: int) -> None:
        """Queue the readers for an event after ``before``, which is the idle readers' cursor."""
        if self._idle:
            readers, self._idle = list(self._idle), {}
            self._enqueue(before, readers)
        ahead, self._ahead = self._ahead, []
        for cursor, readers in ahead:
            self._enqueue(cursor, readers)

    def advance(self) -> None:
        """Write to the readers that have waited longest, until the hub's turn is over."""
        if not self._due:
            return
        cursor, readers = self._due.popleft()
        page = self._peek(cursor)
        try:
            while readers:
                batch = self._writable(readers[-BATCH_READERS:], cursor)
                del readers[-BATCH_READERS:]
                if isinstance(page, str):
                    _end(batch, page)
                else:
                    self._serve(page, batch)
                if self.hub.turn_is_over():
                    break
        finally:
            if readers:
                self._due.appendleft((cursor, readers))

    def _peek(self, cursor: int) -> Page | str:
        """Return the page after a cursor, or the reason why there is none."""
        try:
            return self._feed.peek(cursor, self.matcher, self._count, WRITE_BYTES)
        except Unavailable as error:
            return error.message
        except Exception:  # noqa: BLE001 — no error may affect other readers
            _log.exception("stream_failed")
            return FAILURE

    def _serve(self, page: Page, batch: list[Reader]) -> None:
        try:
            if page.count and batch:
                batch = self._permitted(batch)
            if page.count and batch:
                self._write(page, batch)
        except Exception:  # noqa: BLE001 — no error may affect other readers
            _log.exception("stream_failed")
            _end(batch, FAILURE)
        else:
            self._requeue(page, batch)

    def _permitted(self, batch: list[Reader]) -> list[Reader]:
        """Return the readers that may still read. The others get a closing comment."""
        epoch = self.hub.epoch()
        for reader in batch:
            if reader.epoch != epoch:
                break
        else:
            return batch
        return [reader for reader in batch if reader.epoch == epoch or reader.permitted(epoch)]

    def _write(self, page: Page, batch: list[Reader]) -> None:
        chunk = framing.events(page, self.format, batch[0].caller.token)
        wire, size = chunk.wire, len(chunk.wire)
        now = asyncio.get_running_loop().time()
        for reader in batch:
            reader.last_event_at = now
            reader.sent += size
            try:
                reader.write(wire)
            except RuntimeError:  # a reset that the loop has not reported yet
                reader.blocked = True
        if self.format.gzip:
            for reader in batch:
                reader.count(chunk)
        counts = self.hub.counts
        counts.events += page.count * len(batch)
        counts.bytes += size * len(batch)

    def _requeue(self, page: Page, batch: list[Reader]) -> None:
        batch = self._writable(batch, page.cursor)
        if not batch:
            return
        if not page.at_head:
            self._enqueue(page.cursor, batch)
        elif page.cursor > self._feed.through:
            self._ahead.append((page.cursor, batch))
        else:
            self._idle.update(dict.fromkeys(batch))

    def _enqueue(self, cursor: int, readers: list[Reader]) -> None:
        due = self._due
        if due and due[-1][0] == cursor:
            due[-1][1].extend(readers)
        else:
            due.append((cursor, readers))
        if not self._awake:
            self._awake = True
            self.hub.enqueue(self)

    def _writable(self, batch: list[Reader], cursor: int) -> list[Reader]:
        """Return the readers that can be written to. A blocked reader keeps ``cursor``."""
        for reader in batch:
            if reader.blocked:
                break
        else:
            return batch
        for reader in batch:
            if reader.blocked:
                reader.cursor = cursor
        return [reader for reader in batch if not reader.blocked]


def _end(readers: list[Reader], why: str) -> None:
    for reader in readers:
        try:
            reader.end(why)
        except Exception:  # noqa: BLE001 — no error may affect other readers
            _log.exception("stream_failed")
            reader.abort()


def subscribe(
    hub: Hub, feed: Feed, subscription: Subscription, cursor: int, caller: Caller
) -> Reader:
    """Return a reader of ``feed`` that starts after ``cursor`` when it gets its connection."""
    channel = feed.listeners.get(subscription)
    if not isinstance(channel, Channel):
        channel = feed.listeners[subscription] = Channel(hub, feed, subscription)
    return channel.reader(cursor, caller)


class Reader(asyncio.Protocol):
    """One reader and the protocol of its connection.

    While ``blocked`` is True, nothing may be written, because the reader is slow, ended or
    disconnected. ``cursor`` is None while the reader shares the channel's cursor.
    """

    __slots__ = (
        "_accepted",
        "_channel",
        "_crc",
        "_ending",
        "_last_keepalive_at",
        "_last_progress_at",
        "_length",
        "_transport",
        "blocked",
        "caller",
        "cursor",
        "disconnected",
        "epoch",
        "last_event_at",
        "sent",
        "write",
    )

    def __init__(self, channel: Channel, cursor: int, caller: Caller) -> None:
        self._channel = channel
        self.caller = caller
        self.cursor: int | None = cursor
        self.epoch = -1  # the hub's epoch when the reader was last checked
        self.blocked = self.disconnected = self._ending = False
        self.sent = 0  # bytes written
        self._accepted = 0  # bytes that the reader had accepted at the last check
        self._crc = self._length = 0
        # in the loop's time
        self.last_event_at = self._last_keepalive_at = self._last_progress_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the stream on a connection on which the response's head has been written."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base
        self.write = self._transport.write
        now = asyncio.get_running_loop().time()
        self.last_event_at = self._last_keepalive_at = self._last_progress_at = now
        self._write_chunk(framing.opening(self._channel.format, self.caller.opening))
        hub = self._channel.hub
        hub.enter(self, now + KEEPALIVE_SECONDS)
        # checked now and not only at the first event, because the reader's rights may have changed
        # since the request
        if self.permitted(hub.epoch()) and not self.blocked:
            self.resume_writing()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Remove the reader. Either side may have closed the connection."""
        if not self.disconnected:
            self.disconnected = self.blocked = True
            self._channel.hub.leave(self)
            self._channel.leave(self)
            self.caller.disconnected()

    def pause_writing(self) -> None:
        """Stop writing, because the reader reads less than it is sent."""
        self.blocked = True

    def resume_writing(self) -> None:
        """Continue from the reader's cursor, because it has read most of the buffered bytes."""
        if self._ending or self.disconnected:
            return
        self.blocked = False
        if self.cursor is not None:
            cursor, self.cursor = self.cursor, None
            self._channel.join(cursor, self)

    def data_received(self, _data: bytes) -> None:
        """Ignore data that the reader sends after its request."""

    def eof_received(self) -> bool:
        """Close the connection, because the reader has closed its side."""
        return False

    def count(self, chunk: Chunk) -> None:
        """Add a chunk of events to the CRC and length of a compressed stream."""
        self._crc = deflate.combine_crc(self._crc, chunk.crc, chunk.plain)
        self._length += chunk.plain

    def end(self, why: str) -> None:
        """Send the reason and close the connection. A slow reader's connection is aborted."""
        if self.disconnected or self._ending:
            return
        self._ending = True
        if self.blocked:
            self._transport.abort()
            return
        form = self._channel.format
        head = self._channel.head_of(self) if form.ids else None
        token = self.caller.token_now(head) if head is not None else ""
        self.blocked = True
        self._write_chunk(framing.framed(framing.comment(f"closed: {why}", token), form))
        with suppress(RuntimeError):  # as in ``_write_chunk``
            self.write(framing.ending(form, self._crc, self._length))
        self._transport.close()

    def abort(self) -> None:
        """Close the connection immediately. Unsent data is lost."""
        self._transport.abort()

    def visit(self, now: float) -> float | None:
        """Check that the reader may continue and keeps reading. Send a keep-alive if one is due."""
        if self.disconnected:
            return None
        if self._is_stuck(now):
            self._channel.hub.counts.slow += not self._ending
            self._transport.abort()
            return None
        if self._ending:
            return now + KEEPALIVE_SECONDS
        if not self.permitted(self._channel.hub.epoch()):
            return now + KEEPALIVE_SECONDS
        return self._keep_alive(now)

    def permitted(self, epoch: int) -> bool:
        """Return whether the reader may continue in this epoch. If not, end its stream."""
        if why := self.caller.refusal():
            self.end(why)
            return False
        self.epoch = epoch
        return True

    def _keep_alive(self, now: float) -> float:
        due = max(self.last_event_at, self._last_keepalive_at) + KEEPALIVE_SECONDS
        if self.blocked:
            return now + KEEPALIVE_SECONDS
        if now >= self.last_event_at + IDLE_SECONDS:
            self.end(f"no event for 5 minutes, {self.caller.local_time()}")
            return now + KEEPALIVE_SECONDS
        if now >= due:
            self._last_keepalive_at = now
            self._write_chunk(self._channel.keepalive(self.caller, now))
            due = now + KEEPALIVE_SECONDS
        return min(due, self.last_event_at + IDLE_SECONDS)

    def _is_stuck(self, now: float) -> bool:
        unsent = self._transport.get_write_buffer_size()
        accepted = self.sent - unsent
        if not unsent or accepted > self._accepted:
            self._accepted = accepted
            self._last_progress_at = now
        return now >= self._last_progress_at + STUCK_SECONDS

    def _write_chunk(self, chunk: Chunk) -> None:
        """Write to this reader only."""
        if chunk.wire:
            self.sent += len(chunk.wire)
            self._channel.hub.counts.bytes += len(chunk.wire)
            if self._channel.format.gzip:
                self.count(chunk)
            try:
                self.write(chunk.wire)
            except RuntimeError:  # a reset that the loop has not reported yet
                self.blocked = True
