"""Leases: one of several nodes does some work, and another takes over if that node dies.

A lease is a key of the store. Its holder renews it with a write that depends on the value that the
holder has read, so two nodes never both succeed. A candidate takes over after it has seen the same
value for ``ttl`` seconds by its own clock. Clocks of different nodes are never compared. The holder
stops ``margin`` seconds before that.

If a process is suspended and wakes up after another has taken over, its ``held`` is False. Its late
writes fail if they name ``Lease.fence`` among the values that they depend on.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from floorcast.kv.port import Item, KeyValueStore
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError
from floorcast.model.token import boot_seconds
from floorcast.model.undecodable import UNDECODABLE

__all__ = ["BUCKET", "Lease", "LeaseTuning"]

BUCKET: Final = "leases"

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True)
class LeaseTuning:
    """The times of a lease, in seconds. A takeover takes at most ``ttl`` plus one ``renewal``."""

    ttl: float = 12.0
    margin: float = 4.0
    renewal: float = 3.0


class _LeaseValue(Struct):
    """The stored value: the holder, and a random number that changes with each renewal."""

    holder: str
    renewal: str


class Lease:
    """The lease called ``name``, as seen by one process.

    ``holder`` names the process, and is random by default. If no other process can use the store,
    use the same ``holder`` after every start, so that a restart takes the lease back at once.
    ``clock`` returns seconds.
    """

    def __init__(
        self,
        kv: KeyValueStore,
        name: str,
        holder: str = "",
        clock: Callable[[], float] = boot_seconds,
        tuning: LeaseTuning | None = None,
    ) -> None:
        self._kv = kv
        self._name = name
        self._holder = holder or secrets.token_hex(8)
        self._clock = clock
        self._tuning = tuning or LeaseTuning()
        self._until = -math.inf
        self._last_seen: tuple[bytes | None, float] = (None, -math.inf)
        self.fence = Item(BUCKET, f"{name}.term", None)
        """The lease's current term. A write that only the holder may make expects this value."""

    @property
    def held(self) -> bool:
        """Whether this process holds the lease now. Check this before each step of the work."""
        return self._clock() < self._until

    async def run(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run ``work`` whenever this process holds the lease, until this call is cancelled.

        ``work`` is cancelled when the lease is lost. If it returns or raises, it is started again
        after the next renewal. On cancellation, the lease is free for other processes at once.
        """
        work_task: asyncio.Task[None] | None = None
        try:
            while True:
                await self._renew_or_take()
                if self.held and (work_task is None or work_task.done()):
                    work_task = asyncio.create_task(self._run_work(work))
                elif not self.held and work_task is not None:
                    _log.warning("lease_lost", lease=self._name)
                    await cancel_all([work_task])
                    work_task = None
                await asyncio.sleep(self._pause())
        finally:
            if work_task is not None:
                await cancel_all([work_task])
            await self._release()

    def _pause(self) -> float:
        """Return the seconds until the next renewal, or until the lease ends."""
        remaining = self._until - self._clock()
        return min(self._tuning.renewal, remaining) if remaining > 0 else self._tuning.renewal

    async def _run_work(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception:  # noqa: BLE001 — the work starts again after the next renewal
            _log.exception("leased_work_failed", lease=self._name)

    async def _renew_or_take(self) -> None:
        """Renew the lease, or take it if it is free."""
        # without a quorum, or if another process was first, this is tried again later
        with suppress(FloorcastError, TimeoutError):
            current, now = self._kv.get(BUCKET, self._name), self._clock()
            if current != self._last_seen[0]:
                self._last_seen = (current, now)
            if current is not None and _holder_of(current) == self._holder:
                await self._write(current)
                return
            self._until = -math.inf
            if current is None or now - self._last_seen[1] >= self._tuning.ttl:
                await self._write(current)

    async def _write(self, current: bytes | None) -> None:
        started, is_renewal = self._clock(), self.held
        value = msgspec.json.encode(_LeaseValue(self._holder, secrets.token_hex(8)))
        item = Item(BUCKET, self._name, value)
        fence = self.fence._replace(value=self._kv.get(BUCKET, self.fence.key))
        term = fence if is_renewal else fence._replace(value=b"%d" % (int(fence.value or 0) + 1))
        changes = [item] if is_renewal else [item, term]
        # a late write may still happen; the next attempt reads the result
        await asyncio.wait_for(
            self._kv.write(changes, [item._replace(value=current), fence]), self._tuning.renewal
        )
        if not is_renewal:
            _log.info("lease_taken", lease=self._name)
        self.fence, self._until = term, started + self._tuning.ttl - self._tuning.margin

    async def _release(self) -> None:
        if self.held:
            self._until = -math.inf
            current = Item(BUCKET, self._name, self._kv.get(BUCKET, self._name))
            with suppress(FloorcastError, TimeoutError):
                await asyncio.wait_for(
                    self._kv.write([current._replace(value=None)], [current, self.fence]),
                    self._tuning.renewal,
                )


def _holder_of(value: bytes) -> str:
    with suppress(*UNDECODABLE):
        return msgspec.json.decode(value, type=_LeaseValue).holder
    return ""
