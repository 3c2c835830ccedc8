"""Builds a route's error responses for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from floorcast.http.error_responses import STATUS, Failure
from floorcast.http.openapi.schemas import schema
from floorcast.http.routing import Route
from floorcast.model.errors import (
    BadCredentials,
    BadSession,
    FeedNotSwitchedOn,
    FloorcastError,
    InvalidParameter,
    MissingParameter,
    NotAcceptable,
    NotAnObject,
    RateLimited,
    RoleNotAllowed,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)

__all__ = ["HEADERS", "component_name", "refusals", "response"]


def _header(description: str, kind: str = "string", *, required: bool = False) -> dict[str, Any]:
    header: dict[str, Any] = {"description": description, "schema": {"type": kind}}
    return {**header, "required": True} if required else header


HEADERS = {
    "Deprecation": _header("When the method was deprecated (RFC 9745).", required=True),
    "Earliest-At": _header(
        "The earliest time that `at` accepts, in ms since 1970. Omitted if the server keeps no "
        "past data, and if the response is itself about the past.",
        "integer",
    ),
    "Feed-Token": _header(
        "The position in the feeds at which the figures are exact. A client that follows the feeds"
        " from this token misses no event and counts none twice.",
        required=True,
    ),
    "Link": _header("The method that replaces this one (`successor-version`).", required=True),
    "Newest-Event": _header(
        "When the server recorded the newest event of the clients that the user can see, in ms "
        "since 1970. Omitted if there is no event. A display can use this time to show that a "
        "source is silent.",
        "integer",
    ),
    "RateLimit": _header("How many requests the session has left, if the server has a rate limit."),
    "RateLimit-Policy": _header("The rate limit, if the server has one."),
    "Retry-After": _header(
        "How many seconds to wait before the next attempt.", "integer", required=True
    ),
    "Session-Role": _header(
        "The session's role, which determines the methods that the session may use."
    ),
    "Set-Cookie": _header("The session as a cookie, if it was requested."),
    "WebHook-Allowed-Origin": _header("The sender that may send events: the requesting host."),
    "WebHook-Allowed-Rate": _header("The allowed requests per minute. `*` means any number."),
    "WWW-Authenticate": _header("The credentials that the method requires.", required=True),
}

_WITH_HEADER: dict[type[FloorcastError], str] = {
    BadCredentials: "WWW-Authenticate",
    BadSession: "WWW-Authenticate",
    RateLimited: "Retry-After",
    Unavailable: "Retry-After",
}


class Fault(FloorcastError):
    """The server failed. The message contains an id that also appears in the server's log."""

    code = 100


class TooSlow(FloorcastError):
    """The head or the body of the request did not arrive in time. The connection is closed."""

    code = 408


class UrlTooLong(FloorcastError):
    """The URL exceeds the size limit of a request's head. The connection is closed."""

    code = 414


class HeadTooLarge(FloorcastError):
    """There are too many headers, or they are too long. The connection is closed."""

    code = 431


ALWAYS: tuple[type[FloorcastError], ...] = (
    InvalidParameter,
    TooSlow,
    UrlTooLong,
    RateLimited,
    HeadTooLarge,
    Fault,
    Unavailable,
)
"""Responses that can be sent before routing; see ``floorcast.server.protocol_refusals``."""


def refusals(route: Route) -> dict[int, list[type[FloorcastError]]]:
    """Return the refusals that a route can raise, by HTTP status."""
    found: list[type[FloorcastError]] = [*route.refusals, *ALWAYS]
    if route.body is not None or route.events:
        found += [NotAnObject, TooLarge, UnsupportedMedia]
    if route.body is not None or route.query:
        found.append(MissingParameter)
    if route.methods is not None:
        found += [BadSession, RoleNotAllowed]
    if route.feed is not None:
        found.append(FeedNotSwitchedOn)
    if route.needs is not None:
        found.append(BadCredentials)
    if route.status == 200:
        found.append(NotAcceptable)
    by_status: dict[int, list[type[FloorcastError]]] = {}
    for one in sorted(dict.fromkeys(found), key=_code):
        by_status.setdefault(STATUS[_code(one)], []).append(one)
    return dict(sorted(by_status.items()))


def component_name(classes: Iterable[type[FloorcastError]]) -> str:
    """Return the name of the component that describes these refusals."""
    return "Or".join(one.__name__ for one in classes)


def response(classes: Iterable[type[FloorcastError]]) -> dict[str, Any]:
    """Return the response for these refusals, which share a status."""
    by_code = {_code(one): one for one in classes}
    descriptions = [f"Code {code}: {_prose(one)}" for code, one in by_code.items()]
    description = (
        descriptions[0]
        if len(descriptions) == 1
        else "".join(f"\n- {one}" for one in descriptions).strip()
    )
    codes = {"properties": {"code": {"enum": list(by_code)}}}
    shape = {"schema": {"allOf": [schema(Failure), codes]}}
    names = {_WITH_HEADER[one] for one in by_code.values() if one in _WITH_HEADER}
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}
    headers = {"headers": refs} if refs else {}
    return {"description": description, **headers, "content": {"application/json": shape}}


def _code(refusal: type[FloorcastError]) -> int:
    code: int = refusal.code  # type: ignore[attr-defined] # all but the root and SettingError
    return code


def _prose(refusal: type[FloorcastError]) -> str:
    return " ".join((refusal.__doc__ or "").split()).replace("``", "`")
