"""How a connector to Asterisk is set up: what names and numbers Asterisk itself does not know."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["MappingConfig"]


class MappingConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mapping takes from the configuration; all of it may be left out.

    ``source`` names this Asterisk in ids. ``services``: queue to service (else the queue's name).
    ``agents``: interface or member name to agent (else the member's name). ``home_queues``: agent
    to the queue that their time counts for. ``wrap_up_seconds``: queue to seconds of wrap-up,
    ``"*"`` for all others. ``reasons``: pause reason to reason. ``did_variable``: the channel
    variable with the dialed number. ``disposition_event``: the UserEvent with a term code.
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

    def wrap_up(self, queue: str) -> float:
        """The seconds of wrap-up after a call of a queue."""
        return self.wrap_up_seconds.get(queue, self.wrap_up_seconds.get("*", 0.0))
