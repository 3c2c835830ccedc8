"""Records requests in the audit log: logins, failed logins, and denied requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


_KEYS = {
    "ingest key": "ingest_key",
    "metrics key": "metrics_key",
    "screen key": "screen_key",
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


def audit_login(context: RequestContext, event: str, session: Session) -> None:
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
    context: RequestContext, event: str, client_name: str, user_name: str, *, agent: bool
) -> Iterator[None]:
    """Record a failed login. The name is omitted if no user has it: it may be a password."""
    try:
        yield
    except (BadCredentials, RateLimited) as refusal:
        site = context.services.site
        client = site.by_name.get(client_name)
        user = None if client is None else site.user(client.id, user_name, agent=agent)
        client_id = None if client is None else client.id
        user_id = None if user is None else user.id
        context.caller = Caller(client_id, user_id)
        audit = context.services.audit
        record = audit.record_refusal if isinstance(refusal, RateLimited) else audit.record
        record(
            f"{event}_slowed" if isinstance(refusal, RateLimited) else f"{event}_failed",
            client=client_id,
            user=user_id,
            name=None if user is None else user.name,
            agent=agent or None,
            address=context.address,
            why=None if isinstance(refusal, RateLimited) else refusal.message,
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
    elif isinstance(error, BadCredentials | RateLimited) and needs in _KEYS:
        slowed = isinstance(error, RateLimited)
        context.services.audit.record_refusal(
            f"{_KEYS[needs]}_{'slowed' if slowed else 'refused'}",
            address=context.address,
            why=None if slowed else error.message,
        )
