"""An event on its way to a server: the envelope that sources write and the intake reads."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

__all__ = ["CloudEvent"]


class CloudEvent(Struct, frozen=True, kw_only=True):
    """One CloudEvents 1.0 event (section 8 of the contract).

    ``time`` is aware. ``data`` holds only what the source knows, by the contract's names;
    ``msgspec.json`` writes the whole as the intake wants it.
    """

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    data: dict[str, object]
