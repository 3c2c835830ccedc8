"""What the server asks its worker processes to do for the archive, and what they say."""

from __future__ import annotations

from hashlib import blake2b

from msgspec import Struct, field

from floorcast.archive.personal import Mode
from floorcast.archive.replay import Limits

__all__ = ["SealJob", "SealReport", "hash_key"]


class SealJob(Struct):
    """What to seal: the next hour of a client that is due at ``now`` (ms) and not sealed.

    ``folder`` is the data folder, ``archive`` where the archive is.
    """

    folder: str
    archive: str
    client: int
    time_zone: str
    now: int
    limits: Limits
    personal: Mode = "drop"
    key: bytes = b""
    token_secret: bytes = b""


class SealReport(Struct):
    """What was done: the hour that was sealed or corrected, and the files it has.

    ``missing`` are hours that the log no longer has. ``pending`` hours are due and not sealed yet;
    after 0, nothing is due before ``next_due`` (ms).
    """

    sealed: str | None = None
    corrected: bool = False
    rows: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    pending: int = 0
    next_due: int = 0


def hash_key(installation: bytes) -> bytes:
    """The key of hashed personal data, from the installation's secret: it is in every backup."""
    return blake2b(installation, digest_size=32, person=b"floorcast-hashes").digest()
