"""The bytes that calls take in memory beyond those of an ordinary call.

The number of open calls is limited, but a single call can have a dozen texts of 4,096 characters
and a thousand steps.
"""

from __future__ import annotations

from msgspec import Struct

from floorcast.floor.calls import Call, CompactedSteps, Key

__all__ = ["EVENT_BYTES", "ORDINARY_BYTES", "WIDE_BYTES", "CallSizes", "bytes_beyond_ordinary"]

ORDINARY_BYTES = 3072  # of a call that was transferred twice
WIDE_BYTES = 4  # of a character in a text that is not ASCII, at most
# without what is counted below, but with what a text takes besides its characters
_CALL_BYTES = 704
_STEP_BYTES = 192  # with its agent in a segment
_SEGMENT_BYTES = 256
_ITEM_BYTES = 112  # of a wrap-up, a departure, a missed offer, or the members that an event set
EVENT_BYTES = _STEP_BYTES + _SEGMENT_BYTES + 2 * _ITEM_BYTES
"""What an event adds to a call besides its texts, at most."""


class _Size(Struct, gc=False):
    beyond: int
    ended: bool


class CallSizes:
    """The sizes of the calls in memory that are larger than an ordinary call.

    ``open_bytes`` and ``ended_bytes`` are what the open and the ended ones take beyond that.
    """

    def __init__(self) -> None:
        self.open_bytes = 0
        self.ended_bytes = 0
        self._sizes: dict[Key, _Size] = {}

    def measure(self, call: Call) -> None:
        """Update the size of a call that has changed or has come into memory."""
        beyond = bytes_beyond_ordinary(call)
        if self._sizes:
            self.forget(call.key)
        if beyond:
            size = self._sizes[call.key] = _Size(beyond, call.ended is not None)
            self._count(size, 1)

    def forget(self, key: Key) -> None:
        """Forget a call that leaves memory."""
        size = self._sizes.pop(key, None)
        if size is not None:
            self._count(size, -1)

    def _count(self, size: _Size, sign: int) -> None:
        if size.ended:
            self.ended_bytes += sign * size.beyond
        else:
            self.open_bytes += sign * size.beyond


def bytes_beyond_ordinary(call: Call | None, more: int = 0) -> int:
    """Return the bytes that a call with ``more`` bytes takes beyond those of an ordinary call."""
    if call is None:
        return max(0, more + _CALL_BYTES - ORDINARY_BYTES)
    items = len(call.wrap_ups) + len(call.departures) + len(call.missed) + len(call.member_updates)
    if call.compacted is not None:
        items += _compacted_items(call.compacted)
    size = (
        more
        + _CALL_BYTES
        + len(call.steps) * _STEP_BYTES
        + len(call.segments) * _SEGMENT_BYTES
        + items * _ITEM_BYTES
    )
    # few calls are so long that the width of their characters matters
    if size + WIDE_BYTES * _text_length(call) <= ORDINARY_BYTES:
        return 0
    texts = [text for text in _texts(call) if text.__class__ is str]
    size += sum(len(text) * (1 if text.isascii() else WIDE_BYTES) for text in texts)
    return max(0, size - ORDINARY_BYTES)


def _text_length(call: Call) -> int:
    """Return the number of characters of ``_texts``, which is measured with every event."""
    position, skill, disposition = call.phone_position, call.skill, call.disposition
    return (
        len(call.session)
        + len(call.campaign_type or "")
        + len(call.phone_dialed or "")
        + len(call.caller_id or "")
        + len(call.account or "")
        + len(call.first_name or "")
        + len(call.last_name or "")
        + len(call.zip_code or "")
        + len(call.area_code_state or "")
        + len(call.operator_phone or "")
        + len(call.lv_result or "")
        + (len(position) if isinstance(position, str) else 0)
        + (len(skill) if isinstance(skill, str) else 0)
        + (0 if disposition is None else len(disposition.code or ""))
    )


def _texts(call: Call) -> tuple[str, ...]:
    """Return the members of a call that can be texts. Those that are not are None or numbers."""
    return (  # type: ignore[return-value]  # see above
        call.session,
        call.campaign_type,
        call.phone_dialed,
        call.caller_id,
        call.account,
        call.first_name,
        call.last_name,
        call.zip_code,
        call.area_code_state,
        call.phone_position,
        call.operator_phone,
        call.skill,
        call.lv_result,
        None if call.disposition is None else call.disposition.code,
    )


def _compacted_items(compacted: CompactedSteps) -> int:
    """Return the number of items in a summary. One with a segment counts as several."""
    segments = (
        len(compacted.handled_segments)
        + len(compacted.abandoned_segments)
        + len(compacted.moved_on_segments)
    )
    plain = (
        len(compacted.offered) * 2
        + len(compacted.handled)
        + len(compacted.abandoned)
        + len(compacted.moved_on)
        + len(compacted.credited)
    )
    return segments * 3 + plain
