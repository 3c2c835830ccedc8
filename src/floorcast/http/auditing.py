"""Records requests in the audit log: logins, failed logins, and denied requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from floorcast.auth.audit_log import AuditEvent
from floorcast.auth.session import Session
from floorcast.http.request_context import Caller, RequestContext
from floorcast.model.errors import (
    BadCredentials,
    FeedNotSwitchedOn,
    RateLimited,
    RoleNotAllowed,
)

__all__ = ["audit_acknowledgement", "audit_failure", "audit_login", "audit_refusal"]

SESSION_HASH_CHARACTERS = 16  # characters of a session's hash, enough to distinguish sessions


_Attempt = Literal["login", "password_change"]
_FAILED: Final[Mapping[_Attempt, AuditEvent]] = {
    "login": "login_failed",
    "password_change": "password_change_failed",
}
_SLOWED: Final[Mapping[_Attempt, AuditEvent]] = {
    "login": "login_slowed",
    "password_change": "password_change_slowed",
}
# by the credential that a route needs
_KEY_REFUSED: Final[Mapping[str | None, AuditEvent]] = {
    "ingest key": "ingest_key_refused",
    "metrics key": "metrics_key_refused",
    "screen key": "screen_key_refused",
}
_KEY_SLOWED: Final[Mapping[str | None, AuditEvent]] = {
    "ingest key": "ingest_key_slowed",
    "metrics key": "metrics_key_slowed",
    "screen key": "screen_key_slowed",
}


def audit_acknowledgement(context: RequestContext, client: int, alert: str, name: str) -> None:
    """Record that a user acknowledged an alert."""
    session = context.session
    context.services.audit.record(
        "alert_acknowledged",
        client=client,
        user=session.user,
        name=session.name,
        address=context.address,
        session=session.digest[:SESSION_HASH_CHARACTERS],
        what=f"{alert} {name}",
    )


def audit_login(context: RequestContext, event: AuditEvent, session: Session) -> None:
    """Record a login or logout, and name the caller in the log."""
    user = None if session.screen else session.user
    context.caller = Caller(session.client, user)
    context.services.audit.record(
        event,
        client=session.client,
        user=user,
        name=session.name,
        agent=session.agent or None,
        address=context.address,
        session=session.digest[:SESSION_HASH_CHARACTERS],
    )


@contextmanager
def audit_failure(
    context: RequestContext, attempt: _Attempt, client_name: str, user_name: str, *, agent: bool
) -> Iterator[None]:
    """Record a failed login. The name is omitted if no user has it: it may be a password."""
    try:
        yield
    except (BadCredentials, RateLimited) as refusal:
        site = context.services.site
        client = site.find_client(client_name)  # a login can also state the client's id
        user = None if client is None else site.user(client.id, user_name, agent=agent)
        client_id = None if client is None else client.id
        user_id = None if user is None else user.id
        context.caller = Caller(client_id, user_id)
        name, audit = None if user is None else user.name, context.services.audit
        if isinstance(refusal, RateLimited):
            audit.record_refusal(
                _SLOWED[attempt],
                client=client_id,
                user=user_id,
                name=name,
                agent=agent or None,
                address=context.address,
            )
        else:
            audit.record(
                _FAILED[attempt],
                client=client_id,
                user=user_id,
                name=name,
                agent=agent or None,
                address=context.address,
                why=refusal.message,
            )
        raise


def audit_refusal(context: RequestContext, path: str, needs: str | None, error: Exception) -> None:
    """Record a request that was denied because of its role, its feed or its key.

    ``needs`` is the credential that the route requires.
    """
    session = context.admitted
    if isinstance(error, RoleNotAllowed | FeedNotSwitchedOn) and session is not None:
        context.services.audit.record_refusal(
            "refused",
            client=session.client,
            user=session.user,
            name=session.name,
            agent=session.agent or None,
            address=context.address,
            session=session.digest[:SESSION_HASH_CHARACTERS],
            path=path,
            why=error.message,
        )
    elif isinstance(error, RateLimited) and needs in _KEY_SLOWED:
        context.services.audit.record_refusal(_KEY_SLOWED[needs], address=context.address)
    elif isinstance(error, BadCredentials) and needs in _KEY_REFUSED:
        context.services.audit.record_refusal(
            _KEY_REFUSED[needs], address=context.address, why=error.message
        )
