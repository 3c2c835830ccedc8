"""Verdicts on rejected events: why each was rejected, and what its source must change."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
from msgspec import Struct

from floorcast.model.errors import (
    InvalidParameter,
    MissingParameter,
    NotAnObject,
    Refusal,
    TooLarge,
)
from floorcast.model.inbound import InboundEvent
from floorcast.model.nesting import TOO_NESTED
from floorcast.model.undecodable import UNDECODABLE
from floorcast.model.wording import describe_expected

__all__ = ["Rejected", "refusal_of", "verdict_on"]

MAX_ID_LENGTH = 1024  # characters, as in ``floorcast.model.inbound``
_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")

_KINDS = {str(kind.__struct_config__.tag): kind for kind in get_args(InboundEvent)}


class Rejected(Struct):
    """A rejected event: its index in the request, its id if it could be read, and the reason."""

    index: int
    id: str | None
    code: int
    message: str


class _IdAndType(Struct):
    id: Any = None
    type: Any = None


_loose_decoder = msgspec.json.Decoder(_IdAndType)


def _decode_loosely(line: bytes) -> _IdAndType:
    try:
        return _loose_decoder.decode(line)
    except UNDECODABLE:
        return _IdAndType()


def verdict_on(index: int, line: bytes, why: Refusal) -> Rejected:
    """Return the verdict on the rejected event at ``index``."""
    event_id = None if isinstance(why, TooLarge) else _decode_loosely(line).id
    known = event_id if isinstance(event_id, str) and len(event_id) <= MAX_ID_LENGTH else None
    return Rejected(index, known, why.code, why.message)


def refusal_of(line: bytes, error: Exception) -> Refusal:
    """Convert a decoding error to the sender's error: missing, invalid, or not JSON."""
    if isinstance(error, UnicodeDecodeError):
        return NotAnObject("the event is not UTF-8")
    if isinstance(error, RecursionError):
        return NotAnObject(f"the event is {TOO_NESTED}")
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return NotAnObject(f"the event is not JSON: {text}")
    where = _PATH.search(text)
    path = where["path"] if where else ""
    if missing := _MISSING.search(text):
        name = f"{path}.{missing['name']}" if path else missing["name"]
        return MissingParameter(f"{name} is required")
    if path == "type":
        return InvalidParameter(f"type must be one of {', '.join(_KINDS)}")
    if not path:
        return InvalidParameter("the event must be an object")
    kind = _KINDS.get(str(_decode_loosely(line).type))
    if kind is None:
        return InvalidParameter(f"{path} has an unexpected value")
    members = path.replace("[...]", ".").split(".")
    return InvalidParameter(f"{path} must be {describe_expected(kind, members)}")
