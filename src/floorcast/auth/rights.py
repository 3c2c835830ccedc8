"""Derives a session's rights from the site."""

from __future__ import annotations

from floorcast.auth.keys import is_api_token
from floorcast.auth.session import SCREEN_ROLE, Session, password_fingerprint
from floorcast.site.live_site import Site

__all__ = ["update_rights"]


def update_rights(session: Session, site: Site) -> bool:
    """Update the session's rights from the site.

    Returns False if the site no longer allows the session.
    """
    if session.screen:
        return _update_screen_rights(session, site)
    return _update_user_rights(session, site)


def _update_user_rights(session: Session, site: Site) -> bool:
    directory = site.directory
    client = directory.clients.get(session.client)
    user = directory.user(session.client, session.name, agent=session.agent)
    if user is None or not is_api_token(client, session.token):
        return False
    if session.password_fingerprint != password_fingerprint(user.password_hash):
        return False
    session.user, session.role = user.id, user.role
    limits = user.call_centers
    session.call_centers = (
        None if limits is None else directory.call_centers_of(session.client, limits)
    )
    session.visible_clients = (
        (session.client,) if session.agent else directory.family(session.client)
    )
    session.generation = site.generation
    return True


def _update_screen_rights(session: Session, site: Site) -> bool:
    directory = site.directory
    found = directory.screen(session.token)
    if found is None or found[0] != session.client:
        return False
    _, key = found
    limited = bool(key.call_centers or key.services)
    session.role = SCREEN_ROLE
    session.call_centers = (
        directory.call_centers_of(session.client, key.call_centers) if limited else None
    )
    session.services = directory.services_of(session.client, key.services)
    session.visible_clients = directory.family(session.client)
    session.generation = site.generation
    return True
