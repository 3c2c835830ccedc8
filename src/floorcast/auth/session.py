"""One session, and how it is written down."""

from __future__ import annotations

from hashlib import blake2b, sha256

import msgspec
from msgspec import Struct

from floorcast.site.configuration import Role

__all__ = ["Session", "login_key", "proof_of", "restored", "stored"]


class Session(Struct, eq=False, kw_only=True):
    """Somebody who is logged in. Only ``Sessions`` writes to it.

    ``client``, ``user``, ``name`` and ``agent`` say who it is, ``token`` (a digest) and
    ``proof`` what it was opened with; ``written`` is what the bucket holds of it, with a
    use at ``kept``. What it may do follows from the site: ``clients_seen`` are the own client
    and, but for agents, those below it; ``call_centers`` those that the user is limited to, None
    for all. Times are in ticks.
    """

    id: str
    client: int
    name: str
    agent: bool
    token: str
    proof: str
    last_used: int
    kept: int = 0
    written: bytes = b""
    user: int = 0
    role: Role = "Agent"
    call_centers: frozenset[int] | None = None
    clients_seen: tuple[int, ...] = ()
    generation: int = -1

    @property
    def key(self) -> str:
        """What the bucket keeps it under."""
        return login_key(self.client, self.name, self.token, agent=self.agent)


class _Stored(Struct, kw_only=True):
    id: str
    client: int
    name: str
    agent: bool
    token: str
    proof: str
    used: int


def stored(session: Session) -> bytes:
    """What is written down of a session: who it is, and when it was used."""
    return msgspec.json.encode(
        _Stored(
            id=session.id,
            client=session.client,
            name=session.name,
            agent=session.agent,
            token=session.token,
            proof=session.proof,
            used=session.last_used,
        )
    )


def restored(raw: bytes) -> Session | None:
    """The session that was written down, still to be checked against the site; None if damaged."""
    try:
        found = msgspec.json.decode(raw, type=_Stored)
    except msgspec.DecodeError:
        return None
    return Session(
        id=found.id,
        client=found.client,
        name=found.name,
        agent=found.agent,
        token=found.token,
        proof=found.proof,
        last_used=found.used,
        kept=found.used,
        written=raw,
    )


def login_key(client: int, name: str, token: str, *, agent: bool) -> str:
    """The one key of a user's session with an API token, so that there is one on all nodes."""
    login = msgspec.json.encode((client, agent, name, token))
    return blake2b(login, digest_size=16).hexdigest()


def proof_of(password_hash: str) -> str:
    """What tells that a session was opened under this password, and nothing else of it."""
    return sha256(password_hash.encode()).hexdigest()[:32]
