"""The configuration of a PBX connector: names and numbers that the PBX does not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

__all__ = ["Dialect", "MappingConfig", "SourceName"]

SourceName = Annotated[str, Meta(min_length=1, max_length=96)]
"""The server accepts 256 characters for a session's id, which contains the caller's id, too."""
Name = Annotated[str, Meta(min_length=1, max_length=256)]  # as the server accepts it
Reason = Annotated[str, Meta(max_length=4096)]
WrapUpSeconds = Annotated[float, Meta(ge=0, le=86_400)]


class Dialect(Struct, frozen=True, kw_only=True):
    """How one kind of PBX identifies calls.

    ``kind`` is the first part of every event's source. ``transaction_id`` makes a number below
    2**53 from a caller's id. ``ids_are_global`` is true if caller ids are unique across PBXs, so
    that the id alone identifies a session. ``asks_leave_reason`` is true if the connector queries
    the PBX for the reason why a caller left a queue when no event gives it. The reply arrives as a
    ``LeaveReason``.
    """

    kind: str
    transaction_id: Callable[[str], int]
    ids_are_global: bool = False
    asks_leave_reason: bool = False

    def session_id(self, call: str, source: str) -> str:
        """Return the session id of a call at the PBX named ``source``."""
        return call if self.ids_are_global else f"{call}@{source}"


class MappingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of the mapping. Every setting is optional.

    ``source`` names this PBX in ids. ``services`` maps a queue to a service, by default the queue's
    name. ``agents`` maps a member's name or other identifier to an agent, by default the name.
    ``home_queues`` maps an agent to the queue for which the agent's time counts.
    ``wrap_up_seconds`` maps a queue to its wrap-up time, and ``"*"`` is the value for all other
    queues. ``reasons`` maps a pause reason to the reason to report, which is OTHER if it is empty.
    ``did_variable`` is the channel variable with the dialed number. ``disposition_event`` is the
    event with a term code.
    """

    source: SourceName = "asterisk"
    services: dict[str, Name] = {}
    agents: dict[str, Name] = {}
    home_queues: dict[str, Name] = {}
    wrap_up_seconds: dict[str, WrapUpSeconds] = {}
    reasons: dict[str, Reason] = {}
    did_variable: str = ""
    disposition_event: str = ""

    def service(self, queue: str) -> str:
        """Return the service of a queue."""
        return self.services.get(queue, queue)

    def wrap_up(self, queue: str, default: float = 0.0) -> float:
        """Return the wrap-up time after a queue's call, in seconds.

        If there is no setting for the queue, returns ``default``, the value that the PBX reports.
        """
        return self.wrap_up_seconds.get(queue, self.wrap_up_seconds.get("*", default))
