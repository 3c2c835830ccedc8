"""Signed cursors, which say where the next page of a list begins.

A cursor is valid only for the request that it was made for. Every node of an installation accepts
it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from hashlib import blake2b

import msgspec
from msgspec import Struct

from floorcast.model.errors import InvalidParameter
from floorcast.statistics.call_pages import CallSortKey

__all__ = ["MAX_CURSOR_CHARS", "PageCursor", "read_cursor", "write_cursor"]

MAX_CURSOR_CHARS = 4096  # characters; a session's id has at most 256
_MAC_BYTES = 12


class PageCursor(Struct, array_like=True):
    """The day of the list, and the sort key of the last row that has been read."""

    day: int
    sort_key: CallSortKey


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(PageCursor)


def write_cursor(cursor: PageCursor, request: tuple[object, ...], secret: bytes) -> str:
    """Return a cursor as text. ``request`` has the members that must stay the same."""
    payload = _encode(cursor)
    return base64.urlsafe_b64encode(_mac(payload, request, secret) + payload).decode().rstrip("=")


def read_cursor(text: object, request: tuple[object, ...], secret: bytes) -> PageCursor | None:
    """Check and decode a cursor. Returns None if ``text`` is None. Raises InvalidParameter."""
    if text is None:
        return None
    if isinstance(text, str) and text.isascii() and len(text) <= MAX_CURSOR_CHARS:
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        except binascii.Error:
            raw = b""
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if hmac.compare_digest(mac, _mac(payload, request, secret)):
            return _decoder.decode(payload)
    raise InvalidParameter(
        "cursor must come from the previous response, with the same filter, figure, start and end;"
        " omit it for the first page"
    )


def _mac(payload: bytes, request: tuple[object, ...], secret: bytes) -> bytes:
    key = blake2b(secret, digest_size=32, person=b"floorcast-pages").digest()
    return blake2b(payload + _encode(request), digest_size=_MAC_BYTES, key=key).digest()
