"""Derives each agent's state and sends its changes as events. No I/O."""

from __future__ import annotations

from collections.abc import Callable

from floorcast.connectors.pbx.config import Dialect, MappingConfig
from floorcast.connectors.pbx.state import PbxAgent, PbxCall

__all__ = ["UNREACHABLE_STATES", "AgentStateReporter", "Emit"]

MAX_NUMBERED = 32  # (state, second) pairs for which an agent's events are counted
UNREACHABLE_STATES = {4, 5}  # device states: invalid, unavailable

Emit = Callable[[str, str, float, dict[str, object]], None]


class AgentStateReporter:
    """Reports each change of an agent's state to ``emit`` once."""

    def __init__(self, config: MappingConfig, dialect: Dialect, emit: Emit) -> None:
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
        return list(dict.fromkeys(self._config.service(queue) for queue in ordered))

    def send_if_changed(
        self,
        agent: PbxAgent,
        at: float,
        call: PbxCall | None = None,
        *,
        number: str = "",
        result: str = "",
        logged_in: float | None = None,
    ) -> None:
        """Send the agent's state if it differs from the state that was last sent."""
        now, services = self._state_of(agent), self._services(agent)
        moved = services != agent.shown_services and now.split(" ")[0] in {"READY", "NOT_READY"}
        if now == agent.shown and not moved:
            return
        if agent.shown == "LOGOFF":
            began = at if logged_in is None else min(at, logged_in)
            self.send(agent, "LOGON", began, {"services": services} if services else {})
        held = agent.shown.startswith("AGENT_HOLD ")
        kind, _, more = now.partition(" ")
        data: dict[str, object] = {}
        if services and services != agent.shown_services:
            data["services"] = services
        if kind == "NOT_READY":
            data["reason"] = more
        if kind == "IN_CALL" and not more:
            data["lineNumber"] = "DIRECT"
        if result:
            data["result"] = result
        if kind == "IN_CALL" and more and held:
            kind = "AGENT_RESUMED"
        agent.shown, agent.shown_at, agent.shown_services = now, at, services
        self.send(agent, kind, at, data, call, number)

    def send(
        self,
        agent: PbxAgent,
        kind: str,
        at: float,
        data: dict[str, object],
        call: PbxCall | None = None,
        number: str = "",
    ) -> None:
        """Send an agent event with the agent's service and, if there is one, the call."""
        services = self._services(agent)
        if call is not None:
            data["service"] = self._config.service(call.queue)
            about = {**self.call_ids(call), "service": data["service"], "direction": "INBOUND"}
            data["call"] = about | ({"phoneNumber": call.number} if call.number else {})
        elif services:
            data["service"] = services[0]
        named = {"agent": agent.name, "eventType": kind, **data}
        self._emit(number or self._number(agent, kind, at), "agent.state", at, named)

    def _number(self, agent: PbxAgent, kind: str, at: float) -> str:
        which = f"{kind}/{int(at)}"
        count = agent.numbered.get(which, 0) + 1
        agent.numbered = {**agent.numbered, which: count}
        if len(agent.numbered) > MAX_NUMBERED:
            del agent.numbered[next(iter(agent.numbered))]
        return f"{agent.name}/{which}/{count}"
