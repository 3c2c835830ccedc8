"""Decodes JetStream's responses, and turns its error codes into errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import msgspec
from nats.aio.msg import Msg

from floorcast.model.errors import FloorcastError, Unavailable

__all__ = ["Ack", "RequestRefused", "StorageFull", "decode_response"]

# Temporary errors: the statuses 409 (already in progress), 429 and 503 (busy, no leader or quorum),
# and JetStream's codes for a stream or consumer whose servers are down.
TEMPORARY_STATUSES: Final = frozenset({409, 429, 503})
OFFLINE_CODES: Final = frozenset({10118, 10119, 10194, 10195})
# No room in an account, on a server, or in a stream.
STORAGE_FULL_CODES: Final = frozenset({10023, 10047, 10077})


class RequestRefused(FloorcastError):
    """JetStream refused a request. ``code`` is JetStream's own (10059: no such stream)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"JetStream: {message} ({code})")
        self.code = code


class StorageFull(Unavailable):
    """The servers' disks, or their quotas, are full."""


class Ack(NamedTuple):
    """The position at which a quorum has stored a message.

    ``duplicate`` is True if the message was already stored.
    """

    stream: str
    seq: int
    duplicate: bool

    @classmethod
    def from_response(cls, response: Mapping[str, Any]) -> Self:
        """Return the position in JetStream's response to a message."""
        return cls(response["stream"], response["seq"], response.get("duplicate", False))


def decode_response(answer: Msg) -> dict[str, Any]:
    """Return a response's members. An empty response has none.

    Raises RequestRefused, StorageFull, or Unavailable if the error is temporary.
    """
    found: dict[str, Any] = msgspec.json.decode(answer.data) if answer.data else {}
    error = found.get("error")
    if not error:
        return found
    code, message = error.get("err_code", 0), error.get("description", "")
    if code in STORAGE_FULL_CODES:
        raise StorageFull(f"the NATS servers have no room left: {message} ({code})")
    if error.get("code") in TEMPORARY_STATUSES or code in OFFLINE_CODES:
        raise Unavailable(f"JetStream cannot do this now: {message} ({code})")
    raise RequestRefused(code, message)
