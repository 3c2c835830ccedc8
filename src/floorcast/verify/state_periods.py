"""The periods between an agent's events, with the agent's state, login and current call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from floorcast.verify.record_types import AgentRecord

__all__ = [
    "ON_A_CALL",
    "STATES",
    "WITH_A_CALL",
    "CurrentCallTracker",
    "LoginState",
    "StatePeriod",
    "is_answer",
    "login_states",
    "state_after",
]

STATES = {
    "LOGOFF": "Logoff",
    "LOGON": "Logon",
    "READY": "Ready",
    "NOT_READY": "Not Ready",
    "IN_CALL": "In Call",
    "WRAP_UP": "Wrapup",
    "TRANSFERRING": "Transferring",
    "MANUAL_DIAL": "Manual Dial",
    "PREVIEW_DIAL_OFFERED": "Preview Dial",
    "PREVIEW_DIAL_ACCEPTED": "Preview Dial",
    "DIALING": "Dialing",
    "REGISTERING": "Registering",
    "AGENT_HOLD": "Hold",
    "AGENT_RESUMED": "In Call",
    "RESERVED": "Reserved",
}
ON_A_CALL = ("In Call", "Hold", "Transferring")
WITH_A_CALL = (*ON_A_CALL, "Dialing", "Manual Dial", "Preview Dial", "Reserved")


class CurrentCallTracker:
    """An agent's current call, represented by the event that named it."""

    def __init__(self) -> None:
        self.event: AgentRecord | None = None
        self._offered: AgentRecord | None = None
        self._state = "Logoff"

    def answer(self, one: AgentRecord, state: str) -> None:
        """Handle a ``call.answer`` that names the agent.

        Its call becomes the current one unless the agent's states name a call.
        """
        if state not in ON_A_CALL:
            self._offered = one
        elif self.event is None:
            self.event = one

    def enter(self, one: AgentRecord, state: str) -> None:
        """Handle a change of the agent's state."""
        if self._state not in WITH_A_CALL:
            self.event = None
        self._state = state
        if state not in WITH_A_CALL:
            self.event = self._offered = None
        elif one.data.get("call") is None and self.event is None and state in ON_A_CALL:
            self.event = self._offered
        if one.data.get("call") is not None and state != "Logoff":
            self.event = one


@dataclass
class LoginState:
    """The services that an agent is logged in to, and the current service.

    ``is_late`` is true if the current service is known only from a LOGON that arrived too late, or
    from the agent's former id. ``named_at`` is the time of the event that named the service, in ms.
    """

    services: tuple[int, ...] = ()
    current_service: int | None = None
    is_late: bool = False
    named_at: int = -(2**60)


@dataclass
class StatePeriod:
    """A period in which an agent's state and service stay the same.

    ``event`` is the event that began the state. ``service`` is the service that the time counts
    for, and ``call_event`` is the event that named the current call. ``continues`` is true if the
    state is the same as before. ``entered`` has the service when the agent entered the state, and
    is empty if the period only continues the state on another service. ``entered_services`` has the
    services that the agent was logged in to then.
    """

    event: AgentRecord
    begin: int
    end: int
    state: str
    login: LoginState
    service: int | None
    call_event: AgentRecord | None
    continues: bool
    entered: tuple[int | None, ...]
    entered_services: tuple[int | None, ...]

    @property
    def reason(self) -> str | None:
        """The reason that the event gives."""
        reason: str | None = self.event.data.get("reason")
        return reason

    @property
    def services(self) -> tuple[int | None, ...]:
        """The services that the agent is logged in to."""
        return self.login.services or (None,)

    def on_service(self, service: int | None, since: int) -> StatePeriod:
        """End this period and return one on another service from ``since`` on."""
        self.end = since
        return replace(
            self, begin=since, service=service, continues=True, entered=(), entered_services=()
        )


def is_answer(one: AgentRecord) -> bool:
    """Return whether the event says that the agent answered the call that it names."""
    if one.call is None or one.kind == "late":
        return False
    return one.kind == "answered" or one.data["eventType"] == "IN_CALL"


def login_states(events: Sequence[AgentRecord]) -> list[LoginState]:
    """Return the services that an agent is logged in to after each of its events."""
    found = []
    now = LoginState()
    for one in events:
        is_late = one.kind == "late"
        now = LoginState(now.services, now.current_service, named_at=now.named_at)
        if is_late and now.named_at > one.event_time:
            found.append(now)
            continue
        named_service = one.service
        if one.services is not None:
            now.services = tuple(dict.fromkeys(one.services))
            if named_service is None:
                named_service = now.services[0]
            elif named_service not in now.services:
                now.services = (*now.services, named_service)
        elif named_service is not None and named_service not in now.services:
            now.services = (named_service,)
        if named_service is not None:
            now.current_service, now.is_late = named_service, is_late
            now.named_at = one.event_time if is_late else one.at
        found.append(now)
    return found


def state_after(kind: str, before_offer: str) -> str:
    """Return the state that an event leads to.

    ``before_offer`` is the state before a preview dial was offered.
    """
    if kind == "PREVIEW_DIAL_SKIPPED":
        return before_offer
    if kind.startswith("AGENT_TRANSFER_"):
        return "In Call" if "COMPLETE" in kind or "FAILED" in kind else "Transferring"
    return STATES[kind]
