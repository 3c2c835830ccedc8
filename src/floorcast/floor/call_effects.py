"""Applies steps and agents' states to a call, and updates its counts."""

from __future__ import annotations

from typing import NamedTuple

from floorcast.floor.active_campaigns import ActiveCampaigns
from floorcast.floor.call_table import CallTable
from floorcast.floor.calls import Call, Key, WrapUp
from floorcast.floor.change_hooks import ChangeHooks
from floorcast.floor.days import Calendar
from floorcast.floor.dispositions import Dispositions
from floorcast.floor.queue_segments import Step
from floorcast.floor.tally import Tally

__all__ = ["CallEffects"]

MAX_MISSED = 50  # missed offers per call whose service can still change


class CallEffects(NamedTuple):
    """The calls in memory, with the counts and dispositions that change with them."""

    table: CallTable
    tally: Tally
    hooks: ChangeHooks
    dispositions: Dispositions
    campaigns: ActiveCampaigns
    calendar: Calendar

    def apply_step(self, call: Call, step: Step) -> None:
        """Apply a step to a call."""
        self.table.apply_step(call, step, self.tally)
        if call.disposition is not None:
            self.dispositions.recount(call)
        if call.missed:
            self._recount_missed(call)
        call.note_step(step)
        if call.campaigns:
            self.campaigns.record_call(call, self.calendar)

    def wrap_up(self, key: Key, wrap_up: WrapUp, sign: int) -> None:
        """Count a wrap-up that followed the call (+1), or undo that count (-1)."""
        call = self._changing(key)
        if call is None and sign > 0:
            call = self.table.touch(key, wrap_up.begin, wrap_up.begin + wrap_up.spent)
        if call is not None:
            self.tally.wrap_up(call, wrap_up, sign)
            self.table.sizes.measure(call)

    def leave(self, key: Key, agent: int, at: int, sign: int) -> None:
        """Record that the agent left the call for another one (+1), or undo this (-1)."""
        call = self.table.calls.get(key)
        if call is not None and call.can_be_left(at):
            self._changing(key)
            call.leave(agent, at, sign)
            self.dispositions.recount(call)
            self.table.sizes.measure(call)

    def come_back(self, key: Key, agent: int, at: int, sign: int) -> None:
        """Record that the agent returned to the call (+1), or undo this (-1)."""
        call = self.table.calls.get(key)
        if call is not None and call.departures:
            self._changing(key)
            call.come_back(agent, at, sign)
            self.dispositions.recount(call)
            self.table.sizes.measure(call)

    def amend(self, key: Key, step: Step) -> None:
        """Change the service of an agent's answer to the call."""
        call = self._changing(key)
        if call is not None:
            self.tally.amend(call, step)
            self.table.update_indexes(call)
            self.dispositions.recount(call)
            self._recount_missed(call)
            self.table.sizes.measure(call)

    def miss(self, call: Call, at: int) -> None:
        """Count an offer that an agent missed, for the service that has the call at ``at``.

        The count moves if a later event shows that another service had the call. This holds for the
        first ``MAX_MISSED`` of a call's offers.
        """
        service = call.service_at(at)
        self.tally.counts.missed(service, at, 1)
        if len(call.missed) < MAX_MISSED:
            call.missed = (*call.missed, (at, service))
            self.table.sizes.measure(call)

    def _recount_missed(self, call: Call) -> None:
        counts = self.tally.counts
        compacted_until = None if call.compacted is None else call.compacted.until
        missed = []
        for at, counted in call.missed:
            service = counted
            if compacted_until is None or at >= compacted_until:
                service = call.service_at(at)
            if service != counted:
                counts.missed(counted, at, -1)
                counts.missed(service, at, 1)
            missed.append((at, service))
        call.missed = tuple(missed)

    def _changing(self, key: Key) -> Call | None:
        call = self.table.calls.get(key)
        if call is not None:
            for hook in self.hooks.calls:
                hook(call)
        return call
