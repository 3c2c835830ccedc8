"""The messages between a server and a worker process, in msgpack prefixed with the length."""

from __future__ import annotations

from typing import BinaryIO

import msgspec
from msgspec import Struct

from floorcast.model import errors
from floorcast.model.errors import FloorcastError, Refusal, Unavailable

__all__ = [
    "HEADER_BYTES",
    "MAX_FRAME_BYTES",
    "Job",
    "JobReply",
    "LogLine",
    "encode_frame",
    "error_of_reply",
    "frame_length",
    "read_frame",
    "refusal_reply",
]

HEADER_BYTES = 4
MAX_FRAME_BYTES = 256 << 20  # a longer message is an error


class Job(Struct):
    """A function, as ``module:name``, and its argument. The function takes and returns bytes."""

    function: str
    argument: bytes


class LogLine(Struct):
    """A line for the server's log."""

    level: str
    event: str
    fields: dict[str, str | int | float | None]


class JobReply(Struct, omit_defaults=True):
    """The outcome of a job.

    It contains the answer, a refusal (the error's class and message, and ``Retry-After``), or the
    traceback of an unexpected exception. ``ends`` is True if the process cannot do another job.
    """

    answer: bytes | None = None
    refusal: str = ""
    message: str = ""
    retry_after: int = 1
    fault: str = ""
    ends: bool = False
    notes: list[LogLine] = []


def encode_frame(message: Struct) -> bytes:
    """Return the bytes of a message, prefixed with their length."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def frame_length(header: bytes) -> int:
    """Return the length that a frame's header contains.

    Raises ValueError if it exceeds ``MAX_FRAME_BYTES``.
    """
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a message of {length:,} bytes: expected at most {MAX_FRAME_BYTES:,}")
    return length


def read_frame(file: BinaryIO) -> bytes | None:
    """Return the body of the next frame, or None at the end of the file."""
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    length = frame_length(header)
    body = file.read(length)
    return body if len(body) == length else None


def refusal_reply(error: FloorcastError) -> JobReply:
    """Return the reply for an error that is shown to the caller."""
    name = type(error).__name__ if isinstance(error, Refusal) else Unavailable.__name__
    retry_after: int = getattr(error, "retry_after", 1)
    return JobReply(refusal=name, message=str(error), retry_after=retry_after)


def error_of_reply(reply: JobReply) -> FloorcastError:
    """Return the error that a reply with a ``refusal`` stands for."""
    kind = getattr(errors, reply.refusal)
    if issubclass(kind, Unavailable | errors.RateLimited):
        error: FloorcastError = kind(reply.message, reply.retry_after)
    else:
        error = kind(reply.message)
    return error
