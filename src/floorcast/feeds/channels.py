"""Readers as cursors: those with the same filter and form stand together, place by place.

A place in a feed is one number for all that stand there, and what is written to them is built
once. A reader that has seen everything is *idle*, and costs nothing at all until an event comes
that it sees; then all of them are *due*, in one movement.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from floorcast.feeds import sse
from floorcast.feeds.blocks import Page
from floorcast.feeds.filters import Matcher
from floorcast.feeds.reader import Caller, Reader
from floorcast.feeds.sse import Chunk, StreamFormat
from floorcast.feeds.streams import Hub
from floorcast.model.errors import Unavailable
from floorcast.store.segment import Facets

__all__ = ["FEW", "WRITE_BYTES", "Channel", "Channels", "Source", "Subscription"]

WRITE_BYTES = 64 * 1024  # of events, before compression, in one write: deflated in 1 ms
FEW = 8  # readers written to between two looks at the clock
FAULT = "something went wrong on our side"

_log = structlog.stdlib.get_logger(__name__)


class Source(Protocol):
    """A feed, as its readers see it."""

    through: int

    def peek(self, cursor: int, matcher: Matcher, count: int, space: int) -> Page:
        """What there is behind a cursor; raises Unavailable."""
        ...


class Subscription(NamedTuple):
    """What a reader wants: which events, how many at most in a write, and how they look."""

    matcher: Matcher
    most: int
    form: StreamFormat


class Channel:
    """The readers of one feed that want the same."""

    def __init__(
        self, source: Source, subscription: Subscription, streams: Hub, channels: Channels
    ) -> None:
        self.form = subscription.form
        self.streams = streams
        self._members = 0
        self._idle: dict[Reader, None] = {}
        self._wish = subscription
        self._source = source
        self._channels = channels
        self._ahead: list[tuple[int, list[Reader]]] = []
        self._due: deque[tuple[int, list[Reader]]] = deque()
        self._awake = False
        self._kept_alive: tuple[float, Chunk] = (0.0, Chunk(b""))

    @property
    def busy(self) -> bool:
        """Whether somebody is due."""
        self._awake = bool(self._due)
        return self._awake

    def reader(self, cursor: int, caller: Caller) -> Reader:
        """One more; it joins once it has its connection."""
        self._members += 1
        return Reader(self, cursor, caller)

    def join(self, cursor: int, reader: Reader) -> None:
        """See ``reader.Place``."""
        self._go_on(cursor, [reader])

    def leave(self, reader: Reader) -> None:
        """See ``reader.Place``; whoever is due is passed over when it is its turn."""
        self._idle.pop(reader, None)
        self._members -= 1
        if not self._members:
            self._channels.drop(self._wish)

    def head_of(self, reader: Reader) -> int | None:
        """See ``reader.Place``."""
        return self._source.through if reader in self._idle else None

    def keepalive(self, caller: Caller, now: float) -> Chunk:
        """See ``reader.Place``; one feed has one client, so all of them have one zone."""
        if self._kept_alive[0] != now:
            plain = sse.comment(f"keepalive {caller.moment()}")
            self._kept_alive = (now, sse.framed(plain, self.form))
        return self._kept_alive[1]

    def notify(self, before: int) -> None:
        """There is an event for them behind ``before``, up to which idle ones have seen all."""
        if self._idle:
            readers, self._idle = list(self._idle), {}
            self._go_on(before, readers)
        ahead, self._ahead = self._ahead, []
        for cursor, readers in ahead:
            self._go_on(cursor, readers)

    def advance(self) -> None:
        """Write what there is to those that have waited longest; see ``streams.Waiting``."""
        if not self._due:
            return
        cursor, readers = self._due.popleft()
        page = self._glanced(cursor)
        try:
            while readers:
                batch = self._sifted(readers[-FEW:], cursor)
                del readers[-FEW:]
                if isinstance(page, str):
                    _end(batch, page)
                else:
                    self._give(page, batch)
                if self.streams.turn_is_over():
                    break
        finally:
            if readers:
                self._due.appendleft((cursor, readers))

    def _glanced(self, cursor: int) -> Page | str:
        """What there is behind a cursor, or why nobody can say."""
        matcher, most, _ = self._wish
        try:
            return self._source.peek(cursor, matcher, most, WRITE_BYTES)
        except Unavailable as error:
            return error.message
        except Exception:  # noqa: BLE001 — whatever it is, others are not to suffer
            _log.exception("stream_failed")
            return FAULT

    def _give(self, page: Page, batch: list[Reader]) -> None:
        try:
            if page.count and batch:
                self._write(page, batch)
        except Exception:  # noqa: BLE001 — whatever it is, others are not to suffer
            _log.exception("stream_failed")
            _end(batch, FAULT)
        else:
            self._settle(page, batch)

    def _write(self, page: Page, batch: list[Reader]) -> None:
        chunk = sse.events(page, self.form, batch[0].caller.token)
        wire, size = chunk.wire, len(chunk.wire)
        now = asyncio.get_running_loop().time()
        for reader in batch:
            reader.heard = now
            reader.sent += size
            try:
                reader.write(wire)
            except RuntimeError:  # reset, which the loop has not told it yet
                reader.blocked = True
        if self.form.gzip:
            for reader in batch:
                reader.count(chunk)
        counts = self.streams.counts
        counts.events += page.count * len(batch)
        counts.bytes += size * len(batch)

    def _settle(self, page: Page, batch: list[Reader]) -> None:
        batch = self._sifted(batch, page.cursor)
        if not batch:
            return
        if not page.at_head:
            self._go_on(page.cursor, batch)
        elif page.cursor > self._source.through:
            self._ahead.append((page.cursor, batch))
        else:
            self._idle.update(dict.fromkeys(batch))

    def _go_on(self, cursor: int, readers: list[Reader]) -> None:
        due = self._due
        if due and due[-1][0] == cursor:
            due[-1][1].extend(readers)
        else:
            due.append((cursor, readers))
        if not self._awake:
            self._awake = True
            self.streams.wake(self)

    def _sifted(self, batch: list[Reader], cursor: int) -> list[Reader]:
        """Those that can be written to; who is held up keeps ``cursor``."""
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
        except Exception:  # noqa: BLE001 — whatever it is, others are not to suffer
            _log.exception("stream_failed")
            reader.abort()


class Channels:
    """The streams of one feed."""

    def __init__(self, source: Source, streams: Hub) -> None:
        self._source = source
        self._streams = streams
        self._channels: dict[Subscription, Channel] = {}

    @property
    def some(self) -> bool:
        """Whether there are any."""
        return bool(self._channels)

    def notify(self, classes: Sequence[Facets], before: int) -> None:
        """Events of these classes were published behind ``before``."""
        for subscription, channel in self._channels.items():
            if subscription.matcher.any_of(classes):
                channel.notify(before)

    def open(self, subscription: Subscription, cursor: int, caller: Caller) -> Reader:
        """A reader that begins behind ``cursor`` once it has its connection."""
        channel = self._channels.get(subscription)
        if channel is None:
            channel = self._channels[subscription] = Channel(
                self._source, subscription, self._streams, self
            )
        return channel.reader(cursor, caller)

    def drop(self, subscription: Subscription) -> None:
        """Nobody wants this any more."""
        self._channels.pop(subscription, None)
