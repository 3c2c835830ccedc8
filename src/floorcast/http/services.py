"""The services that handlers use. The node and the tests assemble them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from floorcast.archive.personal import Mode
from floorcast.auth.audit_log import AuditLog
from floorcast.auth.keys import KeyVerifier
from floorcast.auth.sessions import Sessions
from floorcast.feeds.cursors import pending_entry, resolve, token_at
from floorcast.feeds.feed import Feed
from floorcast.http.limits import AnswerLimits, RateLimit, ReaderLimits, TurnLimiter
from floorcast.http.memory_pressure import MemoryWatch
from floorcast.http.metrics import Metrics
from floorcast.ingest.intake import Admission, Intake
from floorcast.log.port import EventLog
from floorcast.model.errors import NotFound, Unavailable
from floorcast.model.token import Now, encode, entry_of
from floorcast.projection.refold import FoldLimits
from floorcast.projection.runner import Projection
from floorcast.site.configuration import FeedName
from floorcast.site.live_site import Site
from floorcast.sse.hub import Hub
from floorcast.statistics.interval_cache import IntervalCache
from floorcast.workers.pool import PoolTuning, WorkerPool

__all__ = ["PastServices", "Readiness", "ReportServices", "Services"]

REPORT_BYTES = 16 << 30  # of address space for a report
CATCH_UP_SECONDS = 8.0  # seconds that a reader waits for this node to reach its token
CHECK_SECONDS = 0.25  # between two checks whether the node can still reach it
REBUILD_SECONDS = 2  # ``Retry-After`` while a floor is being rebuilt


@dataclass(slots=True)
class Readiness:
    """Whether requests are served, and if not, why."""

    ready: bool = False
    reason: str = "the server is starting"


async def _nothing_to_store() -> None:
    """Return immediately, because nothing has left the floors."""


@dataclass(slots=True)
class PastServices:
    """The dependencies of answers about the past, which require a ``folder``.

    ``folder`` is the data folder, and ``limits`` are those of the live floors. ``stored`` returns
    once everything that has left the floors is in the folder.
    """

    folder: Path | None = None
    limits: FoldLimits = field(default_factory=FoldLimits)
    workers: WorkerPool = field(default_factory=WorkerPool)
    stored: Callable[[], Awaitable[None]] = _nothing_to_store


@dataclass(slots=True)
class ReportServices:
    """The dependencies of reports, which require an ``archive``.

    ``personal`` and ``key`` determine the form in which reports contain callers' data.
    """

    archive: str = ""
    folder: Path | None = None
    personal: Mode = "drop"
    key: bytes = b""
    limits: FoldLimits = field(default_factory=lambda: FoldLimits(0, 0, 0))
    # duckdb and pyarrow reserve address space that they do not use
    workers: WorkerPool = field(
        default_factory=lambda: WorkerPool(PoolTuning(memory_bytes=REPORT_BYTES))
    )


@dataclass(slots=True)
class Services:
    """Everything that a request can use.

    Current figures omit a call that has had no event for ``quiet_call_ms``, and an agent who has
    had none for ``quiet_agent_ms``. ``clients`` has the clients that this server serves; if it is
    empty, the server serves all clients. ``readers`` (of feeds) and ``sources`` (of events) are
    separate gates, so that a crowd at one does not delay the other.
    """

    now: Now
    sessions: Sessions
    site: Site
    log: EventLog
    metrics: Metrics
    rate_limit: RateLimit
    keys: KeyVerifier
    streams: Hub
    intake: Intake
    admission: Admission
    audit: AuditLog = field(default_factory=lambda: AuditLog(None))
    clients: frozenset[int] = frozenset()
    token_secret: bytes = b""
    reader_limits: ReaderLimits = field(default_factory=ReaderLimits)
    answer_limits: AnswerLimits = field(default_factory=AnswerLimits)
    floors: dict[int, Projection] = field(default_factory=dict)
    readers: TurnLimiter = field(default_factory=TurnLimiter)
    sources: TurnLimiter = field(default_factory=TurnLimiter)
    readiness: Readiness = field(default_factory=Readiness)
    past: PastServices = field(default_factory=PastServices)
    reporting: ReportServices = field(default_factory=ReportServices)
    interval_cache: IntervalCache = field(default_factory=IntervalCache)
    memory: MemoryWatch = field(default_factory=MemoryWatch)
    quiet_call_ms: int = 4 * 3_600_000
    quiet_agent_ms: int = 16 * 3_600_000

    def serves(self, client: int) -> bool:
        """Return whether this node serves the client."""
        return not self.clients or client in self.clients

    def floor_of(self, client: int) -> Projection:
        """Return the client's floor, which has caught up with the log.

        All code gets its floors here, so that the errors are always the same. Raises NotFound
        if the site has no such client, and Unavailable if this node does not serve the client, or
        while the client's floor is starting or being rebuilt.
        """
        floor = self.floors.get(client)
        if floor is not None:
            return floor
        if client not in self.site.clients:
            raise NotFound("there is no such client")
        if not self.serves(client):
            raise Unavailable("this node does not serve the client: use another node")
        raise Unavailable(
            "the client's floor is starting or being rebuilt: try again in a moment",
            REBUILD_SECONDS,
        )

    def feed_of(self, client: int, name: FeedName) -> Feed:
        """Return the client's feed. Raises FeedNotSwitchedOn, and the errors of ``floor_of``."""
        return self.floor_of(client).feed(name)

    def newest_event(self, client: int) -> int:
        """Return when the client's newest folded event was recorded, in ticks; 0 if there is none.

        Raises the errors of ``floor_of``.
        """
        return self.floor_of(client).floor.state.newest_event_at

    def token_now(self, client: int, cursor: int, *, at_head: bool = True) -> str:
        """Return a token for a reader that has seen all up to ``cursor``; see ``token_at``."""
        now, secret = self.now(), self.token_secret
        return token_at(client, cursor, self.log, now, at_head=at_head, secret=secret)

    def token_of(self, client: int, position: int) -> str:
        """Return the token of an event's position: the ``eventId`` of an interaction event."""
        recorded_at = _recorded_at(self.log.recorded_at, client, entry_of(position))
        return encode(client, recorded_at, position, self.token_secret)

    async def cursor_of(self, client: int, token: str) -> int:
        """Return a token's cursor.

        If the token comes from another node that is ahead, waits until this node catches up. Raises
        InvalidParameter, Unavailable if the wait times out, or any error of ``floor_of``.
        """
        await self.wait_for_token(client, token)
        zone = self.zone(client)
        return resolve(client, token, self.log, self.now(), zone, self.token_secret)

    async def wait_for_token(self, client: int, token: str) -> None:
        """Wait until this node has reached the position of a token from another node.

        Raises InvalidParameter if the token is malformed, Unavailable if the wait times out, or
        any error of ``floor_of``.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + CATCH_UP_SECONDS
        while (entry := pending_entry(client, token, self.log, self.token_secret)) is not None:
            if loop.time() >= until:
                raise Unavailable("this node has not reached the token's position yet: try again")
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self.floor_of(client).wait_until_folded(entry)

    def zone(self, client: int) -> tzinfo:
        """Return the time zone for messages to a client."""
        return ZoneInfo(self.site.clients[client].floor_config.time_zone)


@lru_cache(maxsize=4096)
def _recorded_at(lookup: Callable[[int, int], int | None], client: int, entry: int) -> int:
    return lookup(client, entry) or 0
