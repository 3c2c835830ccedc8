"""Counts calls by term code. Each call counts once, by its latest code.

A right-party contact counts as a live connect for half an hour.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from floorcast.floor.calls import Call, Disposition
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.tally import Tally
from floorcast.site.configuration import DEFAULT_TERM_CODES, Category, TermCode

__all__ = ["MAX_CONNECTS", "Dispositions"]

MAX_CONNECTS = 200_000
"""The live connects that a floor holds. An answer about them reads all of them in one step."""

_STAY_MS = 40 * 60_000  # half an hour, plus the time by which a source's clock may be ahead
_RIGHT_PARTY = ("rpcComplete", "rpcIncomplete")


class Dispositions:
    """Counts dispositions. ``connects`` holds live connects by service and call (times in ms).

    While it holds ``MAX_CONNECTS``, further right-party contacts are not live connects.
    """

    def __init__(
        self, connects: dict[int, dict[str, int]], tally: Tally, codes: Iterable[TermCode]
    ) -> None:
        self._connects = connects
        self._tally = tally
        known = tuple(codes) or DEFAULT_TERM_CODES
        self._categories: dict[str | None, Category] = {one.code: one.category for one in known}
        self._count_connects()

    def set(self, call: Call, at: int, code: str | None, agent: int | None) -> None:
        """Record that a term code was set at ``at``, unless the call has a later one.

        If ``agent`` is None, the code counts for the agent that had the call at that time.
        """
        if call.disposition is None or at >= call.disposition.at:
            category = self._categories.get(code, "nonContacts")
            segment = _segment_at(call, agent, at)
            whose = _agent_at(call, segment, at) if agent is None else agent
            self._count(
                call,
                Disposition(at, code, category, whose, _service(call, segment), agent is not None),
            )

    def recount(self, call: Call) -> None:
        """Count the call's term code again if its service or agent has changed."""
        disposition = call.disposition
        if disposition is not None:
            segment = _segment_at(
                call, disposition.agent if disposition.named else None, disposition.at
            )
            agent = (
                disposition.agent if disposition.named else _agent_at(call, segment, disposition.at)
            )
            service = _service(call, segment)
            if (service, agent) != (disposition.service, disposition.agent):
                self._count(call, replace(disposition, service=service, agent=agent))

    def tidy(self, now: int) -> None:
        """Remove the connects that no figure shows any more. ``now`` is in ms."""
        oldest = now - _STAY_MS
        for service, calls in list(self._connects.items()):
            kept = {key: at for key, at in calls.items() if at > oldest}
            if kept:
                self._connects[service] = kept
            else:
                del self._connects[service]
        self._count_connects()

    def _count_connects(self) -> None:
        self._room = MAX_CONNECTS - sum(map(len, self._connects.values()))

    def _count(self, call: Call, disposition: Disposition) -> None:
        """Count a disposition in place of the call's previous one."""
        name = f"{call.transaction}/{call.session}"
        before = call.disposition
        self._tally.counts.disposition(call, -1)
        call.disposition = disposition
        self._tally.counts.disposition(call, 1)
        if before is not None and name in (known := self._connects.get(before.service, {})):
            del known[name]
            self._room += 1
        if disposition.category in _RIGHT_PARTY and self._room > 0:
            self._room -= 1
            self._connects.setdefault(disposition.service, {})[name] = disposition.at


def _segment_at(call: Call, agent: int | None, at: int) -> QueueSegment | None:
    """Return the segment in which the agent had the call at ``at``.

    This is the last segment that the agent had answered by then, or otherwise the first one that it
    answered later. If ``agent`` is None, any agent's answer counts.
    """
    call.add_work(len(call.segments))
    later = None
    for segment in reversed(call.segments):
        since = segment.answered if agent is None else segment.answered_by(agent)
        if since is not None:
            if since <= at:
                return segment
            later = segment
    return later


def _agent_at(call: Call, segment: QueueSegment | None, at: int) -> int | None:
    return None if segment is None else call.agent_at(segment, at)


def _service(call: Call, segment: QueueSegment | None) -> int:
    return call.current_service if segment is None else segment.service
