"""Why an event of a request was refused, in words that tell its source what to change."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
from msgspec import Struct

from floorcast.errors import InvalidParameter, MissingParameter, NotAnObject, Refusal
from floorcast.events.incoming import Incoming

__all__ = ["Rejected", "rejected", "why_not"]

_MISSING = re.compile(r"missing required field `(?P<name>[^`]+)`")
_PATH = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")

_TYPES = [str(kind.__struct_config__.tag) for kind in get_args(Incoming)]
_PLAINLY = {
    "Expected `str` matching regex '^[0-9]{1,18}$'": "expected a number or a string of digits",
}


class Rejected(Struct):
    """One refused event: its index in the request, its id if it could be read, and why."""

    index: int
    id: str | None
    code: int
    message: str


class _Named(Struct):
    id: str | None = None


_id_decoder = msgspec.json.Decoder(_Named)


def rejected(index: int, line: bytes, why: Refusal) -> Rejected:
    """The verdict on the event at ``index``."""
    try:
        event_id = _id_decoder.decode(line).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        event_id = None
    return Rejected(index, event_id, why.code, why.message)


def why_not(error: Exception) -> Refusal:
    """What a decoding error means for the sender: missing, invalid, or not JSON."""
    if isinstance(error, UnicodeDecodeError):
        return NotAnObject("the event is not UTF-8")
    if isinstance(error, RecursionError):
        return NotAnObject("the event is nested too deeply")
    text = str(error)
    where = _PATH.search(text)
    path = where["path"] if where else ""
    said = _PATH.sub("", text)
    if missing := _MISSING.search(said):
        name = f"{path}.{missing['name']}" if path else missing["name"]
        return MissingParameter(f"{name} is required")
    if isinstance(error, msgspec.ValidationError):
        said = _PLAINLY.get(said) or said[:1].lower() + said[1:]
        if path == "type":
            said += f"; the types are {', '.join(_TYPES)}"
        return InvalidParameter(f"{path or 'the event'}: {said}")
    return NotAnObject(f"the event is not JSON: {said}")
