"""Starts every client's projection from the store, and rebuilds a projection that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, MutableMapping
from typing import NamedTuple

import msgspec
import structlog

from floorcast.feeds.feed import Feed
from floorcast.feeds.ring import Rings
from floorcast.floor.floor import LATE_MS, QUIET_AGENT_MS, Floor
from floorcast.floor.state import FloorState
from floorcast.log.port import EventLog
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import DamagedEntry, Unavailable
from floorcast.model.token import Now, end_of_entry
from floorcast.projection.initial_state import initial_state, state_before_log
from floorcast.projection.runner import FoldObserver, Projection
from floorcast.site.configuration import FeedName, FloorConfig
from floorcast.store.projection_store import ProjectionStore

__all__ = ["FloorFailed", "FoldOptions", "ProjectionSupervisor"]

FEEDS: tuple[FeedName, ...] = ("agent", "interaction", "alerts")
PROGRESS_SECONDS = 10.0  # between the log lines of a floor that catches up
RETRY_SECONDS = 1.0  # seconds before a failed floor is restarted
DAMAGED_RETRY_SECONDS = 60.0  # the pause if the log is damaged, which rarely recovers by itself

_log = structlog.stdlib.get_logger(__name__)


class FoldOptions(NamedTuple):
    """The options of a fold. They are the same on all nodes of a cluster."""

    quiet_call_ms: int
    token_secret: bytes = b""
    quiet_agent_ms: int = QUIET_AGENT_MS
    late_ms: int = LATE_MS


class FloorFailed(Unavailable):
    """The client's floor cannot be folded now and is being rebuilt in the background."""


class _StoreDamaged(Exception):
    """The client's data in the store is damaged."""


class ProjectionSupervisor:
    """Keeps one ``Projection`` folding for each client.

    ``serving`` has the clients whose floors have caught up. Only these floors answer requests.
    """

    def __init__(
        self,
        log: EventLog,
        store: ProjectionStore,
        rings: Rings,
        serving: MutableMapping[int, Projection],
        *,
        options: FoldOptions,
        now: Now,
        observer: FoldObserver,
    ) -> None:
        self._log = log
        self._store = store
        self._rings = rings
        self._serving = serving
        self._options = options
        self._now = now
        self._observer = observer
        self._feeds: dict[int, dict[FeedName, Feed]] = {}
        self._projections: dict[int, Projection] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._damaged: dict[int, asyncio.Event] = {}
        store.on_damage = self._on_store_damage

    async def begin(self, client: int, config: FloorConfig) -> None:
        """Start the client's floor with this configuration and wait until it has caught up.

        Raises Unavailable if the log cannot be read or written, DamagedEntry if one of the client's
        entries is damaged, and FloorFailed if the floor fails or ``end`` is called first.
        """
        projection = await self._wait_until_caught_up(client)
        if projection.floor.state.config != config:
            number = await self._log.append_site(client, msgspec.json.encode(config))
            await projection.wait_until_folded(number)

    def end(self, clients: Iterable[int]) -> None:
        """Stop the floors of clients that are no longer in the site.

        The clients' entries stay in the log.
        """
        for client in clients:
            self._serving.pop(client, None)
            if (task := self._tasks.pop(client, None)) is not None:
                task.cancel()
            if (projection := self._projections.pop(client, None)) is not None:
                projection.fail()

    async def snapshot(self) -> None:
        """Take a snapshot of every floor whose last snapshot is old."""
        for projection in list(self._projections.values()):
            try:
                await projection.snapshot_if_due()
            except Exception:  # noqa: BLE001 — the other floors still need theirs
                _log.exception("snapshot_failed", client=projection.client)

    async def close(self) -> None:
        """Stop folding and take a snapshot of every floor for the next start."""
        await cancel_all(self._tasks.values())
        for projection in self._projections.values():
            projection.fail()
            try:
                await projection.snapshot()
            except Exception:  # noqa: BLE001 — the other floors still need theirs
                _log.exception("snapshot_failed", client=projection.client)

    async def _wait_until_caught_up(self, client: int) -> Projection:
        if client not in self._tasks:
            projection = self._new_projection(client)
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            task = self._tasks[client] = asyncio.create_task(self._keep_folding(projection, ready))
            # ``end`` may cancel the task before the floor is ready
            task.add_done_callback(lambda _: _fail_wait(ready, FloorFailed("the client is gone")))
            await ready
        current = self._projections.get(client)
        if current is None:
            raise FloorFailed("the client's floor is being rebuilt")
        return current

    async def _keep_folding(self, projection: Projection, ready: asyncio.Future[None]) -> None:
        while True:
            try:
                await self._fold(projection, ready)
            except _StoreDamaged:
                pause = 0.0
            except DamagedEntry as error:
                pause = 0.0
                if not await self._recover(error):
                    pause = DAMAGED_RETRY_SECONDS
                    why = error.why
                    _log.error("entry_damaged", client=error.client, entry=error.number, why=why)
                    _fail_wait(ready, error)
            except Exception:  # noqa: BLE001 — the floor is restarted after any error
                pause = RETRY_SECONDS
                _log.exception(
                    "folding_failed", client=projection.client, folded=projection.last_folded
                )
            else:
                return
            self._serving.pop(projection.client, None)
            self._projections.pop(projection.client, None)
            projection.fail()
            if pause:
                _fail_wait(ready, FloorFailed("the client's floor is being rebuilt"))
            projection = await self._restart(projection.client, pause)

    async def _recover(self, error: DamagedEntry) -> bool:
        """Fetch a damaged entry from elsewhere. Returns whether that succeeded."""
        try:
            return await self._log.recover(error.client, error.number)
        except Unavailable as failure:
            _log.warning("entry_not_restored", client=error.client, why=failure.message)
            return False

    async def _fold(self, projection: Projection, ready: asyncio.Future[None]) -> None:
        damaged = self._damaged[projection.client] = asyncio.Event()
        if projection.client in self._store.rebuilding:
            raise _StoreDamaged
        folding = asyncio.create_task(projection.run())
        watching = asyncio.create_task(damaged.wait())
        head = asyncio.create_task(self._wait_for_head(projection))
        try:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait({folding, head, watching}, return_when=first)
            if head.done() and not damaged.is_set():
                self._serving[projection.client] = self._projections[projection.client] = projection
                if not ready.done():
                    ready.set_result(None)
            await asyncio.wait({folding, watching}, return_when=first)
            if damaged.is_set():
                if not folding.done():
                    await projection.snapshot()  # the floor has facts that the store lacks
                raise _StoreDamaged
            await folding
        finally:
            for task in (folding, head, watching):
                task.cancel()
            # wait, so that folding does not stop in the middle of an entry that another task reads
            await asyncio.gather(folding, head, watching, return_exceptions=True)

    async def _wait_for_head(self, projection: Projection) -> None:
        """Wait until the projection has folded the entries that the log now has."""
        client, last = projection.client, self._log.head(projection.client).number
        while True:
            try:
                async with asyncio.timeout(PROGRESS_SECONDS):
                    return await projection.wait_until_folded(last)
            except TimeoutError:
                _log.info("folding", client=client, entry=projection.last_folded, last=last)

    async def _restart(self, client: int, pause: float) -> Projection:
        while True:
            await asyncio.sleep(pause)
            try:
                if client in self._store.rebuilding:
                    await self._rebuild(client)
                return self._new_projection(client)
            except Exception:  # noqa: BLE001 — the cause may pass
                _log.exception("folding_waits", client=client)

    def _on_store_damage(self, client: int) -> None:
        """Rebuild a client's damaged data from the log."""
        self._serving.pop(client, None)
        if client in self._damaged:
            self._damaged[client].set()

    async def _rebuild(self, client: int) -> None:
        """Rebuild a client's segments and calls by folding the log again.

        Requests about the client are refused until this is done. The client's floor then continues
        from its snapshot, which covers more than the log.
        """
        _log.warning("derived_data_remaking", client=client)
        await self._store.delete_client(client)
        feeds = self._feeds.get(client, {})
        for feed in feeds.values():
            feed.restart()
        rebuilder = self._projection(state_before_log(client, self._log), feeds)
        rebuilder.writes_snapshots = False
        folding = asyncio.create_task(rebuilder.run())
        caught_up = asyncio.create_task(self._wait_for_head(rebuilder))
        try:
            await asyncio.wait({folding, caught_up}, return_when=asyncio.FIRST_COMPLETED)
            if not caught_up.done():
                await folding
        finally:
            for task in (folding, caught_up):
                task.cancel()
            await asyncio.gather(folding, caught_up, return_exceptions=True)
        for feed in feeds.values():
            feed.seal()
        self._store.mark_rebuilt(client)
        _log.warning("derived_data_remade", file="mirror.db", client=client)

    def _new_projection(self, client: int) -> Projection:
        state = initial_state(client, self._store, self._log)
        feeds = self._feeds.get(client)
        if feeds is None:
            feeds = self._feeds[client] = {
                name: Feed(
                    client, name, self._rings, self._covered_position(client, name, state.entry)
                )
                for name in FEEDS
            }
        return self._projection(state, feeds)

    def _projection(self, state: FloorState, feeds: Mapping[FeedName, Feed]) -> Projection:
        return Projection(
            Floor(
                state,
                self._options.quiet_call_ms,
                self._options.quiet_agent_ms,
                self._options.late_ms,
            ),
            self._log,
            self._store,
            feeds,
            self._now,
            self._observer,
            self._options.token_secret,
        )

    def _covered_position(self, client: int, name: FeedName, entry: int) -> int:
        """Return the position up to which a feed is complete in the store.

        It is at least the end of ``entry``, the last entry that is not folded again.
        """
        return max(self._store.covered(client, name), end_of_entry(entry) if entry else 0)


def _fail_wait(ready: asyncio.Future[None], error: Unavailable) -> None:
    """Fail the wait for a floor that is not ready yet."""
    if not ready.done():
        ready.set_exception(error)
