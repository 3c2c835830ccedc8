"""The steps that the client's protocol asks its I/O shell to execute, and their outcomes.

The protocol consists of generators that yield steps and receive the outcomes. The same protocol
therefore works on an event loop, in a thread, and in a test without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = [
    "CloseStream",
    "Exclusive",
    "HttpRequest",
    "HttpResponse",
    "NextMessage",
    "NoConnection",
    "NoResponse",
    "OpenStream",
    "RunBlocking",
    "SendRequest",
    "SilentConnection",
    "Sleep",
    "Step",
    "Steps",
]

T = TypeVar("T")

_NOTHING: Mapping[str, str] = MappingProxyType({})


class HttpRequest(NamedTuple):
    """An HTTP request. ``path`` does not include the server's address.

    ``content`` is JSON unless the headers say otherwise.
    """

    method: str
    path: str
    query: Mapping[str, str] = _NOTHING
    content: bytes | None = None
    headers: Mapping[str, str] = _NOTHING

    def with_headers(self, **headers: str) -> HttpRequest:
        """Return a copy with more headers. An underscore in a name stands for a hyphen."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._replace(headers={**self.headers, **more})


class HttpResponse(NamedTuple):
    """An HTTP response. The names of ``headers`` are in lower case.

    ``url`` is the address of the request, without its parameters.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str = ""


class SendRequest(NamedTuple):
    """A step that sends a request. The outcome is the HttpResponse."""

    request: HttpRequest


class Sleep(NamedTuple):
    """A step that waits for this number of seconds."""

    seconds: float


class Exclusive(NamedTuple):
    """A step that runs other steps while no other caller of the client runs such a step."""

    steps: Callable[[], Generator[Step, Any, None]]


class OpenStream(NamedTuple):
    """A step that opens a stream.

    The outcome is an HttpResponse, whose content is empty if the status is 200.
    """

    request: HttpRequest


class NextMessage(NamedTuple):
    """A step that reads the next message of the open stream.

    The outcome is a ServerSentEvent, or None at the end of the stream.
    """


class CloseStream(NamedTuple):
    """A step that closes the stream, if one is open."""


class RunBlocking(NamedTuple):
    """A step that calls a function that may block, such as a flush.

    The outcome is the function's result.
    """

    function: Callable[[], object]


Step: TypeAlias = (
    "SendRequest | Sleep | Exclusive | OpenStream | NextMessage | CloseStream | RunBlocking"
)
Steps = Generator[Step, Any, T]


class NoResponse(Exception):
    """No complete response arrived. It is unknown whether the server received the request."""


class NoConnection(NoResponse):
    """No connection to the server could be opened. The message names its address."""


class SilentConnection(NoResponse):
    """The connection was silent for too long and is treated as dead."""
