"""One session: its id, its stored form, and the methods that its role may call.

The store holds only the SHA-256 hash of a session's id. The id is derived from the API token of the
login and a random nonce, so a later login with that token returns the same id even after a restart.
Someone who can read the store has the nonce but not the token.
"""

from __future__ import annotations

import hmac
import uuid
from collections import Counter, deque
from collections.abc import Mapping
from hashlib import blake2b, sha256
from typing import Final, Literal

import msgspec
from msgspec import Struct

from floorcast.model.errors import RateLimited, RoleNotAllowed
from floorcast.model.token import TICKS_PER_SECOND, Now
from floorcast.model.undecodable import UNDECODABLE
from floorcast.site.configuration import Role
from floorcast.site.digests import digest
from floorcast.site.live_site import VisibleCallCenters

__all__ = [
    "ALLOWED_ROLES",
    "SCREEN_ROLE",
    "MethodGroup",
    "Session",
    "SessionRateLimit",
    "SessionRole",
    "decode_session",
    "derive_session_id",
    "encode_session",
    "password_fingerprint",
    "require_role",
    "session_key",
]


SessionRole = Role | Literal["Screen"]
"""The role of a session: a user's role, or the role of a screen key, which no user can have."""

SCREEN_ROLE: Final = "Screen"

HASH_PREFIX = "sha256:"  # the prefix of a stored hash; earlier releases stored the id itself


MINUTE_TICKS = 60 * TICKS_PER_SECOND
MAX_USER_SESSIONS = 30  # new sessions per minute
MAX_CLIENT_SESSIONS = 3_000  # new sessions per minute of all users of a client together


class Session(Struct, eq=False, kw_only=True):
    """The session of a user, of an agent, or of a screen that shows the wallboard.

    Only ``Sessions`` changes it. Times are in ticks. ``token`` is the digest of the API token that
    the session was opened with or, for a ``screen``, of its key.
    ``password_fingerprint`` identifies the password.
    ``used_at`` is the time of the last use by a clock that does not jump, in ticks.
    ``id`` of a loaded session is empty until a request presents it. ``written`` is the stored form
    of the session, with a last use at ``written_at``.

    The other members are rights, which follow from the site. ``visible_clients`` holds the
    session's client and, except for agents, the clients below it. ``call_centers`` holds the call
    centers that the user is limited to, by client and id, or is None if there is no limit.
    ``services`` holds the services that a screen shows in addition, by client and id.
    """

    digest: str
    client: int
    name: str
    agent: bool
    token: str
    password_fingerprint: str
    last_used: int
    used_at: int = 0
    screen: bool = False
    id: str = ""
    nonce: str = ""
    written_at: int = 0
    written: bytes = b""
    user: int = 0
    role: SessionRole = "Agent"
    call_centers: VisibleCallCenters = None
    services: frozenset[tuple[int, int]] = frozenset()
    visible_clients: tuple[int, ...] = ()
    generation: int = -1

    @property
    def key(self) -> str:
        """The session's key in the store."""
        return session_key(self.client, self.name, self.token, agent=self.agent)

    @property
    def limits(self) -> tuple[frozenset[int] | None, frozenset[int]]:
        """The ids of the call centers (None means all) and services that the session can see."""
        return (
            None if self.call_centers is None else _ids_of_client(self.client, self.call_centers),
            _ids_of_client(self.client, self.services),
        )


def _ids_of_client(client: int, things: frozenset[tuple[int, int]]) -> frozenset[int]:
    return frozenset(number for owner, number in things if owner == client)


class SessionRateLimit:
    """Limits the number of sessions that a user and a client can open per minute.

    A login that returns an existing session does not count. Memory use depends on the number of
    sessions that were opened in the last minute. ``monotonic`` is a clock that does not jump.
    """

    def __init__(
        self,
        monotonic: Now,
        per_user: int = MAX_USER_SESSIONS,
        per_client: int = MAX_CLIENT_SESSIONS,
    ) -> None:
        self._now = monotonic
        self._per_user = per_user
        self._per_client = per_client
        self._opened: deque[tuple[int, int, tuple[int, bool, str]]] = deque()  # oldest first
        self._users: Counter[tuple[int, bool, str]] = Counter()
        self._clients: Counter[int] = Counter()

    def count(self, client: int, name: str, *, agent: bool) -> None:
        """Count a session that is about to be opened. Raises RateLimited if it is one too many."""
        now = self._now()
        user = client, agent, name
        while self._opened and self._opened[0][0] <= now - MINUTE_TICKS:
            self._forget(*self._opened.popleft())
        for whose, count, most in (
            ("user", self._users[user], self._per_user),
            ("client", self._clients[client], self._per_client),
        ):
            if count >= most:
                raise RateLimited(
                    f"the {whose} has opened {most:,} sessions in a minute: reuse a session, and "
                    f"do not log out after each request",
                    retry_after=60,
                )
        self._opened.append((now, client, user))
        self._users[user] += 1
        self._clients[client] += 1

    def _forget(self, _at: int, client: int, user: tuple[int, bool, str]) -> None:
        self._users[user] -= 1
        self._clients[client] -= 1
        if not self._users[user]:
            del self._users[user]
        if not self._clients[client]:
            del self._clients[client]


class _Stored(Struct, kw_only=True, omit_defaults=True):
    id: str
    client: int
    name: str
    agent: bool
    token: str
    proof: str
    used: int
    nonce: str = ""
    screen: bool = False


def encode_session(session: Session) -> bytes:
    """Return the stored form of a session, which includes the time of its last use."""
    return msgspec.json.encode(
        _Stored(
            id=HASH_PREFIX + session.digest,
            client=session.client,
            name=session.name,
            agent=session.agent,
            token=session.token,
            proof=session.password_fingerprint,
            used=session.last_used,
            nonce=session.nonce,
            screen=session.screen,
        )
    )


def decode_session(raw: bytes) -> Session | None:
    """Return the session stored as ``raw``, or None if it is damaged.

    The session is not yet checked against the site. Its ``id`` is set only if an earlier release
    stored it.
    """
    try:
        found = msgspec.json.decode(raw, type=_Stored)
    except UNDECODABLE:
        return None
    hashed = found.id.startswith(HASH_PREFIX)
    return Session(
        id="" if hashed else found.id,
        digest=found.id.removeprefix(HASH_PREFIX) if hashed else digest(found.id),
        nonce=found.nonce,
        screen=found.screen,
        client=found.client,
        name=found.name,
        agent=found.agent,
        token=found.token,
        password_fingerprint=found.proof,
        last_used=found.used,
        written_at=found.used,
        written=raw,
    )


def derive_session_id(nonce: str, api_token: str) -> str:
    """Return the id (a version 4 UUID) of the session with this nonce and this API token."""
    mac = hmac.digest(api_token.encode("utf-8", "surrogatepass"), nonce.encode(), "sha256")
    return str(uuid.UUID(bytes=mac[:16], version=4))


def session_key(client: int, name: str, token: str, *, agent: bool) -> str:
    """Return the key of a user's session with an API token.

    Every node derives the same key, so that all nodes share one session.
    """
    login = msgspec.json.encode((client, agent, name, token))
    return blake2b(login, digest_size=16).hexdigest()


def password_fingerprint(password_hash: str) -> str:
    """Return a value that identifies a password without revealing it.

    A session keeps it, and ends when the password is changed.
    """
    return sha256(password_hash.encode()).hexdigest()[:32]


MethodGroup = Literal[
    "feeds",
    "call data",
    "campaign statistics",
    "service methods",
    "acknowledgement of alerts",
    "reports",
]

ALLOWED_ROLES: Final[Mapping[MethodGroup, tuple[SessionRole, ...]]] = {
    "feeds": ("Sysadmin", "Manager", SCREEN_ROLE),
    "call data": ("Sysadmin", "Superuser", "Report Admin"),
    "campaign statistics": ("Sysadmin", "Superuser", "IT User", "Auditor", "Manager", SCREEN_ROLE),
    "service methods": ("Sysadmin", "Superuser", "Manager", SCREEN_ROLE),
    "acknowledgement of alerts": ("Sysadmin", "Superuser", "Manager"),
    "reports": ("Sysadmin", "Superuser", "Manager", "Auditor", "Report Admin"),
}
"""The roles that may call each group of methods."""


def require_role(methods: MethodGroup, role: SessionRole) -> None:
    """Raise ``RoleNotAllowed``, which lists the allowed roles, unless ``role`` is one of them."""
    allowed = ALLOWED_ROLES[methods]
    if role not in allowed:
        raise RoleNotAllowed(
            f"the role {role} may not use the {methods}; allowed are {', '.join(allowed)}"
        )
