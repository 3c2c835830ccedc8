"""The steps that the client's core asks its I/O shell to execute, and their outcomes.

The core consists of generators that yield steps and receive the outcomes. The same core therefore
works on an event loop, in a thread, and in a test without I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

__all__ = [
    "Alone",
    "Broken",
    "Next",
    "Open",
    "Pause",
    "Request",
    "Response",
    "Send",
    "Shut",
    "Silent",
    "Step",
    "Steps",
    "Work",
]

T = TypeVar("T")

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Request(NamedTuple):
    """An HTTP request. ``path`` does not include the server's address.

    ``content`` is JSON unless the headers say otherwise.
    """

    method: str
    path: str
    query: Mapping[str, str] = _NOTHING
    content: bytes | None = None
    headers: Mapping[str, str] = _NOTHING

    def with_headers(self, **headers: str) -> Request:
        """Return a copy with more headers. An underscore in a name stands for a hyphen."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._replace(headers={**self.headers, **more})


class Response(NamedTuple):
    """An HTTP response. The names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Send(NamedTuple):
    """A step that sends a request. The outcome is the Response."""

    request: Request


class Pause(NamedTuple):
    """A step that waits for this number of seconds."""

    seconds: float


class Alone(NamedTuple):
    """A step that runs other steps while no other caller of the client runs such a step."""

    steps: Callable[[], Generator[Step, Any, None]]


class Open(NamedTuple):
    """A step that opens a stream.

    The outcome is a Response, whose content is empty if the status is 200.
    """

    request: Request


class Next(NamedTuple):
    """A step that reads the next message of the open stream.

    The outcome is a ServerSentEvent, or None at the end of the stream.
    """


class Shut(NamedTuple):
    """A step that closes the stream, if one is open."""


class Work(NamedTuple):
    """A step that calls a function that may block, such as a flush.

    The outcome is the function's result.
    """

    what: Callable[[], object]


Step: TypeAlias = "Send | Pause | Alone | Open | Next | Shut | Work"
Steps = Generator[Step, Any, T]


class Broken(Exception):
    """No complete response arrived. It is unknown whether the server received the request."""


class Silent(Broken):
    """The connection was silent for too long and is treated as dead."""
