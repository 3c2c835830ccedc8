"""Enforces the site's limits on the names and open calls that a client's events create.

An event that would exceed a limit is rejected before it enters the log. Everything in the log is
folded, so a changed limit never changes the past. A request is checked against the folded floor and
all of the client's requests in progress. If the client is far from every limit, the request only
reserves the maximum that it could add. If the client is close to a limit, each event is checked, in
the order of the requests. What events in progress add to the size of their calls counts until their
requests have been folded.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from floorcast.floor.agent_sizes import text_bytes
from floorcast.floor.agents import LONG_TEXT
from floorcast.floor.call_sizes import WIDE_BYTES
from floorcast.ingest.decode import FEW_EVENTS, MAX_VERDICTS, Decoded
from floorcast.ingest.new_names import (
    MAX_NEW_PER_EVENT,
    FloorNames,
    Key,
    Kind,
    NewObject,
    ended_call,
    growing_call,
    long_agent_texts,
    max_added_bytes,
)
from floorcast.ingest.verdicts import verdict_on
from floorcast.model.errors import InvalidParameter
from floorcast.model.inbound import AgentState, InboundEvent
from floorcast.model.loop_turns import SLICE_SECONDS, take_turn
from floorcast.model.token import TICKS_PER_SECOND, Now
from floorcast.projection.runner import Projection
from floorcast.site.configuration import Limits

__all__ = ["Quotas", "counts"]

LOG_INTERVAL = 60 * TICKS_PER_SECOND  # ticks between two log lines about the same limit of a client
_log = structlog.stdlib.get_logger(__name__)


class _Added:
    """What the accepted events of one request add to the floor, and the open calls that they end.

    ``sizes`` has the bytes that they add to each call, and ``amounts`` what has no names.
    """

    def __init__(self) -> None:
        self.new: Counter[NewObject] = Counter()
        self.ending: Counter[Key] = Counter()
        self.sizes: Counter[Key] = Counter()
        self.amounts: Counter[Kind] = Counter()


class _InProgress:
    """The objects that one client's requests in progress can add to its floor."""

    def __init__(self) -> None:
        self.requests = 0
        self.reserved: Counter[Kind] = Counter()
        self.reservations = 0  # requests
        self.no_reservations = asyncio.Event()
        self.turn = asyncio.Lock()  # held by the request whose events are checked
        self.new: Counter[NewObject] = Counter()
        self.ending: Counter[Key] = Counter()  # open calls on the floor that will have ended
        self._sizes: Counter[Key] = Counter()
        self._counts: Counter[Kind] = Counter()  # of the objects in ``new``
        self._compared: dict[Kind, tuple[int, ...]] = {}  # the floor, when last compared

    def has_room(self, floor: Projection, limits: Limits, maximum: Counter[Kind]) -> bool:
        """Return whether ``maximum`` objects fit in addition to the requests in progress."""
        if self.turn.locked():
            return False
        existing = counts(floor)
        return all(
            existing[kind] + self.reserved[kind] + self._counts[kind] + count
            <= getattr(limits, kind)
            for kind, count in maximum.items()
        )

    def admit(self, floor: FloorNames, limits: Limits, new: set[NewObject]) -> Kind | None:
        """Count the objects that an event adds.

        If a kind of object would exceed its limit, nothing is counted, and that kind is returned.
        """
        added = Counter(kind for kind, name in new if (kind, name) not in self.new)
        for kind, count in added.items():
            limit = getattr(limits, kind) - count
            if self._count(floor, kind) > limit:
                self._remove_folded(floor, kind)
                if self._count_after_ends(floor, kind) > limit:
                    return kind
        self._counts.update(added)
        self.new.update(new)
        return None

    def exceeded(self, floor: FloorNames, limits: Limits, amounts: dict[Kind, int]) -> Kind | None:
        """Return the kind of which there would be too much, if any."""
        for kind, amount in amounts.items():
            if amount and self._count(floor, kind) + amount > getattr(limits, kind):
                return kind
        return None

    def add(self, amounts: dict[Kind, int], added: _Added) -> None:
        """Count what an event adds."""
        self._counts.update(amounts)
        added.amounts.update(amounts)

    def beyond(self, floor: FloorNames, key: Key, size: int) -> int:
        """Return by how much an event with ``size`` bytes lets a call exceed an ordinary one."""
        before = self._sizes[key]
        return floor.added_bytes(key, before, before + size)

    def enlarge(self, key: Key, size: int, added: _Added) -> None:
        """Count the bytes that an event adds to a call."""
        self._sizes[key] += size
        added.sizes[key] += size

    def drop(self, added: _Added) -> None:
        """Forget a finished request: the floor has its objects by now, or will never have them."""
        for one, times in added.new.items():
            if one in self.new:
                self.new[one] -= times
                if self.new[one] <= 0:
                    self._forget(one)
        self._counts.subtract(added.amounts)
        for total, own in ((self._sizes, added.sizes), (self.ending, added.ending)):
            for key, times in own.items():
                if key in total:
                    total[key] -= times
                    if total[key] <= 0:
                        del total[key]

    def end_call(self, floor: FloorNames, key: Key, added: _Added) -> None:
        """Note the end of a call that a request in progress opened, or that the floor has."""
        if ("open_calls", key) in self.new:
            self._forget(("open_calls", key))
        elif floor.is_open(key):
            self.ending[key] += 1
            added.ending[key] += 1

    def _count(self, floor: FloorNames, kind: Kind) -> int:
        return counts(floor.projection)[kind] + self._counts[kind]

    def _count_after_ends(self, floor: FloorNames, kind: Kind) -> int:
        """Return the count without the calls that will have ended. See ``_remove_folded``."""
        return self._count(floor, kind) - (len(self.ending) if kind == "open_calls" else 0)

    def _remove_folded(self, floor: FloorNames, kind: Kind) -> None:
        """Remove the objects that have been folded since, because the floor now counts them.

        This reads all objects of the requests in progress, so it waits until they could matter.
        """
        calls = floor.projection.floor.call_table
        state = counts(floor.projection)[kind], len(calls.ended), floor.projection.floor.state.entry
        if self._compared.get(kind) == state:
            return
        self._compared[kind] = state
        if kind == "open_calls":
            for key in [key for key in self.ending if not floor.is_open(key)]:
                del self.ending[key]
        for one in [one for one in self.new if one[0] == kind and floor.contains(one)]:
            self._forget(one)

    def _forget(self, one: NewObject) -> None:
        del self.new[one]
        self._counts[one[0]] -= 1


class Quotas:
    """Enforces every client's limits on its requests. ``monotonic`` is a clock without jumps."""

    def __init__(self, monotonic: Now) -> None:
        self._now = monotonic
        self._clients: dict[int, _InProgress] = {}
        self._logged: dict[tuple[int, Kind], int] = {}

    @asynccontextmanager
    async def admit(
        self, projection: Projection, limits: Limits, decoded: Decoded
    ) -> AsyncIterator[Decoded]:
        """Return the events that are within the limits. The other events get verdicts.

        Leave the context once the events have been folded or have failed.
        """
        in_progress = self._clients.setdefault(projection.client, _InProgress())
        in_progress.requests += 1
        maximum = _max_new_objects(decoded)
        try:
            if in_progress.has_room(projection, limits, maximum):
                with _reservation(in_progress, maximum):
                    yield decoded
            else:
                added = _Added()
                try:
                    async with in_progress.turn:
                        while in_progress.reservations:
                            in_progress.no_reservations.clear()
                            await in_progress.no_reservations.wait()
                        floor = FloorNames(projection)
                        accepted = await self._filter(floor, limits, decoded, in_progress, added)
                    yield accepted
                finally:
                    in_progress.drop(added)
        finally:
            in_progress.requests -= 1
            if not in_progress.requests:
                del self._clients[projection.client]

    async def _filter(
        self,
        floor: FloorNames,
        limits: Limits,
        decoded: Decoded,
        in_progress: _InProgress,
        added: _Added,
    ) -> Decoded:
        """Return the events that fit. Checks them in several turns of the loop.

        What these events add to the floor is counted in ``added``.
        """
        refused: dict[int, Kind] = {}
        if len(decoded.events) > FEW_EVENTS:
            await take_turn(floor.projection.client)
        until = time.perf_counter() + SLICE_SECONDS
        for index, event in enumerate(decoded.events):
            kind = _admit(event, decoded.lines[index], floor, limits, in_progress, added)
            if kind is not None:
                refused[index] = kind
            if time.perf_counter() > until:
                await take_turn(floor.projection.client)
                until = time.perf_counter() + SLICE_SECONDS
        if not refused:
            return decoded
        self._log_reached_limits(floor.projection.client, limits, set(refused.values()))
        return _reject(decoded, refused, limits)

    def _log_reached_limits(self, client: int, limits: Limits, kinds: set[Kind]) -> None:
        now = self._now()
        for kind in sorted(kinds):
            logged = self._logged.get((client, kind))
            if logged is None or now - logged >= LOG_INTERVAL:
                self._logged[client, kind] = now
                _log.warning(
                    "client_limit_reached", client=client, limit=kind, most=getattr(limits, kind)
                )


def _admit(
    event: InboundEvent,
    line: bytes,
    floor: FloorNames,
    limits: Limits,
    in_progress: _InProgress,
    added: _Added,
) -> Kind | None:
    """Count what an event adds, or return the kind of object whose limit it would exceed."""
    key = growing_call(event)
    size = 0 if key is None else max_added_bytes(line)
    amounts: dict[Kind, int] = {
        "agent_services": floor.new_agent_services(event),
        "agent_bytes": floor.new_agent_bytes(event),
        "call_bytes": 0 if key is None else in_progress.beyond(floor, key, size),
    }
    kind = in_progress.exceeded(floor, limits, amounts)
    if kind is not None:
        return kind
    new = floor.new_objects(event)
    kind = in_progress.admit(floor, limits, new) if new else None
    if kind == "open_calls" and _has_ended(floor, new):
        new = {one for one in new if one[0] != "open_calls"}
        kind = in_progress.admit(floor, limits, new)
    if kind is None:
        added.new.update(new)
        in_progress.add(amounts, added)
        if key is not None:
            in_progress.enlarge(key, size, added)
        if (ended := ended_call(event)) is not None:
            in_progress.end_call(floor, ended, added)
    return kind


def counts(projection: Projection) -> dict[Kind, int]:
    """Return the number of objects of each kind on the floor."""
    floor = projection.floor
    names, calls = floor.state.directory, floor.call_table
    return {
        "agents": len(names.agents),
        "services": len(names.services),
        "campaigns": len(names.campaigns),
        "teams": len(names.teams),
        "open_calls": len(calls.calls) - len(calls.ended),
        "agent_services": max(
            floor.ledger.agent_counters,
            floor.logged_in_agents.places + floor.logged_off_agents.places,
        ),
        "agent_bytes": floor.agent_sizes.bytes,
        "call_bytes": calls.sizes.open_bytes,
    }


def _max_new_objects(decoded: Decoded) -> Counter[Kind]:
    """Return the maximum number of objects and bytes that the events could add."""
    events = decoded.events
    maximum: Counter[Kind] = Counter(
        {kind: n * len(events) for kind, n in MAX_NEW_PER_EVENT.items()}
    )
    listed = size = 0
    for event in events:
        if type(event) is AgentState:
            data = event.data
            if data.services is not None:
                listed += len(data.services)
            if data.reason is not None or data.skill is not None or data.call is not None:
                size += sum(map(text_bytes, long_agent_texts(data)))
    maximum["services"] += listed
    maximum["agent_services"] += listed
    maximum["agent_bytes"] += size
    maximum["call_bytes"] += WIDE_BYTES * sum(map(len, decoded.lines))
    return maximum


class _reservation:  # noqa: N801 - used as a function; a generator costs more on the hot path
    """Reserves the maximum that a request could add."""

    __slots__ = ("_in_progress", "_maximum")

    def __init__(self, in_progress: _InProgress, maximum: Counter[Kind]) -> None:
        self._in_progress = in_progress
        self._maximum = maximum

    def __enter__(self) -> None:
        self._in_progress.reservations += 1
        self._in_progress.reserved.update(self._maximum)

    def __exit__(self, *_: object) -> None:
        self._in_progress.reserved.subtract(self._maximum)
        self._in_progress.reservations -= 1
        if not self._in_progress.reservations:
            self._in_progress.no_reservations.set()


def _has_ended(floor: FloorNames, new: set[NewObject]) -> bool:
    """Return whether the call has ended and left memory, so that its event opens no call."""
    calls = [name for kind, name in new if kind == "open_calls"]
    return all(floor.projection.has_ended(*call) for call in calls if isinstance(call, tuple))


def _reject(decoded: Decoded, refused: dict[int, Kind], limits: Limits) -> Decoded:
    """Return the remaining events, with the verdicts in the request's order."""
    room = MAX_VERDICTS - len(decoded.rejected)
    verdicts = [
        verdict_on(decoded.indices[index], decoded.lines[index], _refusal(kind, limits))
        for index, kind in list(refused.items())[: max(0, room)]
    ]
    accepted = [index for index in range(len(decoded.events)) if index not in refused]
    return Decoded(
        [decoded.lines[index] for index in accepted],
        [decoded.events[index] for index in accepted],
        [decoded.indices[index] for index in accepted],
        sorted([*decoded.rejected, *verdicts], key=lambda one: one.index),
        decoded.more_rejected + len(refused) - len(verdicts),
    )


def _refusal(kind: Kind, limits: Limits) -> InvalidParameter:
    maximum = f"{getattr(limits, kind):,}"
    if kind == "open_calls":
        return InvalidParameter(
            f"the client has reached its limit of {maximum} open calls: send the call.end of calls"
            " that are over, or raise limits.open_calls in the site"
        )
    if kind == "agent_services":
        return InvalidParameter(
            f"the client has reached its limit of {maximum} services of agents, counted for each"
            " agent and day: send fewer services per agent, or raise limits.agent_services in the"
            " site"
        )
    if kind == "agent_bytes":
        return InvalidParameter(
            f"the client has reached its limit of {maximum} bytes for agents' texts of more than"
            f" {LONG_TEXT} characters: send shorter texts, or raise limits.agent_bytes in the site"
        )
    if kind == "call_bytes":
        return InvalidParameter(
            f"the client has reached its limit of {maximum} bytes for long texts and many steps of"
            " open calls: send the call.end of calls that are over, send shorter texts, or raise"
            " limits.call_bytes in the site"
        )
    return InvalidParameter(
        f"the event has a new name, and the client has reached its limit of {maximum} {kind}: use"
        f" known names, or raise limits.{kind} in the site; names expire after 30 days without use"
    )
