"""A server's data folder, which contains the events of some hours, and its archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from floorcast.archive.jobs import SealJob, SealReport
from floorcast.archive.work import seal
from floorcast.model.token import TICKS_PER_SECOND, to_ms
from tests.archive.sources import LIMITS
from tests.real.nodes import Clock, NodeHarness
from tests.real.sites import ACME, event, ndjson

__all__ = ["START", "ZONE", "Floor", "folder"]

ZONE = "America/New_York"
START = datetime(2026, 11, 24, 15, 2, 5, tzinfo=UTC)  # 10:02:05 in New York
PHONE = "+1 212 555 0147"


class Floor:
    """A node and its archive. The node's clock starts two minutes after ten in the morning."""

    def __init__(self, path: Path, start: datetime = START, **settings: object) -> None:
        self.clock = Clock(int(start.timestamp()) * TICKS_PER_SECOND)
        self.harness = NodeHarness(path, self.clock, **settings)  # type: ignore[arg-type]  # callers pass only settings
        self.archive = path / "archive"
        self._number = 0

    def advance(self, minutes: float) -> None:
        """Advance the clock."""
        self.clock.move(minutes * 60)

    def send(self, kind: str, ago: float = 0, **data: object) -> None:
        """Send an event that is ``ago`` seconds old."""
        self._number += 1
        at = datetime.fromtimestamp(to_ms(self.clock()) / 1000, UTC) - timedelta(seconds=ago)
        self.harness.take(ndjson([event(kind, self._number, time=at.isoformat(), **data)]))

    def call(
        self,
        number: int,
        agent: str = "SEBY",
        *,
        phone: str = PHONE,
        name: str = "Lovelace",
        ago: float = 0,
    ) -> None:
        """Send a call's events. The call is answered after ten seconds and ends a minute later.

        It ended ``ago`` seconds ago.
        """
        call = {"transactionId": number, "sessionId": f"S{number}"}
        self.send(
            "call.start", ago + 70, **call, service="Sales", direction="INBOUND", callerId=phone,
            account=f"ACC-{number}", consumer={"firstName": "Ada", "lastName": name},
        )  # fmt: skip
        self.send("call.queue", ago + 70, **call, service="Sales")
        self.send("call.answer", ago + 60, **call, agent=agent)
        self.send("call.end", ago, **call)
        self.send("call.disposition", ago, **call, agent=agent, termCode="SALE")

    def seal(self, **changes: object) -> SealReport:
        """Seal the next hour. ``changes`` override the job's members."""
        job = SealJob(
            folder=str(self.harness.data),
            archive=str(self.archive),
            client=ACME,
            time_zone=ZONE,
            now=to_ms(self.clock()),
            limits=LIMITS,
            key=b"a key",
        )
        for name, value in changes.items():
            setattr(job, name, value)
        return msgspec.msgpack.decode(seal(msgspec.msgpack.encode(job)), type=SealReport)

    def seal_all(self, **changes: object) -> list[SealReport]:
        """Seal all hours that are due."""
        reports = [self.seal(**changes)]
        while reports[-1].pending:
            reports.append(self.seal(**changes))
        return reports

    def files(self) -> dict[str, bytes]:
        """Return the archive's files by path."""
        return {
            str(file.relative_to(self.archive)): file.read_bytes()
            for file in sorted(self.archive.rglob("*"))
            if file.is_file()
        }


@contextmanager
def folder(path: Path) -> Iterator[Floor]:
    """Run a floor until the end of the block."""
    path.mkdir(exist_ok=True)
    floor = Floor(path)
    try:
        yield floor
    finally:
        floor.harness.end()
