"""Counts the figures of a connector's events in the same way as those of a queue log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["Duration", "Figures", "Floor", "log_durations"]

FREE = {"LOGOFF", "LOGON", "READY", "NOT_READY"}
TALKING = {"IN_CALL", "AGENT_HOLD", "AGENT_RESUMED", "AGENT_TRANSFER_COMPLETE_AGENT2"}
WAIT_FIELD = {
    "CONNECT": 0,
    "ABANDON": 2,
    "EXITWITHTIMEOUT": 2,
    "EXITWITHKEY": 3,
    "EXITEMPTY": 2,
}
TALK_FIELD = {
    "COMPLETECALLER": 1,
    "COMPLETEAGENT": 1,
    "BLINDTRANSFER": 3,
    "ATTENDEDTRANSFER": 3,
}


class Figures(NamedTuple):
    """The calls of one service."""

    offered: int = 0
    handled: int = 0
    abandoned: int = 0
    moved_on: int = 0


class Duration(NamedTuple):
    """The duration of a wait in a queue, or of a talk with one of its agents."""

    queue: str
    kind: str
    seconds: float


class Floor:
    """Counts the figures of a scenario's events."""

    def __init__(self, events: list[dict[str, Any]]) -> None:
        self.kinds = Counter(one["type"] for one in events)
        self.waits: dict[tuple[str, str], float] = {}
        self.states: dict[str, list[str]] = {}
        self._turns: dict[tuple[str, str], str] = {}
        self._talks: dict[str, tuple[str, float]] = {}
        self.durations: list[Duration] = []
        self.open: set[str] = set()
        self.reasons = [one["data"]["reason"] for one in events if one["type"] == "call.leave"]
        for one in events:
            self._take(one["type"], _seconds(one), one["data"])

    @property
    def busy(self) -> list[str]:
        """The agents who are ringing, talking, holding or wrapping up."""
        last = {agent: states[-1].split(" ")[0] for agent, states in self.states.items()}
        return [agent for agent, state in last.items() if state not in FREE]

    def _take(self, kind: str, at: float, data: dict[str, Any]) -> None:
        if kind == "agent.state":
            self._agent(at, data)
            return
        call = data["sessionId"]
        match kind:
            case "call.start":
                self.open.add(call)
            case "call.queue":
                self._over(call, at, "moved_on")
                self.waits[call, data["service"]] = at
                self._turns.setdefault((call, data["service"]), "waiting")
            case "call.leave":
                self._over(call, at, "moved_on")
            case "call.end":
                self._over(call, at, "abandoned")
                self.open.discard(call)

    def _agent(self, at: float, data: dict[str, Any]) -> None:
        agent, kind = data["agent"], data["eventType"]
        label = kind + (f" {data['reason']}" if "reason" in data else "")
        self.states.setdefault(agent, []).append(label)
        if kind not in TALKING and agent in self._talks:
            queue, began = self._talks.pop(agent)
            self.durations.append(Duration(queue, "talk", at - began))
        if kind == "IN_CALL" and "call" in data:
            self._talks[agent] = data["service"], at
            key = data["call"]["sessionId"], data["service"]
            self._turns[key] = "handled"
            if key in self.waits:
                self.durations.append(Duration(data["service"], "wait", at - self.waits.pop(key)))

    def _over(self, call: str, at: float, outcome: str) -> None:
        for key in [one for one in self.waits if one[0] == call]:
            self.durations.append(Duration(key[1], "wait", at - self.waits.pop(key)))
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


def log_durations(lines: Iterable[str]) -> list[Duration]:
    """Return the waits and talks of the queue log itself, in whole seconds."""
    found = []
    for line in lines:
        _, _, queue, _, event, *data = line.split("|")
        if event in WAIT_FIELD:
            found.append(Duration(queue, "wait", float(data[WAIT_FIELD[event]])))
        if event in TALK_FIELD:
            found.append(Duration(queue, "talk", float(data[TALK_FIELD[event]])))
    return found


def _seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()
