"""The memory that agents' moments and long texts take.

The number of agents is limited, but a single agent can have hundreds of moments, each with several
texts of 4,096 characters.
"""

from __future__ import annotations

from collections.abc import Iterable

from floorcast.floor.agents import LONG_TEXT, CurrentCall, EventDetails, FloorAgent, MomentRun

__all__ = ["AgentSizes", "runs_in", "runs_of", "share_long_texts", "text_bytes"]

# of a character in a text that is not ASCII, at most: half of them for its UTF-8, which stays with
# the text once it has been encoded
_WIDE_BYTES = 8
_SERVICES_OF_RUN = 64  # services or visits, which take about as much memory as a run
_OBJECT_BYTES = 80  # of a text besides its characters


class AgentSizes:
    """The sizes of the agents that have long texts. ``bytes`` is what these texts take together.

    ``by_agent`` has the same for each agent that has any. An agent's equal texts count once,
    because they are made one object. ``runs`` is the number of all agents' complete runs of moments
    (``runs_in``). The timeline keeps it up to date.
    """

    def __init__(self, agents: Iterable[FloorAgent]) -> None:
        self.bytes = self.runs = 0
        self.by_agent: dict[int, int] = {}
        for agent in agents:
            self._measure(agent)
            self.runs += runs_of(agent)

    def note(self, agent: FloorAgent, details: EventDetails | None = None) -> None:
        """Update the size of an agent that has changed, perhaps by an event with ``details``."""
        if agent.id in self.by_agent or (details is not None and _has_long_text(details)):
            self._measure(agent)

    def forget(self, agent: FloorAgent) -> None:
        """Forget an agent that leaves."""
        self.bytes -= self.by_agent.pop(agent.id, 0)
        self.runs -= runs_of(agent)

    def _measure(self, agent: FloorAgent) -> None:
        self.bytes -= self.by_agent.pop(agent.id, 0)
        size = sum(map(text_bytes, share_long_texts(agent)))
        if size:
            self.by_agent[agent.id] = size
            self.bytes += size


def runs_of(agent: FloorAgent, first: int = 0) -> int:
    """Return the number of an agent's complete runs from ``first`` on. These exclude the last."""
    return sum(map(runs_in, agent.past[first:-1]))


def runs_in(run: MomentRun) -> int:
    """Return 1 for a run, or more for one with many services or visits."""
    listed = len(run.before.services) + 4 * len(run.before.visited)
    for moment in run.moments:
        details = moment.details
        if details is not None and details.services is not None:
            listed += len(details.services)
    return 1 + listed // _SERVICES_OF_RUN


def text_bytes(text: str) -> int:
    """Return the bytes that a text takes at most."""
    return _OBJECT_BYTES + len(text) * (1 if text.isascii() else _WIDE_BYTES)


def share_long_texts(agent: FloorAgent) -> dict[str, str]:
    """Make equal long texts of an agent one object, and return each of them once.

    A text stays in the agent's moment, in its state and in the checkpoints that follow. A snapshot
    stores each of them, so they would take many times as much memory after a restart.
    """
    known: dict[str, str] = {}
    _share(agent, known)
    if agent.offered is not None:
        _share_call(agent.offered, known)
    for run in agent.past:
        _share(run.before, known)
        if run.before.offered is not None:
            _share_call(run.before.offered, known)
        for moment in run.moments:
            if moment.details is not None:
                _share(moment.details, known)
    return known


def _share(owner: FloorAgent | EventDetails, known: dict[str, str]) -> None:
    if owner.reason is not None and len(owner.reason) > LONG_TEXT:
        owner.reason = known.setdefault(owner.reason, owner.reason)
    if owner.skill is not None and len(owner.skill) > LONG_TEXT:
        owner.skill = known.setdefault(owner.skill, owner.skill)
    if owner.call is not None:
        _share_call(owner.call, known)


def _share_call(call: CurrentCall, known: dict[str, str]) -> None:
    if call.phone is not None and len(call.phone) > LONG_TEXT:
        call.phone = known.setdefault(call.phone, call.phone)
    if call.account is not None and len(call.account) > LONG_TEXT:
        call.account = known.setdefault(call.account, call.account)
    if call.campaign_type is not None and len(call.campaign_type) > LONG_TEXT:
        call.campaign_type = known.setdefault(call.campaign_type, call.campaign_type)


def _has_long_text(details: EventDetails) -> bool:
    """Return whether an event has a long text. Every event is checked, so this has no loop."""
    reason, skill, call = details.reason, details.skill, details.call
    if reason is not None and len(reason) > LONG_TEXT:
        return True
    if skill is not None and len(skill) > LONG_TEXT:
        return True
    if call is None:
        return False
    phone, account, campaign_type = call.phone, call.account, call.campaign_type
    if phone is not None and len(phone) > LONG_TEXT:
        return True
    if account is not None and len(account) > LONG_TEXT:
        return True
    return campaign_type is not None and len(campaign_type) > LONG_TEXT
