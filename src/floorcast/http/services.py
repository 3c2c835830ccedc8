"""What the handlers need of the server: put together by ``serve``, and by tests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from floorcast.auth.keys import Keys
from floorcast.auth.sessions import Sessions
from floorcast.feeds.cursors import Times, not_here_yet
from floorcast.feeds.feed import Feed
from floorcast.http.metrics import Metrics
from floorcast.http.rate_limit import RateLimit
from floorcast.http.turn_limiter import TurnLimiter
from floorcast.ingest.accept import Intake
from floorcast.ingest.admission import Admission
from floorcast.model.errors import FeedNotSwitchedOn, Unavailable
from floorcast.model.token import Now
from floorcast.projection import runner
from floorcast.site.configuration import FeedName
from floorcast.site.live_site import Site
from floorcast.sse.hub import Hub

__all__ = ["Projection", "Readiness", "Services"]

CATCH_UP = 8.0  # seconds that a reader waits for what it has seen on another node
LOOK = 0.25  # seconds between two looks whether it can still come


class Log(Times, Protocol):
    """The event log, as far as the handlers look at it."""

    @property
    def healthy(self) -> bool:
        """Whether events can be written down."""
        ...

    @property
    def stalled(self) -> str:
        """Why none can be at the moment although all is well here; empty: they can."""
        ...


Projection = runner.Projection[Feed]
"""One client's floor and feeds."""


@dataclass(slots=True)
class Readiness:
    """Whether requests are answered, and if not, why."""

    ready: bool = False
    reason: str = "the server is starting"


@dataclass(slots=True)
class Services:
    """Everything that a request can reach.

    A call without any event for ``quiet_call_ms``, an agent without any for ``quiet_agent_ms``,
    counts in no figure of now. ``clients`` are those that this server is for; none named: all.
    ``readers`` of feeds and ``sources`` of events come in by gates of their own, so that neither
    waits for the others' crowd.
    """

    now: Now
    sessions: Sessions
    site: Site
    log: Log
    metrics: Metrics
    rate_limit: RateLimit
    keys: Keys
    streams: Hub
    intake: Intake
    admission: Admission
    clients: frozenset[int] = frozenset()
    floors: dict[int, Projection] = field(default_factory=dict)
    readers: TurnLimiter = field(default_factory=TurnLimiter)
    sources: TurnLimiter = field(default_factory=TurnLimiter)
    readiness: Readiness = field(default_factory=Readiness)
    quiet_call_ms: int = 4 * 3_600_000
    quiet_agent_ms: int = 16 * 3_600_000

    def serves(self, client: int) -> bool:
        """Whether this server answers for the client."""
        return not self.clients or client in self.clients

    def feed(self, client: int, name: FeedName) -> Feed:
        """A client's feed; raises FeedNotSwitchedOn, Unavailable where other nodes have it."""
        if not self.serves(client):
            raise Unavailable("this node does not serve the client: ask another one")
        floor = self.floors.get(client)
        feed = floor.feeds.get(name) if floor is not None else None
        if feed is None or not feed.switched_on:
            raise FeedNotSwitchedOn(f"the {name} event feed is not switched on for this client")
        return feed

    async def until_known(self, client: int, token: str) -> None:
        """Wait until the place of a token that another node gave has come to this one, too.

        Raises InvalidParameter when the token is malformed, and Unavailable when it takes long.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + CATCH_UP
        while (entry := not_here_yet(client, token, self.log)) is not None:
            if loop.time() >= until:
                raise Unavailable("this node has not come to the token's place yet: ask again")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self.floors[client].until_folded(entry)

    def zone(self, client: int) -> tzinfo:
        """The time zone that a client's messages are in."""
        return ZoneInfo(self.site.clients[client].plan.time_zone)
