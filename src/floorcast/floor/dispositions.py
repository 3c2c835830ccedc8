"""The term codes that agents set on calls: each call once, by its latest, and its connects.

A right-party contact is a live connect for the half hour behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from floorcast.floor.calls import Call, Disposition
from floorcast.floor.tally import Tally
from floorcast.site.configuration import DEFAULT_TERM_CODES, Category, TermCode

__all__ = ["Dispositions"]

_STAY_MS = 40 * 60_000  # half an hour, and what a source's clock may be ahead
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
        """An agent set a term code at ``at``; one from before the call's latest counts nothing."""
        if call.disposition is None or at >= call.disposition.at:
            category = self._categories.get(code, "nonContacts")
            service = _disposed_on(call, agent, at)
            self._count(call, Disposition(at, code, category, agent, service))

    def follow(self, call: Call) -> None:
        """The call was moved or answered: its term code may have come before what says where."""
        said = call.disposition
        if said is not None:
            service = _disposed_on(call, said.agent, said.at)
            if service != said.service:
                self._count(call, replace(said, service=service))

    def tidy(self, now: int) -> None:
        """Forget the connects that no figure shows any more; ``now`` is in ms."""
        oldest = now - _STAY_MS
        for service, calls in list(self._connects.items()):
            kept = {key: at for key, at in calls.items() if at > oldest}
            if kept:
                self._connects[service] = kept
            else:
                del self._connects[service]

    def _count(self, call: Call, said: Disposition) -> None:
        """Count a disposition in place of what the call had."""
        name = f"{call.transaction}/{call.session}"
        before = call.disposition
        self._tally.count_disposition(call, -1)
        call.disposition = said
        self._tally.count_disposition(call, 1)
        if before is not None:
            self._connects.get(before.service, {}).pop(name, None)
        if said.category in _RIGHT_PARTY:
            self._connects.setdefault(said.service, {})[name] = said.at


def _disposed_on(call: Call, agent: int | None, at: int) -> int:
    """The service on which the agent who set a term code at ``at`` had the call by then.

    If he had it only later, that one; if never, the one that has it.
    """
    had = None
    for leg in call.legs:
        is_his = agent is not None and leg.agent == agent
        if is_his and (had is None or (leg.answered or 0) <= at):
            had = leg
    return call.present_service if had is None else had.service
