"""Follows a feed so that each event is delivered once, despite any failure. No I/O.

Pages and streams alternate: one page by long poll, then the stream until it ends. The page has all
missed events and a fresh token, so a stream never starts at a token that is a day old. If the
server has no streams, pages are enough.
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

SAVED_EVERY = 1.0  # seconds after which a token is saved even in the middle of a page
MOST_SILENT = 3  # consecutive streams without even a keep-alive, probably buffered by a proxy


class TokenStore(Protocol):
    """Stores a token between runs."""

    def load(self) -> str | None:
        """Return the last saved token, or None."""
        ...

    def save(self, token: str) -> None:
        """Replace the saved token durably."""
        ...


class Source(NamedTuple, Generic[E]):
    """A feed to follow: its pages, its stream if it has one, and the reader for its events.

    ``ids_are_tokens`` is true if an event's ``eventId`` is a token.
    """

    page: Callable[[str], Call[Page]]
    read: Callable[[bytes], E]
    stream: Callable[[str], Request] | None = None
    ids_are_tokens: bool = False


class _Spot(NamedTuple):
    """An event and its position. ``token`` is after the event or, if ``within``, before its page.

    If ``json`` is empty, there is no event, and ``token`` is a position after which no event is
    ready.
    """

    json: bytes
    token: str
    within: bool = False

    def resume(self) -> str:
        """Return the token after the event.

        The server gives no token within a page. For such an event, the result combines the token
        before the page with the event's id, by which ``_behind`` finds the event in the page again.
        """
        return f"{self.token}+{event_id(self.json)}" if self.within else self.token


class Following(Generic[E]):
    """One reader of a feed, without I/O. ``token`` and ``json`` are as in ``Followed``."""

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
        """The token after the current event, to resume from."""
        return self._hand.resume() or None

    @property
    def json(self) -> bytes:
        """The current event."""
        return self._hand.json

    def next(self) -> Steps[E]:
        """Wait for the next event and return it. The current event then counts as handled.

        Raises a Refusal if the server refuses the feed, and UnexpectedAnswer.
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
        """Stop following. If ``handled`` is true, the current event counts as handled."""
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
            # The last page was not refused, so the server has no streams. If the session has
            # ended instead, the next page will fail.
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
        except UnexpectedAnswer:  # an event that is too large
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
        """Save the position after the last handled event, unless it is already saved."""
        token = self._handled.resume() if self._store is not None else ""
        if self._store is not None and token not in {"", self._saved}:
            yield Work(partial(self._store.save, token))
            self._saved, self._saved_at = token, self._conversation.timing.clock()


class Followed(Generic[E]):
    """The properties that ``Feed`` and ``AsyncFeed`` have in common."""

    def __init__(self, following: Following[E]) -> None:
        self._following = following

    @property
    def token(self) -> str | None:
        """The token after the current event, or None until the server has sent a token."""
        return self._following.token

    @property
    def json(self) -> bytes:
        """The current event as the server sent it, including members that the types omit."""
        return self._following.json


def _behind(spots: list[_Spot], known: str) -> list[_Spot]:
    """Return the events after the event with the id ``known``, or all events if it is missing.

    If it is missing, the server has a different log; events are then repeated rather than lost.
    """
    if known:
        for index, spot in enumerate(spots):
            if event_id(spot.json) == known:
                return spots[index + 1 :]
    return spots
