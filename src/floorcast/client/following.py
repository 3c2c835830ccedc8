"""Follows a feed so that each event comes once, through any failure. No I/O.

Pages and streams alternate: one page by long poll, then the stream until it ends. The page
brings everything that was missed in bulk, and a fresh token, so a stream never starts at a token
that is a day old. Without streams, pages alone are enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Generic, NamedTuple, Protocol, TypeVar

from httpx_sse import ServerSentEvent

from floorcast.client.conversation import Conversation
from floorcast.client.events import event_id
from floorcast.client.methods import Call, Page
from floorcast.client.steps import Broken, Next, Request, Shut, Silent, Steps, Work
from floorcast.model.errors import Refusal, UnexpectedAnswer

__all__ = ["Followed", "Following", "Source", "TokenStore"]

E = TypeVar("E")

SAVED_EVERY = 1.0  # seconds after which a token is also saved within a page
MOST_SILENT = 3  # consecutive streams without even a keep-alive: something on the way buffers them


class TokenStore(Protocol):
    """Stores a token between runs."""

    def load(self) -> str | None:
        """The last saved token, or None."""
        ...

    def save(self, token: str) -> None:
        """Durably replace the saved token."""
        ...


class Source(NamedTuple, Generic[E]):
    """A feed to follow: its pages, its stream if it has one, and the reader of its events.

    ``ids_are_tokens``: an event's ``eventId`` is a token.
    """

    page: Callable[[str], Call[Page]]
    read: Callable[[bytes], E]
    stream: Callable[[str], Request] | None = None
    ids_are_tokens: bool = False


class _Spot(NamedTuple):
    """An event and its position: ``token`` is after it or, if ``within``, before its page.

    Without an event (``json`` is empty), it is a position after which no event is ready.
    """

    json: bytes
    token: str
    within: bool = False

    def resume(self) -> str:
        """The token after the event.

        The server gives none within a page, so it combines the page's token and the event's id, by
        which ``_behind`` finds the event in the page again.
        """
        return f"{self.token}+{event_id(self.json)}" if self.within else self.token


class Following(Generic[E]):
    """One reader of a feed, without its I/O. ``token`` and ``json`` are as in ``Followed``."""

    def __init__(
        self,
        conversation: Conversation,
        source: Source[E],
        token: str | None,
        store: TokenStore | None,
    ) -> None:
        self._conversation = conversation
        self._source = source
        self._stream = source.stream
        self._store = store
        self._begun = False
        self._ready: deque[_Spot] = deque()
        self._hand = self._handled = _Spot(b"", token or "")
        self._place = ""  # the token up to which events have been received
        self._known = ""  # the id of the last handled event after that position
        self._caught_up = self._listening = False
        self._silent = 0
        self._saved, self._saved_at = "", conversation.timing.clock()

    @property
    def token(self) -> str | None:
        """The token to resume from."""
        return self._hand.resume() or None

    @property
    def json(self) -> bytes:
        """The current event."""
        return self._hand.json

    def next(self) -> Steps[E]:
        """Wait for the next event. The current one counts as handled.

        Raises the server's refusal of the feed, and UnexpectedAnswer.
        """
        if not self._begun:
            yield from self._begin()
        self._handled = self._hand
        if self._ready and self._conversation.timing.clock() - self._saved_at >= SAVED_EVERY:
            yield from self._save()
        while not self._ready:
            yield from self._save()
            yield from self._receive()
            if not self._ready:
                self._hand = self._handled = _Spot(b"", self._place)
        self._hand = self._ready.popleft()
        return self._source.read(self._hand.json)

    def end(self, *, handled: bool) -> Steps[None]:
        """Stop. If ``handled``, the current event is also finished."""
        if handled:
            self._handled = self._hand
        yield from self._save()
        self._listening = False
        yield Shut()

    def _begin(self) -> Steps[None]:
        if self._store is not None and not self._hand.token:
            found: str | None = yield Work(self._store.load)
            self._saved = found or ""
            self._hand = _Spot(b"", self._saved)
        self._place, _, self._known = self._hand.token.partition("+")
        self._begun = True

    def _receive(self) -> Steps[None]:
        if self._listening:
            yield from self._hear()
        elif self._caught_up and self._stream is not None:
            yield from self._tune_in(self._stream)
        else:
            yield from self._turn_page()

    def _turn_page(self) -> Steps[None]:
        page = yield from self._conversation.exchange(self._source.page(self._place), inf)
        lines = page.lines()
        last = len(lines) - 1
        spots = [
            _Spot(line, page.token) if index == last else _Spot(line, self._place, within=True)
            for index, line in enumerate(lines)
        ]
        self._ready.extend(_behind(spots, self._known))
        self._place, self._known = page.token, ""
        self._caught_up = True

    def _tune_in(self, stream: Callable[[str], Request]) -> Steps[None]:
        self._caught_up = False
        try:
            yield from self._conversation.open(stream(self._place), inf)
            self._listening = True
        except Refusal:
            # The last page was not refused, so the server has no streams. (If the session has
            # ended, the next page will fail.)
            self._stream = None
            yield Shut()

    def _hear(self) -> Steps[None]:
        message: ServerSentEvent | None = None
        try:
            message = yield Next()
        except Silent:
            self._silent += 1
            if self._silent == MOST_SILENT:
                self._stream = None
        except Broken:
            pass  # the next page continues after the received events
        except UnexpectedAnswer:  # it has no end
            self._listening = False
            yield Shut()
            raise
        if message is None:
            self._listening = False
            yield Shut()
            return
        self._silent = 0
        line = message.data.encode()
        if line:
            self._place = message.id or self._id_of(line) or self._place
            self._ready.append(_Spot(line, self._place))
        elif message.id:
            self._place = message.id

    def _id_of(self, line: bytes) -> str:
        return event_id(line) if self._source.ids_are_tokens else ""

    def _save(self) -> Steps[None]:
        """Save the position after the last handled event, unless it is saved already."""
        token = self._handled.resume() if self._store is not None else ""
        if self._store is not None and token not in {"", self._saved}:
            yield Work(partial(self._store.save, token))
            self._saved, self._saved_at = token, self._conversation.timing.clock()


class Followed(Generic[E]):
    """A feed as its reader sees it: the common part of ``Feed`` and ``AsyncFeed``."""

    def __init__(self, following: Following[E]) -> None:
        self._following = following

    @property
    def token(self) -> str | None:
        """The token after the current event; None until the server has given one."""
        return self._following.token

    @property
    def json(self) -> bytes:
        """The current event as the server sent it, including members without a type here."""
        return self._following.json


def _behind(spots: list[_Spot], known: str) -> list[_Spot]:
    """The events after the one with that id, or all of them if it is missing.

    In that case the server's log is a different one, and events are repeated rather than lost.
    """
    if known:
        for index, spot in enumerate(spots):
            if event_id(spot.json) == known:
                return spots[index + 1 :]
    return spots
