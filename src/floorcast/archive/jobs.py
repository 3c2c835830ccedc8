"""The archive's jobs for worker processes, and the replies to them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from msgspec import Struct, field

from floorcast.archive.personal import Mode
from floorcast.projection.refold import FoldLimits
from floorcast.site.configuration import Service

__all__ = [
    "CallCursor",
    "ClientSpan",
    "ReportJob",
    "ReportReply",
    "SealJob",
    "SealReport",
    "hash_key",
]


class SealJob(Struct):
    """A job to seal a client's oldest hour that is due at ``now`` (ms) and not sealed.

    ``folder`` is the data folder. ``archive`` is the location of the archive.
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
    """The result of a SealJob: the hour that was sealed or corrected, and the size of its files.

    ``missing`` has the hours that the log no longer has. ``pending`` is the number of hours that
    are due and not sealed yet. If this is 0, nothing is due before ``next_due`` (ms).
    """

    sealed: str | None = None
    corrected: bool = False
    rows: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    pending: int = 0
    next_due: int = 0


class ClientSpan(Struct):
    """One client's part of a report, for ``services`` and the time from ``start`` to ``end`` (ms).

    Service -1 stands for data without a service. ``service_details`` has the services that the site
    declares, and ``call_centers`` maps services to their call centers.
    """

    client: int
    time_zone: str
    start: int
    end: int
    services: list[int]
    service_details: list[Service] = field(default_factory=list)
    call_centers: dict[int, int] = field(default_factory=dict)


class CallCursor(Struct, array_like=True):
    """The sort key of a page's last call: end (ms), client, transaction, session and segment."""

    ended: int
    client: int
    transaction: str
    session: str
    segment: int

    def sort_key(self) -> tuple[int, int, str, str, int]:
        """Return the sort key."""
        return (self.ended, self.client, self.transaction, self.session, self.segment)


class ReportJob(Struct):
    """A job to report on ``service`` intervals, ``agent`` intervals or ``calls``.

    ``interval`` is in seconds, or 0 for days. A page has at most ``count`` calls and begins after
    ``after``. ``agent`` (a login id) and ``outcome`` select calls.
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
    after: CallCursor | None = None
    agent: str | None = None
    outcome: str | None = None


class ReportReply(Struct):
    """The body of the response. For calls, the next page begins after ``last``."""

    body: bytes
    last: CallCursor | None = None


def hash_key(installation: bytes) -> bytes:
    """Return the key for hashing personal data, derived from a secret that is in every backup."""
    return blake2b(installation, digest_size=32, person=b"floorcast-hashes").digest()
