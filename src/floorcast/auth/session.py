"""One session, and how it is written down."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct

from floorcast.site.model import Role

__all__ = ["Session", "proof_of", "restored", "stored"]


class Session(Struct, eq=False, kw_only=True):
    """Somebody who is logged in. Only ``Sessions`` writes to it.

    ``client``, ``user``, ``name`` and ``agent`` say who it is, ``token`` (a digest) and
    ``proof`` what it was opened with. What it may do follows from the site: ``clients_seen``
    are the own client and, but for agents, those below it; ``call_centers`` those that the user
    is limited to, None for all. ``last_used`` is in ticks.
    """

    id: str
    client: int
    name: str
    agent: bool
    token: str
    proof: str
    last_used: int
    user: int = 0
    role: Role = "Agent"
    call_centers: frozenset[int] | None = None
    clients_seen: tuple[int, ...] = ()
    generation: int = -1


class _Stored(Struct, kw_only=True):
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
            client=session.client,
            name=session.name,
            agent=session.agent,
            token=session.token,
            proof=session.proof,
            used=session.last_used,
        )
    )


def restored(session_id: str, raw: bytes) -> Session | None:
    """The session that was written down, still to be checked against the site; None if damaged."""
    try:
        found = msgspec.json.decode(raw, type=_Stored)
    except msgspec.DecodeError:
        return None
    return Session(
        id=session_id,
        client=found.client,
        name=found.name,
        agent=found.agent,
        token=found.token,
        proof=found.proof,
        last_used=found.used,
    )


def proof_of(password_hash: str) -> str:
    """What tells that a session was opened under this password, and nothing else of it."""
    return sha256(password_hash.encode()).hexdigest()[:32]
