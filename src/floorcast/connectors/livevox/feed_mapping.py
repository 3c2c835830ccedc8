"""Maps the events of another server's feeds to events for this server. No I/O, no clock.

The feeds report a call's start, end and agents. A call's wait is derived from the list of waiting
calls (``list_mapping.py``) or from the durations that are reported when the call ends. An event
keeps the other server's id and time. The id of a derived event is that id with a suffix.
"""

from __future__ import annotations

from hashlib import blake2b

from floorcast.client import CloudEvent
from floorcast.client.events import (
    AgentEvent,
    CallDisposition,
    CallStart,
    CallTermination,
    Email,
    Interaction,
    Sms,
)
from floorcast.connectors.livevox import event_data
from floorcast.connectors.livevox.event_data import Data, epoch_ms, without_none
from floorcast.connectors.livevox.events import is_time, is_too_large, new_event
from floorcast.connectors.livevox.state import FeedAgent, FeedCall, FeedState
from floorcast.connectors.livevox.waits import (
    duration_ms,
    had_no_wait,
    wait_start,
)
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.states import CALL_STATES, EVENT_STATE

__all__ = ["FeedMapper"]

DIAL_EVENTS = frozenset({"MANUAL_DIAL", "DIALING", "PREVIEW_DIAL_OFFERED", "PREVIEW_DIAL_ACCEPTED"})
MAX_SESSION_CHARACTERS = 256


class FeedMapper:
    """Applies the feeds' events one at a time and returns the resulting events.

    ``source`` names the followed server in ids. The methods raise Unreadable for an event that
    cannot be converted.
    """

    def __init__(self, source: str, state: FeedState) -> None:
        self._source = source
        self._state = state

    # --- the agent feed -------------------------------------------------------------------------

    def map_agent_event(self, event: AgentEvent, raw: bytes) -> list[CloudEvent]:
        """Map an event of the agent feed."""
        kind, at = event.event_type, event.timestamp
        if kind not in EVENT_STATE:
            raise Unreadable(f"an agent event of type {kind!r}")
        if at is None or (event.agent_id is None and not event.agent_login_id):
            raise Unreadable("an agent event without an agent or a time")
        if not is_time(at) or is_too_large(event.agent_id):
            raise Unreadable("an agent event with a number that is too large")
        name = str(event.agent_login_id if event.agent_id is None else event.agent_id)
        agent = self._state.agent(name)
        call = self._call_of(event, at)
        event_id = event.event_id or _digest(raw)
        derived = []
        if kind == "IN_CALL" and call is not None:
            derived = self._map_answer(call, event, event_id, agent.kind in DIAL_EVENTS)
        agent.login = event.agent_login_id or agent.login
        if at >= agent.at:
            self._assign_call(name, agent, kind, call, at)
        data = event_data.agent_state(event, None if call is None else call.direction)
        return [*derived, self._event(event_id, "agent.state", at, data)]

    def _map_answer(
        self, call: FeedCall, event: AgentEvent, event_id: str, dialed: bool
    ) -> list[CloudEvent]:
        """Map an answer. If it is at another service, the call has moved there.

        A call that was dialed for an agent has waited, if only briefly, and gets a ``call.queue``
        just before the answer. The actual wait becomes known when the call ends and leads to
        another ``call.queue``. The one with the earlier time counts.
        """
        at, service = event.timestamp, event.call_service_id
        assert at is not None
        if is_too_large(service):
            service = None
        moved = service is not None and service != call.served
        known_turn = call.answered is not None or call.turns > 0
        if call.answered is None:
            call.answered, call.answered_at, call.dialed = at, service, dialed
        if known_turn and (not moved or at <= call.answered):
            return []
        call.served = service
        if not known_turn:
            return self._wait_of_dialed_call(call, event_id)
        call.turns += 1
        data = without_none(transactionId=call.transaction, sessionId=call.session, service=service)
        left = call.free_since or 0  # when the agent released it and it began to wait
        joined = left if call.answered <= left < at else at - 1
        call.waited_later += at - joined
        return [self._event(f"{event_id}/queue", "call.queue", joined, data)]

    def _wait_of_dialed_call(self, call: FeedCall, event_id: str) -> list[CloudEvent]:
        """Return the wait of a call dialed for an agent, once its start and answer are known."""
        if call.answered is None or call.dialed or call.direction != "OUTBOUND" or call.turns:
            return []
        data = without_none(
            transactionId=call.transaction, sessionId=call.session, service=call.answered_at
        )
        return [self._event(f"{event_id}/queue", "call.queue", call.answered - 1, data)]

    def _assign_call(
        self, name: str, agent: FeedAgent, kind: str, call: FeedCall | None, at: int
    ) -> None:
        """Note that the agent has this call, or has left the previous one."""
        agent.kind, agent.at = kind, at
        taken_call = "" if kind != "IN_CALL" or call is None else call.key
        keeps_call = EVENT_STATE[kind] in CALL_STATES and not taken_call
        if agent.call and not keeps_call and agent.call != taken_call:
            self._state.release(agent.call, name, at)
            agent.call = ""
        if call is not None and taken_call:
            agent.call, call.agent = taken_call, name

    def _call_of(self, event: AgentEvent, at: int) -> FeedCall | None:
        number, session = event.transaction_id, event.session_id
        if number is None or not session or event.event_type == "WRAP_UP":
            return None
        if is_too_large(number) or len(session) > MAX_SESSION_CHARACTERS:
            return None
        if self._state.has_ended(number, session):
            return None
        return self._state.call(number, session, at)

    # --- the interaction feed -------------------------------------------------------------------

    def map_interaction(self, event: Interaction, raw: bytes, now: int) -> list[CloudEvent]:
        """Map an event of the interaction feed. ``now`` (ms) is used if the event has no time."""
        event_id = event.event_id or _digest(raw)
        if isinstance(event, Email | Sms):
            kind = "email.attempt" if isinstance(event, Email) else "sms.attempt"
            at = epoch_ms(event.timestamp)
            return [
                self._event(event_id, kind, now if at is None else at, event_data.message(event))
            ]
        if not isinstance(event, CallStart | CallDisposition):
            raise Unreadable(f"an interaction of type {event.interaction_type!r}")
        if event.transaction_id is None or not event.session_id:
            raise Unreadable("a call without a transaction or a session")
        if is_too_large(event.transaction_id) or len(event.session_id) > MAX_SESSION_CHARACTERS:
            raise Unreadable("a call whose transaction or session is too long")
        began = event.start if type(event) is CallStart else None
        at = next((one for one in map(epoch_ms, (began, event.timestamp)) if one is not None), now)
        if isinstance(event, CallDisposition):
            data = event_data.call_disposition(event)
            return [self._event(event_id, "call.disposition", at, data)]
        if isinstance(event, CallTermination):
            ended = epoch_ms(event.end)
            return self._map_end(event, event_id, at if ended is None else ended)
        return self._map_start(event, event_id, at)

    def _map_start(self, event: CallStart, event_id: str, at: int) -> list[CloudEvent]:
        data, derived = event_data.call_start(event), []
        number, session = _call_ids(event)
        if not self._state.has_ended(number, session):
            call = self._state.call(number, session, at)
            call.started = at
            call.free_since = at if call.free_since is None else call.free_since
            call.direction = event_data.direction_of(event)
            call.phone = event.caller_id if call.direction == "INBOUND" else event.phone_dialed
            call.account = event.account
            derived = self._wait_of_dialed_call(call, event_id)
        if "service" in data and "direction" in data:
            return [self._event(event_id, "call.start", at, data), *derived]
        data.pop("direction", None)
        return [self._event(event_id, "call.update", at, data), *derived]

    def _map_end(self, event: CallTermination, event_id: str, at: int) -> list[CloudEvent]:
        number, session = _call_ids(event)
        events = []
        if not self._state.has_ended(number, session):
            call = self._state.call(number, session, at)
            events = self._derive_wait_and_answer(event, call, event_id, at)
            self._state.end(number, session)
        return [*events, self._event(event_id, "call.end", at, event_data.call_end(event))]

    def _derive_wait_and_answer(
        self, event: CallTermination, call: FeedCall, event_id: str, end: int
    ) -> list[CloudEvent]:
        """Derive the wait and the answer of a call, unless other events have provided them."""
        names = without_none(transactionId=event.transaction_id, sessionId=event.session_id)
        hold = max(duration_ms(event.transfer_hold_duration) - call.waited_later, 0)
        events = []
        answered = call.answered
        if answered is None and event.operator_transfer_successful:
            answered = max(end - duration_ms(event.duration), epoch_ms(event.start) or 0)
            data = names | without_none(agent=event.agent_id)
            events.append(self._event(f"{event_id}/answer", "call.answer", answered, data))
        was_offered = bool(event.operator_transfer or answered is not None or hold)
        if call.waited_first or not was_offered or had_no_wait(event, call, answered, hold):
            return events
        began = epoch_ms(event.start) if event.start else call.started
        if event_data.direction_of(event) != "INBOUND":
            began = None  # such a call begins with dialing, not with a wait
        joined = wait_start(began, end if answered is None else answered, hold)
        service = event.service_id if call.answered_at is None else call.answered_at
        data = names | without_none(service=service)
        return [self._event(f"{event_id}/queue", "call.queue", joined, data), *events]

    def _event(self, event_id: str, kind: str, at: int, data: Data) -> CloudEvent:
        return new_event(self._source, event_id, kind, at, data)


def _call_ids(event: CallStart) -> tuple[int, str]:
    assert event.transaction_id is not None
    assert event.session_id is not None
    return event.transaction_id, event.session_id


def _digest(raw: bytes) -> str:
    """Return an id for an event that has none."""
    return blake2b(raw, digest_size=16).hexdigest()
