"""The filter of a request. Kinds are combined with AND in a feed and with OR in statistics."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["NO_FILTER", "Filter"]


class Filter(Struct, frozen=True, kw_only=True, rename="camel"):
    """Selects events and figures by ids and, in the interaction feed, by type (VOICE, SMS, EMAIL).

    Empty kinds do not restrict anything. Not every method accepts every kind. ``campaign`` is only
    for campaign statistics, which accept one kind at a time. The server rejects other combinations.
    """

    service: Sequence[int | str] = ()
    call_center: Sequence[int | str] = ()
    campaign: Sequence[int | str] = ()
    interaction_type: Sequence[str] = ()

    def members(self) -> dict[str, object]:
        """Return a dictionary with the request body's ``filter``, which is empty for no filter."""
        kinds = {
            "service": [{"id": number} for number in self.service],
            "callCenter": [{"id": number} for number in self.call_center],
            "campaign": [{"id": number} for number in self.campaign],
            "interactionType": [{"type": kind} for kind in self.interaction_type],
        }
        given = {kind: values for kind, values in kinds.items() if values}
        return {"filter": given} if given else {}


NO_FILTER = Filter()
