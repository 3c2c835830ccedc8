"""Encoding of what the feeds give: once an event, the same bytes for every reader."""

from __future__ import annotations

import msgspec

__all__ = ["encode"]

encode = msgspec.json.Encoder().encode
"""One element of a feed (see ``floorcast.model.outbound``) as JSON, without a line break."""
