"""Converts the other ways in which CloudEvents carries data to plain JSON in the event.

In the binary content mode, the attributes are ``ce-`` headers and the data is the body. In the
structured mode, ``data_base64`` may contain the data. Both become an event with plain ``data``.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import Raw, Struct

from floorcast.model.errors import (
    InvalidParameter,
    MissingParameter,
    NotAnObject,
    Refusal,
    TooLarge,
)
from floorcast.model.nesting import check_nesting
from floorcast.model.undecodable import UNDECODABLE

__all__ = [
    "BASE64",
    "WEBHOOK_ORIGIN",
    "check_event_size",
    "decode_base64_data",
    "is_binary",
    "read_binary_event",
]

MAX_EVENT_BYTES = 1_000_000
"""The size of one event as JSON: what a cluster's NATS server accepts by default, with headers."""

BASE64 = b'"data_base64"'  # a line without this text has no such member

WEBHOOK_ORIGIN = "^[A-Za-z0-9_.:*/-]{1,253}$"
"""The pattern of a sender's name in the webhook handshake."""

_PREFIX = b"ce-"
_REQUIRED = ("specversion", "id", "source", "type")
_NAMES = frozenset(_PREFIX + name.encode() for name in (*_REQUIRED, "time"))
_ESCAPED = re.compile(rb"\\(.)")

Headers = Iterable[tuple[bytes, bytes]]


class _Base64Event(Struct):
    data_base64: str
    data: None = None


def is_binary(headers: Headers) -> bool:
    """Return whether any attribute is a header. Names must be in lower case, as in ASGI."""
    return any(name in _NAMES for name, _ in headers)


def check_event_size(text: bytes) -> None:
    """Raise TooLarge if an event has more than ``MAX_EVENT_BYTES``."""
    if len(text) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"an event can have at most {MAX_EVENT_BYTES:,} bytes, and this one has {len(text):,}"
        )


def read_binary_event(headers: Headers, body: bytes) -> bytes:
    """Return the event of a request in binary content mode, as JSON.

    Raises MissingParameter or InvalidParameter with the name of the header, NotAnObject if the body
    is not exactly one JSON value, and TooLarge if it is larger than an event can be.
    """
    check_event_size(body)
    event: dict[str, object] = dict(_attributes(headers))
    for name in _REQUIRED:
        if name not in event:
            raise MissingParameter(f"the header ce-{name} is required")
    if body and not body.isspace():
        event["data"] = _json(body, "the body")
    return msgspec.json.encode(event)


def decode_base64_data(line: bytes, why: Refusal) -> bytes:
    """Return the event with its decoded ``data_base64`` as ``data``.

    Raises ``why`` if the event has no ``data_base64``, or if it also has ``data``. Raises
    InvalidParameter if the decoded bytes are not JSON.
    """
    try:
        encoded = msgspec.json.decode(line, type=_Base64Event).data_base64
        event = msgspec.json.decode(line, type=dict[str, Raw])
    except UNDECODABLE:
        raise why from None
    try:
        data = b64decode(encoded, validate=True)
    except ValueError:
        raise InvalidParameter("data_base64 must be base64") from None
    del event["data_base64"]
    try:
        event["data"] = _json(data, "data_base64")
    except NotAnObject as error:
        raise InvalidParameter(error.message) from None
    return msgspec.json.encode(event)


def _attributes(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        if name not in _NAMES:
            continue
        previous = found.setdefault(name.removeprefix(_PREFIX).decode(), text := _text(value))
        if previous != text:
            raise InvalidParameter(f"the header {name.decode()} occurs twice with different values")
    return found


def _text(value: bytes) -> str:
    """Unquote, percent-decode and decode a header's value (CloudEvents HTTP binding, 3.1.3.2)."""
    value = value.strip()
    if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
        value = _ESCAPED.sub(rb"\1", value[1:-1])
    octets = unquote_to_bytes(value)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")  # the encoding of header values in earlier HTTP


def _json(text: bytes, what: str) -> Raw:
    """Return ``text`` if it is exactly one JSON value. Otherwise, raise NotAnObject.

    Other text could alter the event that it is inserted into.
    """
    try:
        text.decode()
        check_nesting(text)
        return msgspec.json.decode(text, type=Raw)
    except UNDECODABLE:
        raise NotAnObject(f"{what} is not JSON") from None
