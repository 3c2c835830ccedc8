"""The open calls and agents of a PBX, as known to the mapping, and aliases of calls.

Changed rows are written to the spool in the same transaction as the events that result from them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec
from msgspec import Struct

from floorcast.connectors.pbx.pbx_events import AgentConnected

__all__ = ["Membership", "PbxAgent", "PbxCall", "PbxState", "Phase"]

MAX_ENDED = 10_000  # ended calls that are remembered, because lines may be read again


class Phase(StrEnum):
    """The phase of a call."""

    WAITING = "waiting"
    LEAVING = "leaving"  # out of its queue; it may join another queue within a second
    TALKING = "talking"
    TRANSFERRING = "transferring"  # its agent transferred it; it may join a queue
    PARTED = "parted"  # its agent has left; its caller may hang up within two seconds
    COMPLETED = "completed"  # its agent has finished; it ends unless it was transferred
    HANGING_UP = "hanging up"  # its caller hung up; its agent's ConversationEnded may follow
    LEFT = "left"  # still connected, but neither waiting nor with an agent
    ENDED = "ended"


class PbxCall(Struct, kw_only=True):
    """A call. ``session`` numbers the calls of a caller, and ``turn`` the call's visits to queues.

    Times are in epoch seconds. ``since`` is when the phase began, and ``due`` is when it ends by
    itself. ``joined`` and ``connected`` are the times of the last turn. ``reason`` is the reason
    for leaving a queue, and ``exit_key`` is the key that was pressed to leave. ``hung_up_by`` is
    the party that hung up, if known. ``result`` is the result of the conversation. ``channel`` is
    the caller's current channel, if the caller joined with another one. ``is_direct`` is true if no
    queue connected the call to its agent.
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
        """The caller's id, followed by the number of this call if it is not the caller's first."""
        return self.caller if self.session == 1 else f"{self.caller}/{self.session}"


class Membership(Struct, kw_only=True):
    """An agent's membership in one queue."""

    dynamic: bool = True
    status: int = 0
    paused: bool = False
    paused_at: float = 0.0
    penalty: int = 0


class PbxAgent(Struct, kw_only=True):
    """An agent.

    ``shown`` is the state last sent, or ``LOGOFF`` if none was sent, and ``shown_at`` is its time.
    ``reserved`` is the channel that rings for the agent, and ``leg`` is the agent's channel in a
    call. ``call`` is the caller that the agent talks to, and ``bridging`` is an announced
    connection to a caller. ``wrap_up`` is in seconds, as reported by the PBX. ``busy_since`` is
    when the device began to be in use without a queue call. ``numbered`` counts the events of each
    state and second.
    """

    name: str
    queues: dict[str, Membership] = {}
    reason: str = ""
    call: str = ""
    leg: str = ""
    held: bool = False
    reserved: str = ""
    bridging: AgentConnected | None = None
    wrap_up: float = 0.0
    wrap_until: float | None = None
    busy_since: float | None = None
    direct: bool = False
    shown: str = "LOGOFF"
    shown_at: float = 0.0
    shown_services: list[str] = []
    numbered: dict[str, int] = {}


class PbxState:
    """All open calls and agents, and the changes since ``take_changes`` was last called."""

    def __init__(self) -> None:
        self.calls: dict[str, PbxCall] = {}
        self.agents: dict[str, PbxAgent] = {}
        self.aliases: dict[str, str] = {}
        self.interfaces: dict[str, str] = {}
        self.last_at = 0.0
        self._ended: dict[str, None] = {}  # in the order in which the calls ended
        self._aliases_of: dict[str, set[str]] = {}
        self._changed: set[tuple[str, str]] = set()

    def call(self, caller: str) -> PbxCall | None:
        """Return the call of a caller or of a caller's alias."""
        return self.calls.get(self.aliases.get(caller, caller))

    def store_call(self, call: PbxCall) -> PbxCall:
        """Store a new or changed call."""
        self._ended.pop(call.caller, None)
        if call.phase is Phase.ENDED:
            self._ended[call.caller] = None
        self.calls[call.caller] = call
        self._changed.add(("call", call.caller))
        return call

    def forget_call(self, caller: str) -> None:
        """Forget a call that has no further events."""
        if self.calls.pop(caller, None):
            self._changed.add(("call", caller))
        self._ended.pop(caller, None)
        for alias in self._aliases_of.pop(caller, ()):
            if self.aliases.get(alias) == caller:
                del self.aliases[alias]
                self._changed.add(("alias", alias))

    def add_alias(self, channel: str, caller: str) -> None:
        """Make ``channel`` an alias for the call of ``caller`` from now on."""
        self.aliases[channel] = caller
        self._aliases_of.setdefault(caller, set()).add(channel)
        self._changed.add(("alias", channel))

    def set_interface(self, interface: str, member: str) -> None:
        """Store the name of the member that has an interface.

        Some lines of ``queue_log`` have only the interface.
        """
        if interface and self.interfaces.get(interface) != member:
            self.interfaces[interface] = member
            self._changed.add(("interface", interface))

    def agent(self, name: str) -> PbxAgent:
        """Return an agent, which is created if necessary, and mark it as changed."""
        self._changed.add(("agent", name))
        return self.agents.setdefault(name, PbxAgent(name=name))

    def move_times(self, seconds: float) -> None:
        """Move all times by ``seconds``, because the PBX's clock was set."""
        self.last_at += seconds
        for call in self.calls.values():
            call.since += seconds
            call.joined += seconds
            call.connected += seconds
            call.due += seconds if call.due else 0.0
            self._changed.add(("call", call.caller))
        for agent in self.agents.values():
            agent.shown_at += seconds
            if agent.wrap_until is not None:
                agent.wrap_until += seconds
            if agent.busy_since is not None:
                agent.busy_since += seconds
            for membership in agent.queues.values():
                membership.paused_at += seconds
            self._changed.add(("agent", agent.name))

    def forget_ended(self) -> None:
        """Forget the oldest ended calls beyond the limit."""
        while len(self._ended) > MAX_ENDED:
            self.forget_call(next(iter(self._ended)))

    def take_changes(self) -> dict[tuple[str, str], object]:
        """Return the rows that changed since the last call of this method.

        A removed row is None.
        """
        found: dict[str, Callable[[str], object]] = {
            "call": self.calls.get,
            "agent": self.agents.get,
            "alias": self.aliases.get,
            "interface": self.interfaces.get,
        }
        rows = {(kind, name): found[kind](name) for kind, name in self._changed}
        self._changed.clear()
        return rows

    def restore(self, kind: str, name: str, row: bytes) -> None:
        """Restore a row that ``take_changes`` returned earlier. The row is encoded as JSON."""
        match kind:
            case "call":
                self.calls[name] = msgspec.json.decode(row, type=PbxCall)
                if self.calls[name].phase is Phase.ENDED:
                    self._ended[name] = None
            case "agent":
                self.agents[name] = msgspec.json.decode(row, type=PbxAgent)
            case "alias":
                self.aliases[name] = caller = msgspec.json.decode(row, type=str)
                self._aliases_of.setdefault(caller, set()).add(name)
            case "interface":
                self.interfaces[name] = msgspec.json.decode(row, type=str)
