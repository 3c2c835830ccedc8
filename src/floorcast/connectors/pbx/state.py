"""The open calls and agents of a PBX, as the mapping knows them, and ids of swapped calls.

All of it is written to the spool, row by row, in the transaction of the events that it led to.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec
from msgspec import Struct

from floorcast.connectors.pbx.signs import Connected

__all__ = ["AgentNow", "CallNow", "Membership", "Phase", "State"]

MAX_ENDED = 10_000  # calls of which is remembered that they ended: lines may be read again


class Phase(StrEnum):
    """Where a call is."""

    WAITING = "waiting"
    LEAVING = "leaving"  # out of its queue; whether it joins another one shows within a second
    TALKING = "talking"
    TRANSFERRING = "transferring"  # its agent passed it on; it may join a queue
    PARTED = "parted"  # its agent is gone; whether its caller is, too, shows within two seconds
    COMPLETED = "completed"  # its agent is done with it; it ends, unless it was passed on
    HANGING_UP = "hanging up"  # its caller is gone; that its agent is, too, is still to be told
    LEFT = "left"  # up, but neither waiting nor with an agent
    ENDED = "ended"


class CallNow(Struct, kw_only=True):
    """A call. ``session`` counts the calls of this caller, ``turn`` those at a queue.

    Times are seconds of the epoch. ``since`` is when the phase began, ``due`` when it ends by
    itself. ``joined`` and ``connected`` are those of the last turn. ``reason`` is that of leaving a
    queue, ``exit_key`` what was pressed then. ``hung_up_by`` is the party that hung up, if known.
    ``result`` is that of the conversation. ``channel`` is where the caller is now, if not in the
    channel that they joined with. ``is_direct``: no queue connected it to its agent.
    """

    caller: str
    session: int
    turn: int = 0
    queue: str = ""
    phase: Phase = Phase.LEFT
    since: float = 0.0
    due: float = 0.0
    reason: str = ""
    agent: str = ""
    number: str = ""
    joined: float = 0.0
    connected: float = 0.0
    dispositions: int = 0
    exit_key: str = ""
    hung_up_by: str = ""
    channel: str = ""
    result: str = ""
    is_direct: bool = False

    @property
    def key(self) -> str:
        """The caller, and which of the caller's calls this is, if not the first."""
        return self.caller if self.session == 1 else f"{self.caller}/{self.session}"


class Membership(Struct, kw_only=True):
    """An agent's place in one queue."""

    dynamic: bool = True
    status: int = 0
    paused: bool = False
    paused_at: float = 0.0
    penalty: int = 0


class AgentNow(Struct, kw_only=True):
    """An agent. ``shown`` is the state last sent, ``LOGOFF`` before any; ``shown_at`` is when.

    ``reserved`` and ``leg`` are channels of the agent; ``call`` the caller that they talk to, and
    ``bridging`` what they are about to. ``wrap_up`` is in seconds, as the PBX tells it.
    ``busy_since`` is when the device began to be in use without a call of a queue. ``numbered``
    counts the events of each state and second.
    """

    name: str
    queues: dict[str, Membership] = {}
    reason: str = ""
    call: str = ""
    leg: str = ""
    held: bool = False
    reserved: str = ""
    bridging: Connected | None = None
    wrap_up: float = 0.0
    wrap_until: float | None = None
    busy_since: float | None = None
    direct: bool = False
    shown: str = "LOGOFF"
    shown_at: float = 0.0
    shown_services: list[str] = []
    numbered: dict[str, int] = {}


class State:
    """Everything that is open, and which of it changed since ``changed`` was last taken."""

    def __init__(self) -> None:
        self.calls: dict[str, CallNow] = {}
        self.agents: dict[str, AgentNow] = {}
        self.aliases: dict[str, str] = {}
        self.interfaces: dict[str, str] = {}
        self.last_at = 0.0
        self._ended: dict[str, None] = {}  # in the order in which they ended
        self._aliases_of: dict[str, set[str]] = {}
        self._touched: set[tuple[str, str]] = set()

    def call(self, caller: str) -> CallNow | None:
        """The call of a caller, under whichever id it is known now."""
        return self.calls.get(self.aliases.get(caller, caller))

    def keep_call(self, call: CallNow) -> CallNow:
        """Remember a call, or a change of it."""
        self._ended.pop(call.caller, None)
        if call.phase is Phase.ENDED:
            self._ended[call.caller] = None
        self.calls[call.caller] = call
        self._touched.add(("call", call.caller))
        return call

    def forget_call(self, caller: str) -> None:
        """A call that nothing can be said of any more."""
        if self.calls.pop(caller, None):
            self._touched.add(("call", caller))
        self._ended.pop(caller, None)
        for alias in self._aliases_of.pop(caller, ()):
            if self.aliases.get(alias) == caller:
                del self.aliases[alias]
                self._touched.add(("alias", alias))

    def keep_alias(self, channel: str, caller: str) -> None:
        """From now on ``channel`` is the id of the call of ``caller``."""
        self.aliases[channel] = caller
        self._aliases_of.setdefault(caller, set()).add(channel)
        self._touched.add(("alias", channel))

    def keep_interface(self, interface: str, member: str) -> None:
        """The member's name of an interface, which ``queue_log`` gives in its place at times."""
        if interface and self.interfaces.get(interface) != member:
            self.interfaces[interface] = member
            self._touched.add(("interface", interface))

    def agent(self, name: str) -> AgentNow:
        """An agent, made where there is none; changes of it are noted."""
        self._touched.add(("agent", name))
        return self.agents.setdefault(name, AgentNow(name=name))

    def forget_ended(self) -> None:
        """Keep the memory of calls that ended within its bound."""
        while len(self._ended) > MAX_ENDED:
            self.forget_call(next(iter(self._ended)))

    def changed(self) -> dict[tuple[str, str], object]:
        """The rows that changed since the last time, None for one that is gone."""
        found: dict[str, Callable[[str], object]] = {
            "call": self.calls.get,
            "agent": self.agents.get,
            "alias": self.aliases.get,
            "interface": self.interfaces.get,
        }
        rows = {(kind, name): found[kind](name) for kind, name in self._touched}
        self._touched.clear()
        return rows

    def restore(self, kind: str, name: str, row: bytes) -> None:
        """Take in a row that ``changed`` gave before, as JSON."""
        match kind:
            case "call":
                self.calls[name] = msgspec.json.decode(row, type=CallNow)
                if self.calls[name].phase is Phase.ENDED:
                    self._ended[name] = None
            case "agent":
                self.agents[name] = msgspec.json.decode(row, type=AgentNow)
            case "alias":
                self.aliases[name] = caller = msgspec.json.decode(row, type=str)
                self._aliases_of.setdefault(caller, set()).add(name)
            case "interface":
                self.interfaces[name] = msgspec.json.decode(row, type=str)
