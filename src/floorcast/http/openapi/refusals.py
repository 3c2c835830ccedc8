"""The refusals of a route, as the OpenAPI document has them: which, why, and in which words."""

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

__all__ = ["HEADERS", "name_of", "refusals", "response"]


def _header(description: str, kind: str = "string", *, required: bool = False) -> dict[str, Any]:
    header: dict[str, Any] = {"description": description, "schema": {"type": kind}}
    return {**header, "required": True} if required else header


HEADERS = {
    "Deprecation": _header("Since when the method is deprecated (RFC 9745).", required=True),
    "Feed-Token": _header(
        "The place in the feeds at which the answer is true: following them from this token"
        " misses nothing and counts nothing twice.",
        required=True,
    ),
    "Link": _header("The method that took its place (`successor-version`).", required=True),
    "RateLimit": _header("How the session stands, where the server has a limit."),
    "RateLimit-Policy": _header("The limit, where the server has one."),
    "Retry-After": _header("Seconds to wait.", "integer", required=True),
    "Set-Cookie": _header("The session as a cookie, where it was asked for."),
    "WWW-Authenticate": _header("What is needed.", required=True),
}

_WITH_HEADER: dict[type[FloorcastError], str] = {
    BadCredentials: "WWW-Authenticate",
    BadSession: "WWW-Authenticate",
    RateLimited: "Retry-After",
    Unavailable: "Retry-After",
}


class Fault(FloorcastError):
    """Our fault; the message carries an id that is in the server's log."""

    code = 100


def refusals(route: Route) -> dict[int, list[type[FloorcastError]]]:
    """The refusals that a route may give, by HTTP status."""
    found: list[type[FloorcastError]] = [*route.refusals, Fault]
    if route.body is not None or route.events:
        found += [NotAnObject, TooLarge, UnsupportedMedia]
    if route.body is not None or route.query:
        found += [MissingParameter, InvalidParameter]
    if route.methods is not None:
        found += [BadSession, RoleNotAllowed, RateLimited]
    if route.feed is not None:
        found.append(FeedNotSwitchedOn)
    if route.needs is not None:
        found.append(BadCredentials)
    if route.status == 200:
        found.append(NotAcceptable)
    if not route.always:
        found.append(Unavailable)
    by_status: dict[int, list[type[FloorcastError]]] = {}
    for one in sorted(dict.fromkeys(found), key=_code):
        by_status.setdefault(STATUS[_code(one)], []).append(one)
    return dict(sorted(by_status.items()))


def name_of(classes: Iterable[type[FloorcastError]]) -> str:
    """What their response is called among the components."""
    return "Or".join(one.__name__ for one in classes)


def response(classes: Iterable[type[FloorcastError]]) -> dict[str, Any]:
    """The response of these refusals, which share their status."""
    by_code = {_code(one): one for one in classes}
    said = [f"Code {code}: {_prose(one)}" for code, one in by_code.items()]
    why = said[0] if len(said) == 1 else "".join(f"\n- {one}" for one in said).strip()
    codes = {"properties": {"code": {"enum": list(by_code)}}}
    shape = {"schema": {"allOf": [schema(Failure), codes]}}
    names = {_WITH_HEADER[one] for one in by_code.values() if one in _WITH_HEADER}
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in sorted(names)}
    headers = {"headers": refs} if refs else {}
    return {"description": why, **headers, "content": {"application/json": shape}}


def _code(refusal: type[FloorcastError]) -> int:
    code: int = refusal.code  # type: ignore[attr-defined] # all but the root and SettingError
    return code


def _prose(refusal: type[FloorcastError]) -> str:
    return " ".join((refusal.__doc__ or "").split()).replace("``", "`")
