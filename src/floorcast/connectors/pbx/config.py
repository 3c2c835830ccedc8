"""The configuration of a connector to a PBX: names and numbers that the PBX does not know."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

__all__ = ["Dialect", "MappingConfig"]


class Dialect(Struct, frozen=True, kw_only=True):
    """The naming of calls by one kind of PBX.

    ``kind`` begins the source of every event. ``transaction_id`` makes a number below 2**53 from a
    caller's id. ``ids_are_global`` is true if caller ids are unique across PBXs, so that the id
    alone names a session. ``asks_why`` is true if the connector asks why a caller left a queue when
    no event says so; the answer arrives as a ``LeftBecause``.
    """

    kind: str
    transaction_id: Callable[[str], int]
    ids_are_global: bool = False
    asks_why: bool = False

    def session_id(self, call: str, source: str) -> str:
        """Return the session of a call at a PBX with this name."""
        return call if self.ids_are_global else f"{call}@{source}"


class MappingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of the mapping; every part is optional.

    ``source`` names this PBX in ids. ``services`` maps a queue to a service (default: the queue's
    name), ``agents`` a member's name or other identifier to an agent (default: the name),
    ``home_queues`` an agent to the queue that their time counts for, ``wrap_up_seconds`` a queue to
    seconds of wrap-up (``"*"`` for all others), and ``reasons`` a pause reason to a reason.
    ``did_variable`` is the channel variable with the dialed number. ``disposition_event`` is the
    event with a term code.
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
        """The seconds of wrap-up after a call of a queue, by default those that the PBX reports."""
        return self.wrap_up_seconds.get(queue, self.wrap_up_seconds.get("*", otherwise))
