"""Following a stream of the cluster: message by message into this node's copy of the log.

Several messages are on their way into the copy at once. When one of them cannot be stored, all
behind it are lost with it (see ``appending``), and following begins again at the first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol

import structlog

from floorcast.cluster.link import NatsLink, Refused
from floorcast.cluster.ordered_consumer import Gone, Message, consume
from floorcast.model.errors import FloorcastError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, Now

__all__ = ["Copy", "Follower"]

UNDER_WAY = 64  # messages on their way into the copy
AGAIN = 0.2  # seconds until following begins again
QUIET = 6 * TICKS_PER_SECOND  # for which nothing is heard of a stream that has nothing
NO_MESSAGE = 10037  # JetStream's code

_log = structlog.get_logger(__name__)


class Copy(Protocol):
    """What a node has of the log, as its followers see it."""

    @property
    def epoch(self) -> int:
        """Grows when something could not be stored."""
        ...

    async def take(self, stream: str, message: Message, epoch: int) -> asyncio.Future[None]:
        """Have a message stored behind those before it; the future is done when it is.

        Raises Unavailable, also when the epoch is over: something before it is missing then.
        """
        ...


class Follower:
    """Follows some subjects of one stream. ``seq`` is the newest message that is in the copy.

    ``through`` is a time of the log (ticks): whatever the stream took until then is in the copy.
    ``gone`` says that the stream has lost messages that the copy lacks: it cannot go on.
    """

    def __init__(
        self,
        link: NatsLink,
        stream: str,
        subjects: Sequence[str],
        seq: int,
        copy: Copy,
        now: Now,
    ) -> None:
        self.stream = stream
        self.seq = seq
        self.through = 0
        self.gone = False
        self._link = link
        self._subjects = subjects
        self._copy = copy
        self._now = now
        self._pending = 0
        self._under_way: deque[asyncio.Future[None]] = deque()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def lag(self) -> int:
        """Messages that the stream had, when it last was heard of, and the copy lacks."""
        return self._pending + len(self._under_way)

    def behind(self, now: int) -> int:
        """For how long, in ticks, this has not had everything; 0 while it is up to date."""
        age = max(0, now - self.through)
        return age if self.lag or age > QUIET else 0

    async def run(self) -> None:
        """Follow for ever, or until messages are gone."""
        while not self.gone:
            try:
                await self._follow()
            except Gone as error:
                self.gone = True
                _log.error("log_copy_too_old", stream=self.stream, why=error.message)
            except FloorcastError as error:
                _log.info("following_again", stream=self.stream, why=str(error))
            except Exception:  # noqa: BLE001 — whatever it is, the copy has to go on
                _log.exception("following_failed", stream=self.stream)
            await asyncio.gather(*self._under_way, return_exceptions=True)
            self._under_way.clear()
            await asyncio.sleep(AGAIN)

    async def reached(self, seq: int) -> None:
        """Wait until message ``seq`` of the stream, or a later one, is in the copy."""
        if self.seq < seq:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((seq, future))
            await future

    async def newest(self) -> int:
        """The stream's newest message of the subjects; raises Unavailable."""
        return max([await self._newest(subject) for subject in self._subjects])

    async def _newest(self, subject: str) -> int:
        try:
            found = await self._link.api(f"STREAM.MSG.GET.{self.stream}", {"last_by_subj": subject})
        except Refused as error:
            if error.code == NO_MESSAGE:
                return 0
            raise
        seq: int = found["message"]["seq"]
        return seq

    async def _follow(self) -> None:
        epoch = self._copy.epoch
        async with aclosing(consume(self._link, self.stream, self._subjects, self.seq)) as messages:
            async for message in messages:
                if epoch != self._copy.epoch:
                    raise Unavailable("something could not be stored")
                if isinstance(message, float):
                    self._idle(message)
                    continue
                durable = await self._copy.take(self.stream, message, epoch)
                self._under_way.append(durable)
                durable.add_done_callback(partial(self._stored, message))
                if len(self._under_way) > UNDER_WAY:
                    await self._under_way[0]

    def _idle(self, asked: float) -> None:
        if not self._under_way:
            self._pending = 0
            age = asyncio.get_running_loop().time() - asked
            self.through = max(self.through, self._now() - int(age * TICKS_PER_SECOND))

    def _stored(self, message: Message, durable: asyncio.Future[None]) -> None:
        if durable.cancelled() or durable.exception() is not None:
            return
        self._under_way.popleft()
        self.seq = message.seq
        self.through = max(self.through, message.at)
        self._pending = message.pending
        for seq, future in self._waiting:
            if seq <= self.seq and not future.done():
                future.set_result(None)
        self._waiting = [each for each in self._waiting if not each[1].done()]
