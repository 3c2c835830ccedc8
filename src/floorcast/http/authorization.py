"""Authorization: checks the session, its role, and whether the feed is switched on."""

from __future__ import annotations

from floorcast.auth.session import MethodGroup, require_role
from floorcast.http.request_context import Caller, RequestContext
from floorcast.http.routing import Route
from floorcast.model.errors import RateLimited

__all__ = ["SESSION_COOKIE", "authorize", "session_id"]

SESSION_COOKIE = "LV-Session"
MAX_COOKIE_CHARS = 256  # characters; a session's id has 32


def authorize(context: RequestContext, methods: MethodGroup, route: Route) -> None:
    """Find a session that may call the methods. Raises the first refusal that applies."""
    services = context.services
    session = services.sessions.find(session_id(context, cookie=route.cookie))
    try:
        context.extra_headers = services.rate_limit.count(session.id)
    except RateLimited:
        context.extra_headers = services.rate_limit.header_fields(session.id)
        raise
    context.admitted, context.methods = session, methods
    context.caller = Caller(session.client, None if session.screen else session.user)
    require_role(methods, session.role)
    if route.feed is not None:
        services.feed_of(session.client, route.feed)


def session_id(context: RequestContext, *, cookie: bool) -> str:
    """Return the request's session id, or "". With ``cookie``, a cookie may contain it, too.

    Raises InvalidParameter if there are several ``LV-Session`` headers.
    """
    found = (context.single_header("LV-Session") or "").strip()
    if not found and cookie:
        found = _cookie(context.headers.getlist("cookie"))
    return found


def _cookie(headers: list[str]) -> str:
    """Return the session id in the ``Cookie`` headers, or "".

    Before 3.11.10, Python's own parser takes quadratic time on a run of backslashes
    (CVE-2024-7592), and this function runs before authentication. The session cookie is never
    quoted. If there are several session cookies, the last one is used, as in Python's parser.
    """
    found = ""
    for header in headers:
        for pair in header.split(";"):
            name, _, value = pair.partition("=")
            if name.strip() == SESSION_COOKIE and len(value) <= MAX_COOKIE_CHARS:
                found = value.strip().removeprefix('"').removesuffix('"')
    return found
