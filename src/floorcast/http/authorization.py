"""Who may pass: is the server ready, is there a session, may its role, is the feed on."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from floorcast.auth.roles import Methods, require
from floorcast.http.content_negotiation import admits
from floorcast.http.request_context import RequestContext
from floorcast.http.routing import Route
from floorcast.model.errors import NotAcceptable, RateLimited, Unavailable

__all__ = ["SESSION_COOKIE", "admit"]

SESSION_COOKIE = "LV-Session"


def admit(context: RequestContext, route: Route) -> None:
    """Let the request pass, its session in hand, or raise the refusal that it meets first."""
    server = context.server
    if not route.always and not server.readiness.ready:
        raise Unavailable(server.readiness.reason)
    if route.methods is not None:
        _admit_session(context, route.methods, cookie=route.cookie)
        if route.feed is not None:
            server.feed(context.session.client, route.feed)
    if route.status == 200 and not admits(context.accept, route.media_type):
        raise NotAcceptable(f"Accept must admit {route.media_type}")


def _admit_session(context: RequestContext, methods: Methods, *, cookie: bool) -> None:
    server = context.server
    session = server.sessions.find(_session_id(context, cookie=cookie))
    try:
        context.extra = server.rate_limit.count(session.id)
    except RateLimited:
        context.extra = server.rate_limit.standing(session.id)
        raise
    context.admitted = session
    require(methods, session.role)


def _session_id(context: RequestContext, *, cookie: bool) -> str:
    session_id = context.headers.get("lv-session", "").strip()
    if not session_id and cookie:
        session_id = _cookie(context.headers.get("cookie", ""))
    return session_id


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""
