"""Derives each agent's state and sends its changes as events. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.state import PbxAgent, PbxCall
from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.model.inbound_data import MAX_SERVICES

__all__ = ["UNREACHABLE_STATES", "AgentStateReporter", "Emit"]

MAX_COUNTED = 32  # (state, second) pairs for which an agent's events are counted
UNREACHABLE_STATES = {4, 5}  # device states: invalid, unavailable

Emit = Callable[[str, str, float, dict[str, object]], None]


class AgentStateReporter:
    """Reports each change of an agent's state to ``emit`` once.

    ``skipped`` has the reasons for what was not sent.
    """

    def __init__(self, config: MappingConfig, dialect: Dialect, emit: Emit) -> None:
        self.skipped: list[Unreadable] = []
        self._config = config
        self._dialect = dialect
        self._emit = emit

    def call_ids(self, call: PbxCall) -> dict[str, object]:
        """Return the two members that identify a call."""
        return {
            "transactionId": self._dialect.transaction_id(call.caller),
            "sessionId": self._dialect.session_id(call.key, self._config.source),
        }

    def _is_present(self, agent: PbxAgent) -> bool:
        return any(
            one.dynamic or one.status not in UNREACHABLE_STATES for one in agent.queues.values()
        )

    def _state_of(self, agent: PbxAgent) -> str:
        if agent.call:
            return f"AGENT_HOLD {agent.call}" if agent.held else f"IN_CALL {agent.call}"
        if not self._is_present(agent):
            return "LOGOFF"
        if agent.wrap_until is not None:
            return "WRAP_UP"
        if all(one.paused for one in agent.queues.values()):
            return f"NOT_READY {self._config.reasons.get(agent.reason, agent.reason) or 'OTHER'}"
        if agent.reserved:
            return f"RESERVED {agent.reserved}"
        return "IN_CALL" if agent.direct else "READY"

    def _services(self, agent: PbxAgent) -> list[str]:
        home = self._config.home_queues.get(agent.name)
        ordered = sorted(
            agent.queues, key=lambda queue: (queue != home, agent.queues[queue].penalty, queue)
        )
        services = list(dict.fromkeys(self._config.service(queue) for queue in ordered))
        return services[:MAX_SERVICES]  # the server would refuse the event

    def _note_skipped_services(self, agent: PbxAgent) -> None:
        skipped = len({self._config.service(queue) for queue in agent.queues}) - MAX_SERVICES
        if skipped > 0:
            self.skipped.append(
                Unreadable(
                    f"{agent.name}: more than {MAX_SERVICES:,} services of an agent; the last"
                    f" {skipped:,} by penalty and name were skipped"
                )
            )

    def send_if_changed(
        self,
        agent: PbxAgent,
        at: float,
        call: PbxCall | None = None,
        *,
        event_id: str = "",
        result: str = "",
        logged_in: float | None = None,
    ) -> None:
        """Send the agent's state if it differs from the state that was last sent."""
        state, services = self._state_of(agent), self._services(agent)
        event_type, _, detail = state.partition(" ")
        services_changed = services != agent.shown_services
        if state == agent.shown and not (services_changed and event_type in {"READY", "NOT_READY"}):
            return
        if agent.shown == "LOGOFF":
            began = at if logged_in is None else min(at, logged_in)
            self.send(agent, "LOGON", began, {"services": services} if services else {})
        held = agent.shown.startswith("AGENT_HOLD ")
        data: dict[str, object] = {}
        if services and services != agent.shown_services:
            data["services"] = services
            self._note_skipped_services(agent)
        if event_type == "NOT_READY":
            data["reason"] = detail
        if event_type == "IN_CALL" and not detail:
            data["lineNumber"] = "DIRECT"
        if result:
            data["result"] = result
        if event_type == "IN_CALL" and detail and held:
            event_type = "AGENT_RESUMED"
        agent.shown, agent.shown_at, agent.shown_services = state, at, services
        self.send(agent, event_type, at, data, call, event_id)

    def send(
        self,
        agent: PbxAgent,
        event_type: str,
        at: float,
        data: dict[str, object],
        call: PbxCall | None = None,
        event_id: str = "",
    ) -> None:
        """Send an agent event with the agent's service and, if there is one, the call."""
        services = self._services(agent)
        if call is not None:
            data["service"] = self._config.service(call.queue)
            call_data = {**self.call_ids(call), "service": data["service"], "direction": "INBOUND"}
            data["call"] = call_data | ({"phoneNumber": call.number} if call.number else {})
        elif services:
            data["service"] = services[0]
        data = {"agent": agent.name, "eventType": event_type, **data}
        self._emit(event_id or self._next_event_id(agent, event_type, at), "agent.state", at, data)

    def _next_event_id(self, agent: PbxAgent, event_type: str, at: float) -> str:
        occurrence = f"{event_type}/{int(at)}"
        count = agent.numbered.get(occurrence, 0) + 1
        agent.numbered = {**agent.numbered, occurrence: count}
        if len(agent.numbered) > MAX_COUNTED:
            del agent.numbered[next(iter(agent.numbered))]
        return f"{agent.name}/{occurrence}/{count}"
