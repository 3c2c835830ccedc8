"""Finds the names and open calls that a request's events would add to a floor, and their sizes."""

from __future__ import annotations

from typing import Any, Literal

from floorcast.floor.agent_sizes import share_long_texts, text_bytes
from floorcast.floor.agents import LONG_TEXT
from floorcast.floor.call_sizes import EVENT_BYTES, WIDE_BYTES, bytes_beyond_ordinary
from floorcast.floor.directory import NO_SERVICE, EntityRef, normalize
from floorcast.model.inbound import (
    AgentMissed,
    AgentState,
    CallAnswer,
    CallDisposition,
    CallEnd,
    CallLeave,
    CallQueue,
    CallStart,
    CallUpdate,
    CampaignUpdate,
    EmailAttempt,
    InboundEvent,
    SmsAttempt,
)
from floorcast.model.inbound_data import AgentStateData, CallRef
from floorcast.model.token import to_ms
from floorcast.projection.runner import Projection

__all__ = [
    "MAX_NEW_PER_EVENT",
    "FloorNames",
    "Key",
    "Kind",
    "NewObject",
    "ended_call",
    "growing_call",
    "long_agent_texts",
    "max_added_bytes",
]

Kind = Literal[
    "agents",
    "services",
    "campaigns",
    "teams",
    "open_calls",
    "agent_services",
    "agent_bytes",
    "call_bytes",
]
Key = tuple[int, str]
NewObject = tuple[Kind, EntityRef | Key]
"""A new name, or the key of a newly opened call."""

MAX_NEW_PER_EVENT: dict[Kind, int] = {
    "agents": 2, "services": 2, "campaigns": 1, "teams": 1, "open_calls": 1,
    "agent_services": 2, "agent_bytes": 0, "call_bytes": EVENT_BYTES,
}  # fmt: skip
"""The most new objects in one event, not counting ``services`` in ``agent.state``.

``agent_bytes`` and ``call_bytes`` do not count the event's texts.
"""

_SERVICE: tuple[Kind, str] = ("services", "service")
_CAMPAIGN: tuple[Kind, str] = ("campaigns", "campaign")
_AGENT: tuple[Kind, str] = ("agents", "agent")
_REFERENCES: dict[type, tuple[tuple[Kind, str], ...]] = {
    AgentState: (_AGENT, ("agents", "agent2"), _SERVICE, ("teams", "team")),
    CallStart: (_SERVICE, _CAMPAIGN),
    CallQueue: (_SERVICE,),
    CallAnswer: (_AGENT,),
    CallEnd: (_AGENT, _SERVICE, _CAMPAIGN),
    CallDisposition: (_AGENT,),
    CallLeave: (),
    CallUpdate: (_SERVICE, _CAMPAIGN),
    AgentMissed: (_AGENT, _SERVICE),
    EmailAttempt: (_SERVICE, _CAMPAIGN),
    SmsAttempt: (_SERVICE, _CAMPAIGN),
    CampaignUpdate: (_CAMPAIGN, _SERVICE),
}
_CALL_OPENERS = frozenset(
    {CallStart, CallQueue, CallAnswer, CallDisposition, CallLeave, CallUpdate}
)
_GROWING = _CALL_OPENERS | {AgentMissed}


class FloorNames:
    """A floor's objects that count towards the client's limits.

    Spellings of an agent's login that differ only in spaces count separately.
    """

    def __init__(self, projection: Projection) -> None:
        names = projection.floor.state.directory
        self.projection = projection
        self._calls = projection.floor.call_table
        self._agents = projection.floor.state.agents
        self._ledger = projection.floor.ledger
        self._today = projection.floor.calendar.day_of(to_ms(projection.floor.state.recorded_at))
        self._keys: dict[Kind, dict[EntityRef, int]] = {
            "agents": names.agent_keys,
            "services": names.service_keys,
            "campaigns": names.campaign_keys,
            "teams": names.team_keys,
        }

    def new_objects(self, event: InboundEvent) -> set[NewObject]:
        """Return the objects that the event names and that the floor does not have yet."""
        found: set[NewObject] = set()
        data: Any = event.data
        for kind, name in _REFERENCES[type(event)]:
            ref = getattr(data, name)
            if ref is not None:
                self._add(found, kind, ref)
        if type(event) is CallEnd and data.agent is None and data.agent_id is not None:
            self._add(found, "agents", data.agent_id)
        call: Any = data if type(event) in _CALL_OPENERS else None
        if type(event) is AgentMissed and data.service is None:
            call = data  # the offer counts for the service that proves to have the call
        elif type(event) is AgentState:
            call = self._add_state_services(found, data)
        if call is not None and (key := _call_key(call)) not in self._calls.calls:
            found.add(("open_calls", key))
        return found

    def contains(self, new_object: NewObject) -> bool:
        """Return whether the floor has the object by now."""
        kind, name = new_object
        return name in self._calls.calls if kind == "open_calls" else name in self._keys[kind]

    def is_open(self, key: Key) -> bool:
        """Return whether the floor has the call, and the call has not ended."""
        return key in self._calls.calls and key not in self._calls.ended

    def new_agent_services(self, event: InboundEvent) -> int:
        """Return the number of services at which the event lets its agent be counted today.

        A service at which the agent is counted already adds nothing.
        """
        data: Any = event.data
        refs: list[EntityRef]
        if type(event) is AgentState:
            refs = list(data.services or ())
            if data.service is not None:
                refs.append(data.service)
            if data.call is not None and data.call.service is not None:
                refs.append(data.call.service)
            elif (key := growing_call(event)) is not None:
                refs.append(self._service_of(key))
            agent = data.agent
        elif type(event) in (CallAnswer, CallDisposition, CallEnd):
            agent = data.agent
            if agent is None and type(event) is CallEnd:
                agent = data.agent_id
            refs = [self._service_of(_call_key(data))]
        else:
            return 0
        if agent is None or not refs:
            return 0
        number = self._id_of("agents", agent)
        return len(refs) if number is None else sum(self._is_new(number, ref) for ref in refs)

    def _is_new(self, agent: int, service: EntityRef) -> bool:
        number = self._id_of("services", service)
        return number is None or agent not in self._ledger.agents_on(self._today, number)

    def _id_of(self, kind: Kind, ref: EntityRef) -> int | None:
        keys = self._keys[kind]
        known = keys.get(ref)
        return keys.get(normalize(ref)) if known is None else known

    def _service_of(self, key: Key) -> int:
        call = self._calls.calls.get(key)
        return NO_SERVICE if call is None else call.current_service

    def new_agent_bytes(self, event: InboundEvent) -> int:
        """Return the bytes of the event's long texts that its agent does not have yet."""
        if type(event) is not AgentState or not (texts := long_agent_texts(event.data)):
            return 0
        number = self._id_of("agents", event.data.agent)
        agent = None if number is None else self._agents.get(number)
        known = {} if agent is None else share_long_texts(agent)
        return sum(text_bytes(text) for text in {*texts} - known.keys())

    def added_bytes(self, key: Key, before: int, after: int) -> int:
        """Return by how much a call exceeds an ordinary one more, with ``after`` bytes added.

        ``before`` are the bytes that events in progress add to it. An ended call exceeds nothing.
        """
        if key in self._calls.ended:
            return 0
        call = self._calls.calls.get(key)
        return bytes_beyond_ordinary(call, after) - bytes_beyond_ordinary(call, before)

    def _add_state_services(self, found: set[NewObject], data: AgentStateData) -> CallRef | None:
        """Add the services in an agent event. Returns its call if both call ids are set."""
        for service in data.services or ():
            self._add(found, "services", service)
        call = data.call
        if call is None:
            return None
        if call.service is not None:
            self._add(found, "services", call.service)
        return None if call.transaction_id is None or call.session_id is None else call

    def _add(self, found: set[NewObject], kind: Kind, ref: EntityRef) -> None:
        keys = self._keys[kind]
        if ref not in keys:
            number = normalize(ref)
            if number not in keys:
                found.add((kind, number))


def ended_call(event: InboundEvent) -> Key | None:
    """Return the key of the call that the event ends, or None."""
    return _call_key(event.data) if type(event) is CallEnd else None


def long_agent_texts(data: AgentStateData) -> list[str]:
    """Return the texts of an agent's event that count, because they can stay with the agent."""
    reason, skill, call, found = data.reason, data.skill, data.call, []
    # every event is checked, and a loop over the five texts takes twice as long
    if reason is not None and len(reason) > LONG_TEXT:
        found.append(reason)
    if skill is not None and len(skill) > LONG_TEXT:
        found.append(skill)
    if call is not None:
        phone, account, campaign_type = call.phone_number, call.account, call.campaign_type
        if phone is not None and len(phone) > LONG_TEXT:
            found.append(phone)
        if account is not None and len(account) > LONG_TEXT:
            found.append(account)
        if campaign_type is not None and len(campaign_type) > LONG_TEXT:
            found.append(campaign_type)
    return found


def growing_call(event: InboundEvent) -> Key | None:
    """Return the key of the open call that the event can make larger, or None."""
    if type(event) is AgentState:
        call = event.data.call
        if call is None or call.transaction_id is None or call.session_id is None:
            return None
        return _call_key(call)
    return _call_key(event.data) if type(event) in _GROWING else None


def max_added_bytes(line: bytes) -> int:
    """Return the bytes that an event adds to its call at most, from its line."""
    is_narrow = line.isascii() and b"\\u" not in line
    return EVENT_BYTES + len(line) * (1 if is_narrow else WIDE_BYTES)


def _call_key(data: Any) -> Key:  # noqa: ANN401 - the data of any event of a call
    return int(data.transaction_id), data.session_id
