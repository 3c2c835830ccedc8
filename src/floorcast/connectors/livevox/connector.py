"""Implements ``floorcast connect livevox``: follows another server's feeds and sends events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
import structlog
from msgspec import Struct, structs

from floorcast.client import AsyncClient, AsyncFeed, AsyncSender, Credentials, Timing
from floorcast.client.events import AgentEvent, CallTermination, Interaction
from floorcast.client.pacing import Backoff
from floorcast.connectors.forwarder import Forwarder
from floorcast.connectors.livevox.processor import (
    FeedItem,
    FeedName,
    ListResponse,
    LivevoxProcessor,
)
from floorcast.connectors.livevox.recording import LivevoxRecording
from floorcast.connectors.livevox.tokens import token_for_time, token_time
from floorcast.connectors.metrics import ConnectorMetrics
from floorcast.connectors.pbx.source_clock import SourceClock
from floorcast.connectors.pbx.spool_writer import SpoolWriter, SpoolWriterTuning
from floorcast.connectors.pbx.unreadable import ConnectorWarnings, Unreadable
from floorcast.connectors.spool import Spool
from floorcast.model.errors import (
    BadCredentials,
    FeedNotSwitchedOn,
    FloorcastError,
    InvalidParameter,
    Refusal,
    RoleNotAllowed,
    SettingError,
    UnexpectedAnswer,
)

__all__ = ["FollowedServer", "LivevoxConnector", "LivevoxTuning"]

E = TypeVar("E", bound=AgentEvent | Interaction)

ListName = Literal["waiting", "campaigns", "statuses"]
_ROWS: dict[ListName, str] = {
    "waiting": "calls_details",
    "campaigns": "stats",
    "statuses": "agent_details",
}

MAX_SHOWN_CHARACTERS = 200  # of an error message
CAMPAIGN_SECONDS = 60.0  # between two requests for campaign counts
_SETUP_ERRORS = (BadCredentials, RoleNotAllowed, FeedNotSwitchedOn, SettingError)

_log = structlog.get_logger("floorcast.connect")


class LivevoxTuning(SpoolWriterTuning, frozen=True, kw_only=True):
    """Times in seconds that users do not need to set."""

    history_seconds: float = 24 * 3600.0 - 300.0  # how far back to read; feeds reach back 24 h
    quiet_seconds: float = 1.0  # without events before the feed's position is stored
    lag_seconds: float = 12.0  # how long a call's end waits for the agent feed to advance


class FollowedServer(Struct, frozen=True, kw_only=True):
    """The server to follow.

    ``source`` names the server in ids. On the first start, feeds are read from ``since`` (epoch
    seconds), or from as far back as they reach if ``since`` is None. ``poll_seconds`` is the time
    between two requests for waiting calls, and 0 disables these requests. Received data is also
    written to the file ``record``, if it is set.
    """

    url: str
    credentials: Credentials
    source: str = "livevox"
    since: float | None = None
    poll_seconds: float = 5.0
    record: Path | None = None


class LivevoxConnector:
    """Follows one server, writes events to a spool, and sends the events in the spool.

    ``run`` ends only with an exception.
    """

    def __init__(
        self,
        server: FollowedServer,
        spool: Spool,
        metrics: ConnectorMetrics,
        *,
        tuning: LivevoxTuning | None = None,
        clock: Callable[[], float] = time.time,
        timing: Timing | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._server = server
        self._timing = structs.replace(timing or Timing(), waiting=self._on_waiting)
        self._spool = spool
        self._metrics = metrics
        self._tuning = tuning or LivevoxTuning()
        self._clock = SourceClock(clock)
        self._transport = transport
        self._warnings = ConnectorWarnings(metrics)
        self._position = spool.positions()
        self._processor = LivevoxProcessor(server.source, spool.rows(), self._warnings)
        self._writer = SpoolWriter(self._processor, spool, metrics, self._clock, self._tuning)
        self._agent_feed_at = 0.0  # the time that the agent feed has reached, in epoch seconds
        self._agent_feed_moved = asyncio.Event()
        self._connected_feeds: set[FeedName] = set()
        self._refusals: dict[FeedName, int] = {}  # consecutive refused tokens
        self._needs_statuses = False
        self._is_down = False

    def forwarder(self) -> Forwarder:
        """Return a forwarder that sends events from this connector's spool."""
        return Forwarder(self._spool, self._metrics)

    async def run(self, sender: AsyncSender, forwarder: Forwarder) -> None:
        """Read and send until cancelled. Raises errors that a retry cannot fix."""
        with LivevoxRecording(self._server.record) as recording:
            async with self._client() as client, asyncio.TaskGroup() as tasks:
                tasks.create_task(forwarder.run(sender))
                tasks.create_task(self._writer.run(forwarder))
                tasks.create_task(self._follow("agent", client.agent_events, recording))
                tasks.create_task(self._follow("interaction", client.interaction_events, recording))
                tasks.create_task(self._poll_queues(client, recording))
                tasks.create_task(self._poll_campaigns(client, recording))

    def _client(self) -> AsyncClient:
        return AsyncClient(
            self._server.url,
            self._server.credentials,
            timing=self._timing,
            transport=self._transport,
        )

    # --- the feeds ------------------------------------------------------------------------------

    async def _follow(
        self,
        name: FeedName,
        open_feed: Callable[[str | None], AsyncFeed[E]],
        recording: LivevoxRecording,
    ) -> None:
        """Follow a feed from the last run's position.

        On the first run, follow it from ``_first_token``.
        """
        backoff = Backoff(self._timing.chance)
        token = self._position.get(name) or self._first_token()
        while True:
            feed = open_feed(token or None)
            try:
                await self._read(name, feed, token, backoff, recording)
            except _SETUP_ERRORS as error:
                if name not in self._connected_feeds:
                    raise
                self._warnings.warn_once(f"the {name} feed was refused: {_short_message(error)}")
                token = _token_of(feed) or token
            except InvalidParameter as refused:
                token = self._token_after_refusal(name, token, refused)
            except (Refusal, UnexpectedAnswer) as error:
                self._warnings.count_unreadable(
                    Unreadable(f"the {name} feed: {_short_message(error)}")
                )
                token = _token_of(feed) or token
            finally:
                self._metrics.set_source_connected(name, connected=False)
                await feed.aclose()
            await asyncio.sleep(backoff.pause())

    async def _read(
        self,
        name: FeedName,
        feed: AsyncFeed[E],
        token: str,
        backoff: Backoff,
        recording: LivevoxRecording,
    ) -> None:
        """Read until the feed raises an exception. While the feed is quiet, store its position."""
        next_event: asyncio.Future[E] | None = None
        try:
            while True:
                before = feed.json
                next_event = next_event or asyncio.ensure_future(feed.__anext__())
                await asyncio.wait({next_event}, timeout=self._tuning.quiet_seconds)
                if not next_event.done():
                    token = await self._note_reached(name, feed, token)
                    continue
                done, next_event = next_event, None
                try:
                    event = done.result()
                except UnexpectedAnswer as error:
                    if feed.json is before:
                        raise  # retry the whole page
                    self._warnings.count_unreadable(Unreadable(_short_message(error)))
                    continue
                backoff.reset()
                recording.write_event(name, feed.json, self._clock.local_now())
                await self._process_event(name, feed, event)
        finally:
            if next_event is not None:
                next_event.cancel()
                with suppress(asyncio.CancelledError, FloorcastError):
                    await next_event

    async def _process_event(
        self, name: FeedName, feed: AsyncFeed[E], event: AgentEvent | Interaction
    ) -> None:
        token = _token_of(feed)
        if isinstance(event, CallTermination) and not self._processor.answer_is_known(event):
            await self._wait_for_agent_feed(token_time(event.event_id or "") or token_time(token))
        received = self._clock.local_now()
        await self._writer.put(FeedItem(name, token, received, event, feed.json))
        self._note_progress(name, token)

    async def _note_reached(self, name: FeedName, feed: AsyncFeed[E], before: str) -> str:
        """Store the feed's token as its position, unless an event is being processed.

        Returns the last stored token.
        """
        token = "" if feed.json else _token_of(feed)
        if not token or token == before:
            return before
        await self._writer.put(FeedItem(name, token, self._clock.local_now()))
        self._note_progress(name, token)
        return token

    def _note_progress(self, name: FeedName, token: str) -> None:
        self._connected_feeds.add(name)
        self._refusals.pop(name, None)
        self._metrics.set_source_connected(name, connected=True)
        if self._is_down:
            self._is_down = False
            _log.info("the followed server responds again")
        if name == "agent":
            self._agent_feed_at = max(self._agent_feed_at, token_time(token) or 0.0)
            self._agent_feed_moved.set()

    async def _wait_for_agent_feed(self, at: float | None) -> None:
        """Wait until the agent feed has reached ``at``, as long as the feed advances.

        An IN_CALL in the agent feed has the exact time of an answer.
        """
        with suppress(TimeoutError):
            while at is not None and self._agent_feed_at < at:
                self._agent_feed_moved.clear()
                async with asyncio.timeout(self._tuning.lag_seconds):
                    await self._agent_feed_moved.wait()

    def _first_token(self) -> str:
        if self._server.since is not None:
            return token_for_time(self._server.since)
        return self._oldest_token()

    def _oldest_token(self) -> str:
        return token_for_time(self._clock.local_now() - self._tuning.history_seconds)

    def _token_after_refusal(self, name: FeedName, token: str, refused: InvalidParameter) -> str:
        """Return the token to continue from after a token was refused.

        The first attempt is the oldest token that the feed may accept. If that token is refused
        too, the result is empty, and the feed continues from the current time.
        """
        refusals = self._refusals.get(name, 0)
        self._refusals[name] = refusals + 1
        if name == "agent":
            self._needs_statuses = True
        if refusals == 0 and (name in self._connected_feeds or name in self._position):
            _log.warning("events of a feed were lost", feed=name, why=refused.message)
            return self._oldest_token()
        if token:
            _log.warning("a feed is read from the current time on", feed=name, why=refused.message)
        return ""

    # --- requested lists ------------------------------------------------------------------------

    async def _poll_queues(self, client: AsyncClient, recording: LivevoxRecording) -> None:
        """Request the waiting calls every few seconds, and agent states after events were lost."""
        while True:
            await asyncio.sleep(self._server.poll_seconds or CAMPAIGN_SECONDS)
            if self._server.poll_seconds:
                await self._request_list("waiting", client.waiting_calls, recording)
            if self._needs_statuses and "agent" in self._connected_feeds:
                self._needs_statuses = False
                self._metrics.count_resync()
                await self._request_list("statuses", client.agent_status, recording)

    async def _poll_campaigns(self, client: AsyncClient, recording: LivevoxRecording) -> None:
        """Request the campaigns' counts every minute."""
        while True:
            await self._request_list("campaigns", client.campaign_statistics, recording)
            await asyncio.sleep(CAMPAIGN_SECONDS)

    async def _request_list(
        self, name: ListName, method: Callable[[], Awaitable[object]], recording: LivevoxRecording
    ) -> None:
        try:
            answer = await method()
        except FloorcastError as error:
            # the wallboard shows less without this list; the next request may succeed
            self._warnings.warn_once(
                f"no {name} list was received: {_short_message(error)}", kind=name
            )
            return
        rows: Sequence[Any] = getattr(answer, _ROWS[name])
        received = self._clock.local_now()
        recording.write_rows(name, rows, received)
        await self._writer.put(ListResponse(name, rows, received))

    def _on_waiting(self, _seconds: float, why: str) -> None:
        """Log that the followed server is unavailable, once per outage."""
        if not self._is_down:
            self._is_down = True
            for name in ("agent", "interaction"):
                self._metrics.set_source_connected(name, connected=False)
            _log.warning("the followed server does not respond", why=why)


def _token_of(feed: AsyncFeed[E]) -> str:
    """Return the token after the current event, or an empty string if the event has no id."""
    try:
        return feed.token or ""
    except UnexpectedAnswer:
        return ""


def _short_message(error: Exception) -> str:
    return str(error)[:MAX_SHOWN_CHARACTERS]
