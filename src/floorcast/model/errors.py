"""All errors that floorcast can return, as one tree of exceptions.

The codes come from section 9 of the contract. ``floorcast.http.error_responses`` maps each code to
an HTTP status.

    FloorcastError
    ├── Refusal                 the caller can correct the request
    │   ├── MissingParameter    201
    │   ├── InvalidParameter    202
    │   ├── NotAnObject         203
    │   ├── BadCredentials      300
    │   ├── BadSession          301
    │   ├── RoleNotAllowed      302
    │   ├── FeedNotSwitchedOn   303
    │   ├── NotFound            404
    │   ├── Retired             410
    │   ├── TooLarge            413
    │   ├── UnsupportedMedia    415
    │   │   └── UnsupportedEncoding   the Content-Encoding
    │   ├── NotAcceptable       406
    │   └── RateLimited         429
    ├── Unavailable             101   try again: busy, starting, or the log cannot be written
    │   └── DamagedEntry              an entry of a client's log is damaged
    ├── UnexpectedAnswer        a server's response does not match the API (client only)
    └── SettingError            a setting or a site file cannot be used
"""

from __future__ import annotations

__all__ = [
    "WRONG_CLIENT",
    "WRONG_LOGIN",
    "BadCredentials",
    "BadSession",
    "DamagedEntry",
    "FeedNotSwitchedOn",
    "FloorcastError",
    "InvalidParameter",
    "MissingParameter",
    "NotAcceptable",
    "NotAnObject",
    "NotFound",
    "RateLimited",
    "Refusal",
    "Retired",
    "RoleNotAllowed",
    "SettingError",
    "TooLarge",
    "Unavailable",
    "UnexpectedAnswer",
    "UnsupportedEncoding",
    "UnsupportedMedia",
]

WRONG_CLIENT = "the API token (LV-Access) does not belong to the client in clientName"
WRONG_LOGIN = "userName or password is wrong"


class FloorcastError(Exception):
    """The root of all exceptions that floorcast raises deliberately."""


class Refusal(FloorcastError):
    """A refused request, answered with ``{code, message}``. The message says what to change.

    ``status`` is the HTTP status that a client received. On the server, it is None.
    """

    code = 202
    status: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class MissingParameter(Refusal):
    """A required member, parameter or header is missing."""

    code = 201


class InvalidParameter(Refusal):
    """A member, parameter or header has an invalid value."""

    code = 202


class NotAnObject(Refusal):
    """The body is not JSON, or does not have the members that the method expects."""

    code = 203


class BadCredentials(Refusal):
    """The user, password, API token or ingest key is missing or wrong."""

    code = 300


class BadSession(Refusal):
    """The session is missing, unknown or expired."""

    code = 301


class RoleNotAllowed(Refusal):
    """The user's role does not allow the method."""

    code = 302


class FeedNotSwitchedOn(Refusal):
    """The client's site does not list the feed."""

    code = 303


class NotFound(Refusal):
    """The call, session or path does not exist, or the user may not see it."""

    code = 404


class NotAcceptable(Refusal):
    """The ``Accept`` header does not include a media type that the method returns."""

    code = 406


class Retired(Refusal):
    """LiveVox has retired this method."""

    code = 410


class TooLarge(Refusal):
    """The request has too many bytes or too many events."""

    code = 413


class UnsupportedMedia(Refusal):
    """The method does not accept the ``Content-Type`` or ``Content-Encoding``."""

    code = 415


class UnsupportedEncoding(UnsupportedMedia):
    """The method does not accept the ``Content-Encoding``."""


class RateLimited(Refusal):
    """There are too many requests, connections or readers, or too many wrong passwords or keys."""

    code = 429

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # whole seconds


class Unavailable(FloorcastError):
    """The server is too busy, is starting, or cannot write to the log."""

    code = 101
    status: int | None = None  # that a client received; None without a response, and in the server

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after  # whole seconds


class DamagedEntry(Unavailable):
    """An entry of a client's log is damaged or cannot be read.

    ``recorded_at`` is the time at which the entry was recorded, in ticks; None if unreadable.
    """

    def __init__(self, client: int, number: int, recorded_at: int | None, why: str) -> None:
        super().__init__(
            f"entry {number} of client {client} is damaged ({why}): 'floorcast verify --disk' "
            "lists all such entries, 'floorcast skip-entry' skips one",
            retry_after=30,
        )
        self.client = client
        self.number = number
        self.recorded_at = recorded_at
        self.why = why


class UnexpectedAnswer(FloorcastError):
    """A response that a client received does not match the API. The message says where."""


class SettingError(FloorcastError):
    """A setting or a site file is wrong. The message names the setting and the expected value."""
