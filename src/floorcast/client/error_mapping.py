"""Maps unsuccessful answers to exceptions (section 9 of the contract).

This works with any server that has the API: if the answer's code is not one of the contract's, the
status determines the exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import msgspec

from floorcast.client.steps import HttpRequest, HttpResponse
from floorcast.model.errors import (
    BadCredentials,
    BadSession,
    FeedNotSwitchedOn,
    InvalidParameter,
    MissingParameter,
    NotAcceptable,
    NotAnObject,
    NotFound,
    RateLimited,
    Refusal,
    Retired,
    RoleNotAllowed,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from floorcast.model.undecodable import UNDECODABLE

__all__ = ["retry_after", "to_bad_credentials", "to_exception"]

_KINDS: dict[tuple[int, int], type[Refusal]] = {
    (400, 201): MissingParameter,
    (400, 202): InvalidParameter,
    (400, 203): NotAnObject,
    (401, 300): BadCredentials,
    (401, 301): BadSession,
    (403, 302): RoleNotAllowed,
    (403, 303): FeedNotSwitchedOn,
}
_BY_STATUS: dict[int, type[Refusal]] = {
    401: BadSession,
    403: RoleNotAllowed,
    404: NotFound,
    406: NotAcceptable,
    410: Retired,
    413: TooLarge,
    415: UnsupportedMedia,
}
MAX_RETRY_AFTER_SECONDS = 3_600  # seconds
_MAX_SHOWN_CHARS = 300  # the most characters that are shown of a body that is not the API's


class _Problem(msgspec.Struct):
    code: int
    message: str


def to_exception(request: HttpRequest, response: HttpResponse) -> Refusal | Unavailable:
    """Return the exception for an unsuccessful answer, with its ``status`` and ``code``."""
    problem = _problem(request, response)
    error: Refusal | Unavailable
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        error = RateLimited(problem.message, retry_after(response.headers))
    elif response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        error = Unavailable(problem.message, retry_after(response.headers))
    else:
        other = _BY_STATUS.get(response.status, Refusal)
        error = _KINDS.get((response.status, problem.code), other)(problem.message)
    error.status, error.code = response.status, problem.code
    return error


def to_bad_credentials(refused: BadSession) -> BadCredentials:
    """Return BadCredentials for a 401, with any code, to a request without a session."""
    error = BadCredentials(refused.message)
    error.status, error.code = refused.status, refused.code
    return error


def retry_after(headers: Mapping[str, str]) -> int:
    """Return the wait in seconds that a server asks for, or 0 if it asks for none.

    The server sends seconds or a date. The wait is at most an hour, because a faulty server could
    otherwise stop a feed for years.
    """
    header = headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return min(int(header[:9]), MAX_RETRY_AFTER_SECONDS)
    try:
        # relative to the server's clock, which may differ from ours
        wait = parsedate_to_datetime(header) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return 0
    return min(max(0, round(wait.total_seconds())), MAX_RETRY_AFTER_SECONDS)


def _problem(request: HttpRequest, response: HttpResponse) -> _Problem:
    try:
        return msgspec.json.decode(response.content, type=_Problem)
    except UNDECODABLE:
        text = response.content[:_MAX_SHOWN_CHARS].decode("utf-8", "replace").strip()
        where = (
            f"{request.method} {response.url or request.path} got the response {response.status}"
        )
        location = response.headers.get("location")
        if location:
            where += f", which redirects to {location}"
        return _Problem(response.status, f"{where}: {text}" if text else where)
