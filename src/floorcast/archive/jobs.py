"""What the server asks its worker processes to do for the archive, and what they say."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from msgspec import Struct, field

from floorcast.archive.personal import Mode
from floorcast.projection.refold import FoldLimits
from floorcast.site.configuration import Service

__all__ = [
    "CallPlace",
    "ClientSpan",
    "ReportJob",
    "ReportReply",
    "SealJob",
    "SealReport",
    "hash_key",
]


class SealJob(Struct):
    """What to seal: the next hour of a client that is due at ``now`` (ms) and not sealed.

    ``folder`` is the data folder, ``archive`` where the archive is.
    """

    folder: str
    archive: str
    client: int
    time_zone: str
    now: int
    limits: FoldLimits
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


class ClientSpan(Struct):
    """What to report of one client: from ``start`` to ``end`` (ms), of these ``services``.

    -1 stands for what belongs to no service. ``described`` are the services that the site has, and
    ``call_centers`` are those of services that have one.
    """

    client: int
    time_zone: str
    start: int
    end: int
    services: list[int]
    described: list[Service] = field(default_factory=list)
    call_centers: dict[int, int] = field(default_factory=dict)


class CallPlace(Struct, array_like=True):
    """The place of a call in a list: its end in ms, its client, and its name and segment."""

    ended: int
    client: int
    transaction: str
    session: str
    segment: int

    def order(self) -> tuple[int, int, str, str, int]:
        """What calls are sorted by."""
        return (self.ended, self.client, self.transaction, self.session, self.segment)


class ReportJob(Struct):
    """A report: of ``service`` or ``agent`` intervals, or of ``calls``.

    ``interval`` is in seconds, 0 for days. A page of calls has ``count`` of them and begins after
    ``after``; ``agent`` (a login id) and ``outcome`` select calls.
    """

    kind: Literal["service", "agent", "calls"]
    folder: str
    archive: str
    spans: list[ClientSpan]
    now: int
    limits: FoldLimits
    interval: int = 0
    personal: Mode = "drop"
    key: bytes = b""
    count: int = 1000
    after: CallPlace | None = None
    agent: str | None = None
    outcome: str | None = None


class ReportReply(Struct):
    """The body of the response, and for a page of calls where the next one begins."""

    body: bytes
    last: CallPlace | None = None


def hash_key(installation: bytes) -> bytes:
    """The key of hashed personal data, from the installation's secret: it is in every backup."""
    return blake2b(installation, digest_size=32, person=b"floorcast-hashes").digest()
