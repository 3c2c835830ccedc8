"""What a connector's events come to, as a person who reads the queue log would count."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

__all__ = ["Figures", "Floor"]


class Figures(NamedTuple):
    """Calls of one service."""

    offered: int = 0
    handled: int = 0
    abandoned: int = 0
    moved_on: int = 0


class Floor:
    """What a scenario's events come to."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.kinds = Counter(one["type"] for one in events)
        self.waits: dict[tuple[str, str], str] = {}
        self.states: dict[str, list[str]] = {}
        self._turns: dict[tuple[str, str], str] = {}
        self.open: set[str] = set()
        self.reasons = [one["data"]["reason"] for one in events if one["type"] == "call.leave"]
        for one in events:
            self._take(one["type"], one["data"])

    def _take(self, kind: str, data: dict[str, Any]) -> None:
        if kind == "agent.state":
            shown = data["eventType"] + (f" {data['reason']}" if "reason" in data else "")
            self.states.setdefault(data["agent"], []).append(shown)
            if data["eventType"] == "IN_CALL" and "call" in data:
                self._turns[data["call"]["sessionId"], data["service"]] = "handled"
                self.waits.pop((data["call"]["sessionId"], data["service"]), None)
            return
        call = data["sessionId"]
        match kind:
            case "call.start":
                self.open.add(call)
            case "call.queue":
                self._over(call, "moved_on")
                self.waits[call, data["service"]] = "waiting"
                self._turns.setdefault((call, data["service"]), "waiting")
            case "call.leave":
                self._over(call, "moved_on")
            case "call.end":
                self._over(call, "abandoned")
                self.open.discard(call)

    def _over(self, call: str, outcome: str) -> None:
        for key in [one for one in self.waits if one[0] == call]:
            del self.waits[key]
            if self._turns[key] == "waiting":
                self._turns[key] = outcome

    def figures(self) -> dict[str, Figures]:
        found: dict[str, Counter[str]] = {}
        for (_, service), outcome in self._turns.items():
            found.setdefault(service, Counter())[outcome] += 1
        return {
            service: Figures(sum(n.values()), n["handled"], n["abandoned"], n["moved_on"])
            for service, n in found.items()
        }
