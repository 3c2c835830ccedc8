"""The steps that the client's core asks its I/O shell to do, and their outcomes.

The core is written as generators, which yield steps and are sent their outcomes. The same core
therefore serves an event loop, a thread, and a test without I/O.
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
    """An HTTP request; ``path`` is without the server's address.

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
    """Send a request. The outcome is its Response."""

    request: Request


class Pause(NamedTuple):
    """Wait for this number of seconds."""

    seconds: float


class Alone(NamedTuple):
    """Run these steps while no other user of the client runs such steps."""

    steps: Callable[[], Generator[Step, Any, None]]


class Open(NamedTuple):
    """Open a stream. The outcome is a Response, whose content is empty if the status is 200."""

    request: Request


class Next(NamedTuple):
    """The next message of the open stream: a ServerSentEvent, or None at the stream's end."""


class Shut(NamedTuple):
    """Close the stream, if one is open."""


class Work(NamedTuple):
    """Call a function that may block, such as a flush. The outcome is its result."""

    what: Callable[[], object]


Step: TypeAlias = "Send | Pause | Alone | Open | Next | Shut | Work"
Steps = Generator[Step, Any, T]


class Broken(Exception):
    """There was no complete response. It is unknown whether the request arrived."""


class Silent(Broken):
    """The connection was silent for too long and is treated as dead."""
