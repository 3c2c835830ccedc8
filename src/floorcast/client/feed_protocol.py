"""Follows a feed so that each event is delivered once, despite any failure. No I/O.

Pages and streams alternate: one long-poll page, then the stream until it ends. The page has all
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

from floorcast.client.api_call import ApiCall
from floorcast.client.client_protocol import ClientProtocol
from floorcast.client.events import event_id
from floorcast.client.methods import RawPage
from floorcast.client.steps import (
    CloseStream,
    HttpRequest,
    NextMessage,
    NoResponse,
    RunBlocking,
    SilentConnection,
    Steps,
)
from floorcast.model.errors import Refusal, UnexpectedAnswer

__all__ = ["FeedBase", "FeedProtocol", "FeedSource", "TokenStore"]

E = TypeVar("E")

SAVE_INTERVAL_SECONDS = 1.0  # seconds after which a token is saved even in the middle of a page
# consecutive streams without even a keep-alive, which a proxy probably buffers
MAX_SILENT_STREAMS = 3


class TokenStore(Protocol):
    """Stores a token between runs."""

    def load(self) -> str | None:
        """Return the last saved token, or None."""
        ...

    def save(self, token: str) -> None:
        """Replace the saved token durably."""
        ...


class FeedSource(NamedTuple, Generic[E]):
    """A feed to follow: its pages, its stream if it has one, and the reader for its events.

    ``ids_are_tokens`` is true if an event's ``eventId`` is a token.
    """

    page: Callable[[str], ApiCall[RawPage]]
    read: Callable[[bytes], E]
    stream: Callable[[str], HttpRequest] | None = None
    ids_are_tokens: bool = False


class _FeedPosition(NamedTuple):
    """An event and its position. ``token`` is after the event or, if ``within``, before its page.

    If ``json`` is empty, there is no event, and ``token`` is a position after which no event is
    ready.
    """

    json: bytes
    token: str
    within: bool = False

    def resume_token(self) -> str:
        """Return the token after the event.

        The server gives no token within a page. For such an event, the result combines the token
        before the page with the event's id, by which ``_after`` finds the event in the page again.
        """
        return f"{self.token}+{event_id(self.json)}" if self.within else self.token


class FeedProtocol(Generic[E]):
    """One reader of a feed, without I/O. ``token`` and ``json`` are as in ``FeedBase``."""

    def __init__(
        self,
        protocol: ClientProtocol,
        source: FeedSource[E],
        token: str | None,
        store: TokenStore | None,
    ) -> None:
        self._protocol = protocol
        self._source = source
        self._stream = source.stream
        self._store = store
        self._started = False
        self._ready: deque[_FeedPosition] = deque()
        self._current = self._handled = _FeedPosition(b"", token or "")
        self._received_token = ""  # the token up to which events have been received
        self._last_handled_id = ""  # the id of the last handled event after that position
        self._caught_up = self._streaming = False
        self._silent_streams = 0
        self._saved, self._saved_at = "", protocol.timing.clock()

    @property
    def token(self) -> str | None:
        """The token after the current event, to resume from."""
        return self._current.resume_token() or None

    @property
    def json(self) -> bytes:
        """The current event."""
        return self._current.json

    def next(self) -> Steps[E]:
        """Wait for the next event and return it. The current event then counts as handled.

        Raises a Refusal if the server refuses the feed, and UnexpectedAnswer.
        """
        if not self._started:
            yield from self._begin()
        self._handled = self._current
        if self._ready and self._protocol.timing.clock() - self._saved_at >= SAVE_INTERVAL_SECONDS:
            yield from self._save()
        while not self._ready:
            yield from self._save()
            yield from self._receive()
            if not self._ready:
                self._current = self._handled = _FeedPosition(b"", self._received_token)
        self._current = self._ready.popleft()
        return self._source.read(self._current.json)

    def end(self, *, handled: bool) -> Steps[None]:
        """Stop following. If ``handled`` is true, the current event counts as handled."""
        if handled:
            self._handled = self._current
        yield from self._save()
        self._streaming = False
        yield CloseStream()

    def _begin(self) -> Steps[None]:
        if self._store is not None and not self._current.token:
            found: str | None = yield RunBlocking(self._store.load)
            self._saved = found or ""
            self._current = _FeedPosition(b"", self._saved)
        self._received_token, _, self._last_handled_id = self._current.token.partition("+")
        self._started = True

    def _receive(self) -> Steps[None]:
        if self._streaming:
            yield from self._read_stream()
        elif self._caught_up and self._stream is not None:
            yield from self._open_stream(self._stream)
        else:
            yield from self._read_page()

    def _read_page(self) -> Steps[None]:
        page = yield from self._protocol.exchange(self._source.page(self._received_token), inf)
        lines = page.lines()
        last = len(lines) - 1
        positions = [
            _FeedPosition(line, page.token)
            if index == last
            else _FeedPosition(line, self._received_token, within=True)
            for index, line in enumerate(lines)
        ]
        self._ready.extend(_after(positions, self._last_handled_id))
        self._received_token, self._last_handled_id = page.token, ""
        self._caught_up = True

    def _open_stream(self, stream: Callable[[str], HttpRequest]) -> Steps[None]:
        self._caught_up = False
        try:
            yield from self._protocol.open(stream(self._received_token), inf)
            self._streaming = True
        except Refusal:
            # The last page was not refused, so the server has no streams. If the session has
            # ended instead, the next page will fail.
            self._stream = None
            yield CloseStream()

    def _read_stream(self) -> Steps[None]:
        message: ServerSentEvent | None = None
        try:
            message = yield NextMessage()
        except SilentConnection:
            self._silent_streams += 1
            if self._silent_streams == MAX_SILENT_STREAMS:
                self._stream = None
        except NoResponse:
            pass  # the next page continues after the received events
        except UnexpectedAnswer:  # an event that is too large
            self._streaming = False
            yield CloseStream()
            raise
        if message is None:
            self._streaming = False
            yield CloseStream()
            return
        self._silent_streams = 0
        line = message.data.encode()
        if line:
            self._received_token = message.id or self._id_of(line) or self._received_token
            self._ready.append(_FeedPosition(line, self._received_token))
        elif message.id:
            self._received_token = message.id

    def _id_of(self, line: bytes) -> str:
        return event_id(line) if self._source.ids_are_tokens else ""

    def _save(self) -> Steps[None]:
        """Save the position after the last handled event, unless it is already saved."""
        token = self._handled.resume_token() if self._store is not None else ""
        if self._store is not None and token not in {"", self._saved}:
            yield RunBlocking(partial(self._store.save, token))
            self._saved, self._saved_at = token, self._protocol.timing.clock()


class FeedBase(Generic[E]):
    """The properties that ``Feed`` and ``AsyncFeed`` have in common."""

    def __init__(self, protocol: FeedProtocol[E]) -> None:
        self._protocol = protocol

    @property
    def token(self) -> str | None:
        """The token after the current event, or None until the server has sent a token."""
        return self._protocol.token

    @property
    def json(self) -> bytes:
        """The current event as the server sent it, including members that the types omit."""
        return self._protocol.json


def _after(positions: list[_FeedPosition], known: str) -> list[_FeedPosition]:
    """Return the events after the event with the id ``known``, or all events if it is missing.

    If it is missing, the server has a different log; events are then with_retries rather than lost.
    """
    if known:
        for index, position in enumerate(positions):
            if event_id(position.json) == known:
                return positions[index + 1 :]
    return positions
