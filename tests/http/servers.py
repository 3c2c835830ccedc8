"""A server without a transport, with real handlers, sessions, site and feeds on virtual time.

Tests publish events in the form in which a floor would, and the log is a list of times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar, cast

import httpx

from floorcast.auth.keys import KeyThrottle, KeyVerifier
from floorcast.auth.login_verifier import LoginVerifier
from floorcast.auth.passwords import Hasher, Passwords, QueueKey
from floorcast.auth.sessions import Sessions
from floorcast.auth.throttle import Throttle
from floorcast.feeds.blocks import encode
from floorcast.feeds.feed import Feed
from floorcast.feeds.ring import Rings
from floorcast.floor.call_metadata import CallMetadata
from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState
from floorcast.http.app import Api
from floorcast.http.limits import RateLimit
from floorcast.http.metrics import Metrics
from floorcast.http.routes import ROUTES
from floorcast.http.services import Services
from floorcast.ingest.intake import Admission, Intake
from floorcast.kv.memory import MemoryKeyValueStore
from floorcast.log.memory import MemoryLog
from floorcast.log.port import NO_LIMIT, Head
from floorcast.model.outbound import AgentEvent, InteractionEvent
from floorcast.model.token import TICKS_PER_SECOND, Now, end_of_entry, event_id_maker, position
from floorcast.projection.runner import Projection
from floorcast.site.apply import apply
from floorcast.site.configuration import FeedName
from floorcast.site.file_reader import parse
from floorcast.site.live_site import Site
from floorcast.sse.hub import Hub
from tests.feeds.stores import MemoryStore
from tests.virtual_time import VirtualLoop, run

T = TypeVar("T")

SITE = """
[[client]]
id = 47415
name = "ACME"
time_zone = "America/New_York"
feeds = ["agent", "interaction"]
api_tokens = ["acme-token-for-tests", "other-token-for-tests"]
ingest_keys = ["acme-key-for-testing"]
call_center = [{id = 1623, name = "Call Center"}, {id = 1700, name = "South"}]
service = [
    {id = 38049, name = "Manual", call_center = 1623},
    {id = 2, name = "South", call_center = 1700},
]
user = [
    {id = 9001, name = "sysadmin", password = "correct horse", role = "Sysadmin"},
    {id = 9002, name = "manager", password = "correct horse", role = "Manager"},
    {id = 9003, name = "superuser", password = "correct horse", role = "Superuser"},
    {id=9004, name="limited", password="correct horse", role="Sysadmin", call_centers=[1623]},
    {id = 9005, name = "auditor", password = "correct horse", role = "Auditor"},
]

[[client]]
id = 4199
name = "CHILD"
parent = 47415
feeds = ["agent"]
api_tokens = ["child-token-for-tests"]
user = [{id = 9101, name = "sysadmin", password = "correct horse", role = "Sysadmin"}]

[[client]]
id = 5
name = "STRANGER"
api_tokens = ["stranger-token-for-tests"]
user = [{id = 9201, name = "sysadmin", password = "correct horse", role = "Sysadmin"}]
"""

ACME, CHILD, STRANGER = 47415, 4199, 5
TOKENS = {
    "ACME": "acme-token-for-tests",
    "CHILD": "child-token-for-tests",
    "STRANGER": "stranger-token-for-tests",
}


class InstantPasswords(Passwords):
    """Hashes passwords on the calling thread, because threads ignore virtual time."""

    async def _run(self, work: Callable[[], T], queue: QueueKey) -> T:
        return work()


class Entries(MemoryLog):
    """The recording times of log entries, as handlers use them."""

    healthy = True
    stall_reason = ""

    def __init__(self, now: Now) -> None:
        super().__init__(now)
        self.lost = NO_LIMIT
        self.times: dict[int, list[int]] = {}
        self.forgotten = 0
        self.error: Exception | None = None

    def take(self, client: int, ticks: int) -> int:
        """Add an entry and return its number."""
        entries = self.times.setdefault(client, [])
        entries.append(max(ticks, entries[-1] + 1) if entries else ticks)
        return len(entries)

    def head(self, client: int) -> Head:
        """Return the newest entry."""
        entries = self.times.get(client, [])
        return Head(len(entries), entries[-1]) if entries else Head(0, 0)

    def last_entry_at(self, client: int, ticks: int) -> int:
        """Return the last entry at or before a time."""
        if self.error is not None:
            raise self.error
        entries = self.times.get(client, [])
        return max(self.forgotten, sum(recorded_at <= ticks for recorded_at in entries))

    def lost_until(self, client: int) -> int:
        """Pretend that other nodes may be ahead of this log, if the test says so."""
        return self.lost

    def recorded_at(self, client: int, number: int) -> int | None:
        """Return the time of an entry."""
        entries = self.times.get(client, [])
        return entries[number - 1] if self.forgotten < number <= len(entries) else None


class FakeFloor(Projection):
    """A client's feeds and the calls given to it. It follows no log."""

    def __init__(self, client: int, feeds: dict[FeedName, Feed], floor: Floor) -> None:
        self.client, self.feeds, self.floor = client, feeds, floor
        self.last_folded = 0
        self.calls: dict[tuple[int, str], CallMetadata] = {}

    def find_call(self, transaction: int, session: str) -> CallMetadata | None:
        """Return a call from ``calls``."""
        return self.calls.get((transaction, session))

    async def wait_until_folded(self, number: int) -> None:
        """Return immediately for published positions. Otherwise, the caller has to check again."""
        if number > self.last_folded:
            await asyncio.get_running_loop().create_future()


class ApiHarness:
    """All parts of the server. ``http`` sends requests to the application."""

    kv: MemoryKeyValueStore

    def __init__(self, loop: VirtualLoop, site: Site, sessions: Sessions, rate: int) -> None:
        now: Now = loop.now
        self.loop = loop
        self.log = Entries(now)
        self.store = MemoryStore()
        self.rings = Rings(self.store, 1 << 20)
        self.streams = Hub(epoch=sessions.epoch)
        self.server = Services(
            now=now,
            sessions=sessions,
            site=site,
            log=self.log,
            metrics=Metrics(),
            rate_limit=RateLimit(rate, now),
            keys=KeyVerifier(site, KeyThrottle(loop.now)),
            streams=self.streams,
            intake=cast(Intake, None),
            admission=Admission(1000),
        )
        self.server.metrics.watch_feeds(self.rings, self.streams)
        self.floors: dict[int, FakeFloor] = {}
        for client in site.clients.values():
            names: tuple[FeedName, ...] = ("agent", "interaction", "alerts")
            feeds = {name: Feed(client.id, name, self.rings) for name in names}
            for name, feed in feeds.items():
                feed.switched_on = name == "alerts" or name in client.floor_config.feeds
            floor = Floor(FloorState(client=client.id))
            floor.begin_entry(0, now())
            floor.apply(client.floor_config)
            self.floors[client.id] = FakeFloor(client.id, feeds, floor)
        self.server.floors.update(self.floors)
        self.server.readiness.ready = True
        self.api = Api(self.server, ROUTES)
        transport = httpx.ASGITransport(app=self.api, client=("192.0.2.1", 1234))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def login(self, user: str = "sysadmin", client: str = "ACME") -> dict[str, str]:
        """Log in. Returns the headers of the session."""
        answer = await self.http.post(
            "/session/login",
            headers={"LV-Access": TOKENS[client]},
            json={"clientName": client, "userName": user, "password": "correct horse"},
        )
        assert answer.status_code == 200, answer.text
        return {"LV-Session": answer.json()["sessionId"]}

    def publish(
        self,
        make: Sequence[Callable[[str], AgentEvent | InteractionEvent]],
        client: int = ACME,
        facets: tuple[str, int | None, int | None] = ("VOICE", 38049, 1623),
    ) -> list[str]:
        """Publish an entry with events made from their eventIds. Returns the ids."""
        number = self.log.take(client, self.loop.now())
        recorded_at = self.log.head(client).recorded_at
        event_id = event_id_maker(client, recorded_at, number)
        ids = [event_id(index) for index in range(len(make))]
        records: dict[FeedName, list[tuple[int, tuple[str, int | None, int | None], bytes]]] = {}
        for index, one in enumerate(make):
            event = one(ids[index])
            is_agent = isinstance(event, AgentEvent)
            record = (
                position(number, index),
                ("", *facets[1:]) if is_agent else facets,
                encode(event),
            )
            records.setdefault("agent" if is_agent else "interaction", []).append(record)
        for name, feed in self.floors[client].feeds.items():
            feed.publish(records.get(name, []), end_of_entry(number), recorded_at)
        self.floors[client].last_folded = number
        self.floors[client].floor.state.newest_event_at = recorded_at
        return ids


def run_with_harness(work: Callable[[ApiHarness], Awaitable[None]], rate: int = 0) -> ApiHarness:
    """Run a test's requests on a new server in virtual time."""

    async def begin(loop: VirtualLoop) -> ApiHarness:
        hasher = Hasher(memory_kib=8, passes=1)
        kv = MemoryKeyValueStore()
        await apply(kv, parse(SITE), hasher)
        site = Site(kv)
        passwords = InstantPasswords(hasher)
        key_throttle = KeyThrottle(loop.now)
        throttle = Throttle(MemoryKeyValueStore(), loop.now)
        credentials = LoginVerifier(site, passwords, throttle, key_throttle)
        sessions = Sessions(site, kv, credentials, passwords, loop.now, monotonic=loop.now)
        harness = ApiHarness(loop, site, sessions, rate)
        harness.kv = kv
        try:
            await work(harness)
        finally:
            await harness.http.aclose()
            passwords.close()
        return harness

    return run(begin)


DAY = 24 * 3600 * TICKS_PER_SECOND
