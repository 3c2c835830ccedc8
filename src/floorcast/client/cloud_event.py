"""The envelope of an event from a source."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

__all__ = ["CloudEvent"]


class CloudEvent(Struct, frozen=True, kw_only=True):
    """One CloudEvents 1.0 event (section 8 of the contract).

    ``time`` has a time zone. ``data`` has only the members that the source knows, under the
    contract's names. ``msgspec.json`` encodes the event in the form that the intake reads. The
    server identifies an event by ``source`` and ``id``, so sending it again changes nothing.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    data: dict[str, object]
