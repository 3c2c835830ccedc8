"""One session: its id, how it is stored, and what its role may call.

The store holds only the SHA-256 of a session's id. The id is derived from the API token of the
login and a random nonce, so a later login with that token returns the same id even after a restart.
A reader of the store has the nonce but not the token.
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
from floorcast.site.configuration import Role
from floorcast.site.digests import digest
from floorcast.site.live_site import CallCenters

__all__ = [
    "ALLOWED",
    "SCREEN",
    "Methods",
    "NewSessions",
    "Session",
    "SessionRole",
    "id_from",
    "login_key",
    "proof_of",
    "require",
    "restored",
    "stored",
]


SessionRole = Role | Literal["Screen"]
"""The role of a session: a user's role, or that of a screen key, which no user can have."""

SCREEN: Final = "Screen"

HASHED = "sha256:"  # prefix of the stored hash of an id; earlier releases stored the id


MINUTE_TICKS = 60 * TICKS_PER_SECOND
MAX_USER_SESSIONS = 30  # new sessions in a minute
MAX_CLIENT_SESSIONS = 3_000  # the same, of all users of a client


class Session(Struct, eq=False, kw_only=True):
    """The session of a user, of an agent, or of a screen that shows the wallboard.

    Only ``Sessions`` writes to it. Times are in ticks. ``token`` (a digest) and ``proof`` are what
    it was opened with; a ``screen`` has the digest of its key as ``token``. ``id`` is empty until a
    request has presented it since it was loaded. ``written`` is its stored form, including a use at
    ``kept``.

    Its rights follow from the site: ``clients_seen`` are the session's client and, except for
    agents, the clients below it. ``call_centers`` are those that the user is limited to, by client
    and id, None for all. ``services`` are those that a screen sees in addition, by client and id.
    """

    digest: str
    client: int
    name: str
    agent: bool
    token: str
    proof: str
    last_used: int
    screen: bool = False
    id: str = ""
    nonce: str = ""
    kept: int = 0
    written: bytes = b""
    user: int = 0
    role: SessionRole = "Agent"
    call_centers: CallCenters = None
    services: frozenset[tuple[int, int]] = frozenset()
    clients_seen: tuple[int, ...] = ()
    generation: int = -1

    @property
    def key(self) -> str:
        """The key of the session in the store."""
        return login_key(self.client, self.name, self.token, agent=self.agent)

    @property
    def limits(self) -> tuple[frozenset[int] | None, frozenset[int]]:
        """The ids of the client's call centers and services that it can see (None: all)."""
        return (
            None if self.call_centers is None else _of_client(self.client, self.call_centers),
            _of_client(self.client, self.services),
        )


def _of_client(client: int, things: frozenset[tuple[int, int]]) -> frozenset[int]:
    return frozenset(number for owner, number in things if owner == client)


class NewSessions:
    """Limits the sessions that a user and a client can open per minute.

    A login that returns an existing session does not count. Memory use depends on the logins of the
    last minute.
    """

    def __init__(
        self, now: Now, per_user: int = MAX_USER_SESSIONS, per_client: int = MAX_CLIENT_SESSIONS
    ) -> None:
        self._now = now
        self._per_user = per_user
        self._per_client = per_client
        self._opened: deque[tuple[int, int, tuple[int, bool, str]]] = deque()  # oldest first
        self._users: Counter[tuple[int, bool, str]] = Counter()
        self._clients: Counter[int] = Counter()

    def count(self, client: int, name: str, *, agent: bool) -> None:
        """Count a session that is about to be opened. Raises RateLimited instead."""
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


def stored(session: Session) -> bytes:
    """A session as stored: its user, and the time of its use."""
    return msgspec.json.encode(
        _Stored(
            id=HASHED + session.digest,
            client=session.client,
            name=session.name,
            agent=session.agent,
            token=session.token,
            proof=session.proof,
            used=session.last_used,
            nonce=session.nonce,
            screen=session.screen,
        )
    )


def restored(raw: bytes) -> Session | None:
    """The session stored as ``raw``, not yet checked against the site; None if damaged.

    A session that an earlier release stored has its ``id``.
    """
    try:
        found = msgspec.json.decode(raw, type=_Stored)
    except msgspec.DecodeError:
        return None
    hashed = found.id.startswith(HASHED)
    return Session(
        id="" if hashed else found.id,
        digest=found.id.removeprefix(HASHED) if hashed else digest(found.id),
        nonce=found.nonce,
        screen=found.screen,
        client=found.client,
        name=found.name,
        agent=found.agent,
        token=found.token,
        proof=found.proof,
        last_used=found.used,
        kept=found.used,
        written=raw,
    )


def id_from(nonce: str, api_token: str) -> str:
    """The id (a version 4 UUID) of the session with this nonce, opened with this API token."""
    mac = hmac.digest(api_token.encode("utf-8", "surrogatepass"), nonce.encode(), "sha256")
    return str(uuid.UUID(bytes=mac[:16], version=4))


def login_key(client: int, name: str, token: str, *, agent: bool) -> str:
    """The only key of a user's session with an API token, so that all nodes share one session."""
    login = msgspec.json.encode((client, agent, name, token))
    return blake2b(login, digest_size=16).hexdigest()


def proof_of(password_hash: str) -> str:
    """Verifies that a session was opened with this password, without revealing it."""
    return sha256(password_hash.encode()).hexdigest()[:32]


Methods = Literal[
    "feeds",
    "call data",
    "campaign statistics",
    "service methods",
    "acknowledgement of alerts",
    "reports",
]

ALLOWED: Final[Mapping[Methods, tuple[SessionRole, ...]]] = {
    "feeds": ("Sysadmin", "Manager", SCREEN),
    "call data": ("Sysadmin", "Superuser", "Report Admin"),
    "campaign statistics": ("Sysadmin", "Superuser", "IT User", "Auditor", "Manager", SCREEN),
    "service methods": ("Sysadmin", "Superuser", "Manager", SCREEN),
    "acknowledgement of alerts": ("Sysadmin", "Superuser", "Manager"),
    "reports": ("Sysadmin", "Superuser", "Manager", "Auditor", "Report Admin"),
}
"""The roles that may call each group of methods."""


def require(methods: Methods, role: SessionRole) -> None:
    """Raise ``RoleNotAllowed`` with the allowed roles unless ``role`` is one of them."""
    allowed = ALLOWED[methods]
    if role not in allowed:
        raise RoleNotAllowed(
            f"the role {role} may not use the {methods}; allowed are {', '.join(allowed)}"
        )
