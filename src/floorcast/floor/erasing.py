"""Removes a person from a floor's calls and agents."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from floorcast.floor.agents import CurrentCall, EventDetails, FloorAgent
from floorcast.floor.calls import Call, Key
from floorcast.model.person import Person

__all__ = ["calls_of_agent", "erase_agent", "erase_call", "is_of"]

_TEXT = ("zip_code", "area_code_state", "phone_position", "skill", "lv_result")
_PERSONAL = ("phone_dialed", "caller_id", "account", "first_name", "last_name", "operator_phone")


def is_of(call: Call, person: Person) -> bool:
    """Return whether one of the call's numbers or its account belongs to the person."""
    values = (call.phone_dialed, call.caller_id, call.account, call.operator_phone)
    return any(map(person.owns, values))


def calls_of_agent(agent: FloorAgent, person: Person) -> set[Key]:
    """Return the calls that an agent has had and whose number or account is the person's."""
    return {
        call.key
        for call in _calls_of(agent)
        if call.key is not None and (person.owns(call.phone) or person.owns(call.account))
    }


def erase_call(call: Call, person: Person) -> bool:
    """Remove the person from a call. Returns whether the call changed."""
    known = [name for name in _PERSONAL if getattr(call, name) is not None]
    known += [name for name in _TEXT if person.owns(getattr(call, name))]
    for name in known:
        setattr(call, name, None)
    return bool(known)


def erase_agent(agent: FloorAgent, person: Person, calls: Collection[Key]) -> bool:
    """Remove the person from the calls that an agent has had. Returns whether any changed."""
    changed = False
    for call in _calls_of(agent):
        theirs = call.key in calls or person.owns(call.phone) or person.owns(call.account)
        if theirs and (call.phone is not None or call.account is not None):
            call.phone = call.account = None
            changed = True
    for one in _skilled(agent):
        if person.owns(one.skill):
            one.skill = None
            changed = True
    return changed


def _skilled(agent: FloorAgent) -> Iterator[FloorAgent | EventDetails]:
    yield agent
    for run in agent.past:
        yield run.before
        for moment in run.moments:
            if moment.details is not None:
                yield moment.details


def _calls_of(agent: FloorAgent) -> Iterator[CurrentCall]:
    for state in (agent, *(run.before for run in agent.past)):
        for call in (state.call, state.offered):
            if call is not None:
                yield call
    for run in agent.past:
        for moment in run.moments:
            if moment.details is not None and moment.details.call is not None:
                yield moment.details.call
