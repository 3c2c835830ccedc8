"""Term codes of calls: each call counts once, by its latest code.

A right-party contact counts as a live connect for half an hour.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from floorcast.floor.calls import Call, Disposition
from floorcast.floor.queue_segments import QueueSegment
from floorcast.floor.tally import Tally
from floorcast.site.configuration import DEFAULT_TERM_CODES, Category, TermCode

__all__ = ["Dispositions"]

_STAY_MS = 40 * 60_000  # half an hour, plus what a source's clock may be ahead
_RIGHT_PARTY = ("rpcComplete", "rpcIncomplete")


class Dispositions:
    """Counts dispositions. ``connects`` are live connects: by service, call and time in ms."""

    def __init__(
        self, connects: dict[int, dict[str, int]], tally: Tally, codes: Iterable[TermCode]
    ) -> None:
        self._connects = connects
        self._tally = tally
        known = tuple(codes) or DEFAULT_TERM_CODES
        self._categories: dict[str | None, Category] = {one.code: one.category for one in known}

    def set(self, call: Call, at: int, code: str | None, agent: int | None) -> None:
        """A term code was set at ``at``; one older than the call's latest is ignored.

        Without an agent, it belongs to the known agent of the call at that time.
        """
        if call.disposition is None or at >= call.disposition.at:
            category = self._categories.get(code, "nonContacts")
            segment = _segment_at(call, agent, at)
            whose = _agent_at(call, segment, at) if agent is None else agent
            self._count(
                call,
                Disposition(at, code, category, whose, _service(call, segment), agent is not None),
            )

    def follow(self, call: Call) -> None:
        """The call was moved or answered: an earlier term code may now have a place."""
        said = call.disposition
        if said is not None:
            segment = _segment_at(call, said.agent if said.named else None, said.at)
            agent = said.agent if said.named else _agent_at(call, segment, said.at)
            service = _service(call, segment)
            if (service, agent) != (said.service, said.agent):
                self._count(call, replace(said, service=service, agent=agent))

    def tidy(self, now: int) -> None:
        """Forget the connects that no figure shows any more. ``now`` is in ms."""
        oldest = now - _STAY_MS
        for service, calls in list(self._connects.items()):
            kept = {key: at for key, at in calls.items() if at > oldest}
            if kept:
                self._connects[service] = kept
            else:
                del self._connects[service]

    def _count(self, call: Call, said: Disposition) -> None:
        """Count a disposition instead of the call's previous one."""
        name = f"{call.transaction}/{call.session}"
        before = call.disposition
        self._tally.counts.disposition(call, -1)
        call.disposition = said
        self._tally.counts.disposition(call, 1)
        if before is not None:
            self._connects.get(before.service, {}).pop(name, None)
        if said.category in _RIGHT_PARTY:
            self._connects.setdefault(said.service, {})[name] = said.at


def _segment_at(call: Call, agent: int | None, at: int) -> QueueSegment | None:
    """The segment in which the agent had the call at ``at``: the last one that they answered.

    If the agent answered only later, the first such segment. Without an agent, any answer counts.
    """
    call.charge(len(call.segments))
    later = None
    for segment in reversed(call.segments):
        since = segment.answered if agent is None else segment.answered_by(agent)
        if since is not None:
            if since <= at:
                return segment
            later = segment
    return later


def _agent_at(call: Call, segment: QueueSegment | None, at: int) -> int | None:
    return None if segment is None else call.holder(segment, at)


def _service(call: Call, segment: QueueSegment | None) -> int:
    return call.present_service if segment is None else segment.service
