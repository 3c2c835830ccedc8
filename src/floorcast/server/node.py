"""Starts, runs and stops a server: its files, its floors and its periodic tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import structlog

from floorcast.alerts.evaluator import AlertEvaluator
from floorcast.archive.jobs import hash_key
from floorcast.archive.personal import Mode
from floorcast.auth.audit_log import AuditLog
from floorcast.auth.keys import KeyThrottle, KeyVerifier
from floorcast.auth.login_verifier import LoginVerifier
from floorcast.auth.passwords import Hasher, Passwords
from floorcast.auth.sessions import Sessions
from floorcast.auth.throttle import Throttle
from floorcast.config.settings import Settings
from floorcast.feeds.ring import SEAL_AGE, Rings
from floorcast.http.limits import RateLimit, ReaderLimits
from floorcast.http.metrics import Metrics
from floorcast.http.services import PastServices, ReportServices, Services
from floorcast.ingest.intake import Admission, Intake
from floorcast.kv.folder import IN_MEMORY
from floorcast.kv.token_secret import token_secret
from floorcast.log.appender import CommitObserver
from floorcast.log.port import EventLog
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError, Unavailable
from floorcast.model.token import Now, monotonic_now, system_now
from floorcast.projection.refold import FoldLimits
from floorcast.projection.runner import FoldObserver
from floorcast.projection.supervisor import FoldOptions, ProjectionSupervisor
from floorcast.server.archiver import Archiver, check_archive
from floorcast.server.release import release
from floorcast.server.site_file import apply_site_file
from floorcast.server.site_follower import SiteFollower
from floorcast.server.stores import Stores, open_stores, record_log_end
from floorcast.site.changes import differences
from floorcast.site.live_site import Site, SiteChange
from floorcast.sse.hub import Hub
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.superseded import LONGEST_DAY, LogBounds
from floorcast.webhooks.delivery_resources import DeliveryResources
from floorcast.webhooks.http_client import tls_context
from floorcast.webhooks.service import Webhooks

__all__ = ["Node"]

ALERT_SECONDS = 1.0  # between two evaluations of the alerts
CHORE_SECONDS = 0.5  # between two rounds of sealing, and between two checks for site changes
SNAPSHOT_SECONDS = 600.0  # between two checks for due snapshots
SESSION_CLOSE_SECONDS = 5.0  # for writing when sessions were last used, when the node stops
SITE_SYNC_SECONDS = 10.0  # between two checks for an old site that a late node put in the log
SINGLE_HOLDER = "single"  # holds the leases in a data folder, which only one server uses at a time
SESSION_SAVE_SECONDS = 12.0  # between two writes of when sessions were last used

_log = structlog.stdlib.get_logger(__name__)


class Node:
    """Everything that serves requests, except the transport.

    Entering the context opens the data folder and creates ``server``. ``start`` makes it ready.
    Raises SettingError if the data folder or the site file cannot be used.
    """

    server: Services

    def __init__(
        self,
        settings: Settings,
        now: Now = system_now,
        hasher: Hasher | None = None,
        *,
        monotonic: Now = monotonic_now,
        accept_loss: bool = False,
    ) -> None:
        self.archiver: Archiver | None = None
        self._accept_loss = accept_loss
        self._settings = settings
        self._now = now
        self._monotonic = monotonic
        self._hasher = hasher or Hasher()
        self._metrics = Metrics()
        self._stack = AsyncExitStack()
        self._chores: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Open the files."""
        check_archive(self._settings)
        try:
            await self._open(self._settings.data)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is in progress, and close the files."""
        await self._stack.aclose()

    async def start(self) -> None:
        """Catch up with the log. When this returns, requests are served."""
        await self._catch_up()
        await self._follower.sync()
        if self.server.audit.last_event() == "backup_made":
            self.server.audit.record("restore")
        self.server.audit.record("start", version=release())
        self._site.on_change(self._follower.enqueue)
        if self._shared:
            self._site.on_change(self._audit_site)
        self._repeat(CHORE_SECONDS, self._seal)
        self._repeat(CHORE_SECONDS, self._refresh_site)
        self._alerts.begin()
        self._repeat(ALERT_SECONDS, self._alerts.evaluate_all)
        self._repeat(SNAPSHOT_SECONDS, self._floors.snapshot)
        self._repeat(SESSION_SAVE_SECONDS, self.server.sessions.maintain)
        self._repeat(SESSION_SAVE_SECONDS, self._flush_audit)
        if self._shared:
            self._repeat(SITE_SYNC_SECONDS, self._follower.sync)
        await self._record_log_end()
        self._repeat(SNAPSHOT_SECONDS, self._record_log_end)
        self._chores.append(asyncio.create_task(self._follower.follow()))
        if self.archiver is not None:
            self._chores.append(asyncio.create_task(self.archiver.run()))
        self._webhooks.start()
        self.server.readiness.ready = True

    def release(self) -> None:
        """End all waits and streams, because the server is stopping."""
        self._rings.release()
        self.server.streams.release()

    async def wait_for_streams(self, seconds: float) -> None:
        """Wait until every stream's reader has received the closing comment.

        Aborts streams whose reader does not read.
        """
        await self.server.streams.drain(seconds)

    async def _open(self, data: Path) -> None:
        stack, metrics = self._stack, self._metrics
        observer = CommitObserver(
            metrics.log_append_seconds.observe, metrics.log_commit_events.observe
        )
        stores = await open_stores(
            stack, self._settings, self._now, observer, accept_loss=self._accept_loss
        )
        self._stores = stores
        stack.push_async_callback(self._record_log_end)
        self._now, self._catch_up, self._shared = stores.now, stores.catch_up, stores.shared
        log, kv = stores.log, stores.kv
        self._audit = AuditLog(
            None if data == IN_MEMORY else data, self._now, monotonic=self._monotonic
        )
        if self._settings.site is not None:
            await apply_site_file(
                self._settings.site, kv, self._hasher, self._audit, host=self._settings.host
            )
        self._site = Site(kv)
        self._token_secret = await token_secret(kv)
        self._audited = self._site.clients
        heads = {client: log.head(client).number for client in log.clients()}
        store = ProjectionStore(
            None if data == IN_MEMORY else data / "mirror.db",
            self._now,
            steady_now=log.steady_now,
            identity=log.identity,
            heads=heads,
        )
        stack.push_async_callback(store.close)
        await store.discard_superseded(partial(_bounds, log))
        self._rings = Rings(store, self._settings.ring_bytes)
        self._make_server(stores, store)

    def _make_server(self, stores: Stores, store: ProjectionStore) -> None:
        log, now, settings = stores.log, stores.now, self._settings
        metrics = self._metrics
        if stores.cluster is not None:
            metrics.watch(stores.cluster)
        passwords = Passwords(self._hasher)
        self._stack.callback(passwords.close)
        monotonic = self._monotonic
        key_throttle = KeyThrottle(monotonic)
        # nodes share the counts of a cluster, and only its clock
        throttle = Throttle(stores.counts, now if stores.shared else monotonic)
        credentials = LoginVerifier(self._site, passwords, throttle, key_throttle)
        sessions = Sessions(
            self._site,
            stores.kv,
            credentials,
            passwords,
            now,
            monotonic=monotonic,
            shared=stores.shared,
        )
        self._stack.push_async_callback(self._close_sessions, sessions)
        streams = Hub(epoch=sessions.epoch)
        metrics.watch_feeds(self._rings, streams)
        self.server = Services(
            now=now,
            sessions=sessions,
            site=self._site,
            log=log,
            metrics=metrics,
            rate_limit=RateLimit(settings.rate_limit, monotonic),
            keys=KeyVerifier(self._site, key_throttle),
            streams=streams,
            intake=Intake(log, now, metrics.log_failures.inc, monotonic),
            admission=Admission(settings.max_in_flight, store),
            audit=self._audit,
            clients=frozenset(settings.clients),
            token_secret=self._token_secret,
            reader_limits=ReaderLimits(settings.session_readers, settings.client_readers),
            quiet_call_ms=int(settings.call_quiet_hours * 3_600_000),
            quiet_agent_ms=int(settings.agent_quiet_hours * 3_600_000),
        )
        late_ms = int(settings.agent_late_minutes * 60_000)
        limits = FoldLimits(self.server.quiet_call_ms, self.server.quiet_agent_ms, late_ms)
        self.server.past = PastServices(
            None if settings.data == IN_MEMORY else settings.data,
            limits,
            stored=store.stored,
        )
        self._stack.push_async_callback(self.server.past.workers.close)
        self._floors = ProjectionSupervisor(
            log,
            store,
            self._rings,
            self.server.floors,
            options=FoldOptions(
                self.server.quiet_call_ms,
                self._token_secret,
                self.server.quiet_agent_ms,
                late_ms,
            ),
            now=now,
            observer=FoldObserver(
                metrics.fold_seconds.observe, metrics.fold_failures.inc, metrics.too_late.inc
            ),
        )
        self._follower = SiteFollower(self._site, self._floors, self.server.serves)
        if settings.archive:
            self.server.reporting = ReportServices(
                settings.archive,
                settings.data.absolute(),
                cast("Mode", settings.archive_personal),
                hash_key(self._token_secret),
                limits,
            )
            self._stack.push_async_callback(self.server.reporting.workers.close)
            self.archiver = Archiver(settings, self.server)
            metrics.watch_archive(self.archiver.state)
            self._stack.push_async_callback(self.archiver.close)
        self._webhooks = Webhooks(
            self._site,
            stores.kv,
            DeliveryResources(self.server, now, tls_context),
            self.server.serves,
            "" if stores.shared else SINGLE_HOLDER,
        )
        metrics.watch_webhooks(self._webhooks.states)
        self._alerts = AlertEvaluator(
            self.server.floors,
            log,
            now,
            limits,
        )
        self._stack.push_async_callback(self._stop)

    async def _close_sessions(self, sessions: Sessions) -> None:
        closing = asyncio.create_task(sessions.close())
        await asyncio.wait([closing], timeout=SESSION_CLOSE_SECONDS)
        in_time = closing.done()
        await cancel_all([closing])
        error = closing.exception() if in_time else "no response in time"
        if error is not None:  # at worst, sessions end a minute too early
            _log.warning("uses_not_written", why=str(error))

    async def _stop(self) -> None:
        self.server.readiness.ready = False
        self.server.readiness.reason = "the server is stopping"
        self._audit.flush(everything=True)
        self._audit.record("stop")
        tasks = [*self._chores, *self._follower.tasks]
        await cancel_all(tasks)
        await self._webhooks.close()
        await self._alerts.close()
        await self._floors.close()
        self._rings.seal()

    def _repeat(self, seconds: float, chore: Callable[[], Awaitable[object]]) -> None:
        async def run() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await chore()
                except FloorcastError as error:
                    _log.warning("chore_failed", chore=chore.__name__, why=str(error))
                except Exception:  # noqa: BLE001 — a failed chore is retried
                    _log.exception("chore_failed", chore=chore.__name__)

        self._chores.append(asyncio.create_task(run()))

    def _audit_site(self, _change: SiteChange) -> None:
        """Record changes that any node or command made to the cluster's site."""
        old, new = self._audited, self._site.clients
        self._audited = new
        for client in sorted({*old, *new}):
            before, after = old.get(client), new.get(client)
            if before is not after:
                self._audit.record_changes(list(differences(before, after)), command="cluster")

    async def _seal(self) -> None:
        self._rings.seal(before=self._now() - SEAL_AGE)

    async def _flush_audit(self) -> None:
        self._audit.flush()

    async def _record_log_end(self) -> None:
        """Record the end of the log in ``admin.db``. Disk errors are reported elsewhere."""
        if not self._stores.shared:
            with suppress(FloorcastError):
                await record_log_end(self._stores)

    async def _refresh_site(self) -> None:
        await self._site.refresh()


def _bounds(log: EventLog, client: int) -> LogBounds:
    removed, before_today = log.last_removed(client), 0
    with suppress(Unavailable):  # an entry is damaged, which is repaired later
        before_today = log.last_entry_at(client, log.steady_now() - LONGEST_DAY)
    return LogBounds(removed, before_today)
