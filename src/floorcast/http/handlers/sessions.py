"""The handlers for login, logout, validation and passwords (section 2 of the contract)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from floorcast.auth.keys import api_token, bearer
from floorcast.auth.session import Session
from floorcast.auth.sessions import DAYS_UNTIL_PASSWORD_EXPIRES
from floorcast.http.auditing import audit_failure, audit_login
from floorcast.http.authorization import SESSION_COOKIE
from floorcast.http.request_context import Caller, RequestContext
from floorcast.http.responses import Headers, Response
from floorcast.model.errors import InvalidParameter, MissingParameter, NotFound
from floorcast.site.secret_rules import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS

__all__ = [
    "LoggedIn",
    "Login",
    "PasswordChange",
    "ScreenSession",
    "change_password",
    "login",
    "logout",
    "screen",
    "validate",
    "validate_by_query",
]


class Login(msgspec.Struct, rename="camel"):
    """The credentials of a login. With ``agent``, ``user_name`` is an agent's login id."""

    required: ClassVar[tuple[str, ...]] = ("clientName", "userName", "password")

    client_name: str | None = None
    user_name: str | None = None
    password: str | None = None
    agent: bool | None = None


NewPassword = Annotated[
    str,
    Meta(extra_json_schema={"minLength": MIN_PASSWORD_CHARS, "maxLength": MAX_PASSWORD_CHARS}),
]


class PasswordChange(Login, rename="camel"):
    """The current credentials and the new password."""

    required: ClassVar[tuple[str, ...]] = (*Login.required, "newPassword")

    new_password: NewPassword | None = None


class LoggedIn(msgspec.Struct, rename="camel"):
    """A session. Send its id in the ``LV-Session`` header."""

    session_id: str
    client_id: int
    user_id: int
    days_until_password_expires: int


async def login(context: RequestContext) -> Response:
    """Log in. ``?cookie=true`` also sets the session as a cookie, for ``EventSource``."""
    with_cookie = _wants_cookie(context)
    body = await context.json(Login)
    client_name, user_name, password = _required(body)
    agent = body.agent or False
    with audit_failure(context, "login", client_name, user_name, agent=agent):
        session = await context.services.sessions.login(
            client_name,
            user_name,
            password,
            _api_token(context),
            agent=agent,
            address=context.address,
        )
    audit_login(context, "login", session)
    logged_in = LoggedIn(session.id, session.client, session.user, DAYS_UNTIL_PASSWORD_EXPIRES)
    return Response.json(
        logged_in, headers=_login_headers(context, session, with_cookie=with_cookie)
    )


class ScreenSession(msgspec.Struct, rename="camel"):
    """The session of a screen. Send its id in the ``LV-Session`` header."""

    session_id: str
    client_id: int
    client_name: str


async def screen(context: RequestContext) -> Response:
    """Exchange a screen key for a session that sees only what the key shows."""
    with_cookie = _wants_cookie(context)
    services = context.services
    key = bearer(context.single_header("Authorization"))
    client, _ = services.keys.screen(key, context.address)
    session = await services.sessions.open_screen(client, key or "")
    audit_login(context, "screen_opened", session)
    screen_session = ScreenSession(session.id, client, services.site.clients[client].name)
    return Response.json(
        screen_session, headers=_login_headers(context, session, with_cookie=with_cookie)
    )


async def validate(context: RequestContext) -> Response:
    """Respond 204 if the session is valid, else 404."""
    return _session_response(context.services.sessions.validate(context.parameter))


async def validate_by_query(context: RequestContext) -> Response:
    """Respond 204 if the session in the query is valid, else 404."""
    return _session_response(
        context.services.sessions.validate(context.query_parameter("sessionId"))
    )


async def logout(context: RequestContext) -> Response:
    """End a session."""
    session = await context.services.sessions.logout(context.parameter)
    if session is not None:
        audit_login(context, "logout", session)
    had_cookie = "cookie" in context.headers
    return _session_response(
        session is not None, _cookie(context, "", "; Max-Age=0") if had_cookie else ()
    )


async def change_password(context: RequestContext) -> Response:
    """Set a new password and end the user's sessions."""
    body = await context.json(PasswordChange)
    client_name, user_name, password, new_password = _required(body)
    agent = body.agent or False
    with audit_failure(context, "password_change", client_name, user_name, agent=agent):
        verified = await context.services.sessions.change_password(
            client_name,
            user_name,
            password,
            new_password,
            _api_token(context),
            agent=agent,
            address=context.address,
        )
    context.caller = Caller(verified.client, verified.user.id)
    context.services.audit.record(
        "password_changed",
        client=verified.client,
        user=verified.user.id,
        name=verified.user.name,
        agent=agent or None,
        address=context.address,
    )
    return Response(204)


def _session_response(found: bool, headers: Headers = ()) -> Response:
    if not found:
        raise NotFound("there is no such session")
    return Response(204, headers=headers)


def _api_token(context: RequestContext) -> str | None:
    return api_token(context.single_header("LV-Access"), context.single_header("Authorization"))


def _required(body: Login) -> list[str]:
    given = msgspec.to_builtins(body)
    missing = [member for member in body.required if not given.get(member)]
    if missing:
        *others, last = missing
        names = f"{', '.join(others)} and {last}" if others else last
        raise MissingParameter(f"the body must have {names}")
    return [given[member] for member in body.required]


def _wants_cookie(context: RequestContext) -> bool:
    value = context.query.get("cookie", "false").lower()
    if value not in ("true", "false"):
        raise InvalidParameter("cookie must be true or false")
    return value == "true"


def _login_headers(context: RequestContext, session: Session, *, with_cookie: bool) -> Headers:
    """Return a login response's headers: the role, by which a page adapts, and any cookie."""
    cookie = _cookie(context, session.id) if with_cookie else ()
    return (("session-role", session.role), *cookie)


def _cookie(context: RequestContext, session_id: str, more: str = "") -> Headers:
    secure = "; Secure" if context.scope.get("scheme") == "https" else ""
    cookie = f"{SESSION_COOKIE}={session_id}; Path=/; HttpOnly; SameSite=Strict{secure}{more}"
    return (("set-cookie", cookie),)
