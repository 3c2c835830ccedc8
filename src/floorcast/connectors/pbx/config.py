"""How a connector to a PBX is set up: the names and numbers that the PBX itself does not know."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

__all__ = ["Dialect", "MappingConfig"]


class Dialect(Struct, frozen=True, kw_only=True):
    """How one kind of PBX names calls.

    ``kind`` begins the source of every event. ``transaction_id`` makes a number below 2**53 of a
    caller's id. ``ids_are_global``: no other PBX has the same ids of callers, so that a session is
    named by the id alone. ``asks_why``: why a caller left a queue is asked for where nothing tells
    it, and the answer comes as a ``LeftBecause``.
    """

    kind: str
    transaction_id: Callable[[str], int]
    ids_are_global: bool = False
    asks_why: bool = False

    def session_id(self, call: str, source: str) -> str:
        """The session of a call at a PBX of this name."""
        return call if self.ids_are_global else f"{call}@{source}"


class MappingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of the mapping; every part is optional.

    ``source`` names this PBX in ids. ``services``: queue to service (else the queue's name).
    ``agents``: a member's name, or what it is known by, to agent (else the name). ``home_queues``:
    agent to the queue that their time counts for. ``wrap_up_seconds``: queue to seconds of wrap-up,
    ``"*"`` for all others. ``reasons``: pause reason to reason. ``did_variable``: the channel
    variable with the dialed number. ``disposition_event``: the event with a term code.
    """

    source: str = "asterisk"
    services: dict[str, str] = {}
    agents: dict[str, str] = {}
    home_queues: dict[str, str] = {}
    wrap_up_seconds: dict[str, float] = {}
    reasons: dict[str, str] = {}
    did_variable: str = ""
    disposition_event: str = ""

    def service(self, queue: str) -> str:
        """The service of a queue."""
        return self.services.get(queue, queue)

    def wrap_up(self, queue: str, otherwise: float = 0.0) -> float:
        """The seconds of wrap-up after a call of a queue; what the PBX says, if nothing is set."""
        return self.wrap_up_seconds.get(queue, self.wrap_up_seconds.get("*", otherwise))
