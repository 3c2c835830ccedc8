"""Seals each client's hours in a worker process, one after the other.

If an hour cannot be sealed, it is retried later. The other clients wait only as long as the attempt
takes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import structlog

from floorcast.archive.extra import require_extra
from floorcast.archive.jobs import SealJob, SealReport, hash_key
from floorcast.archive.personal import Mode
from floorcast.archive.work import seal
from floorcast.config.settings import Settings
from floorcast.http.services import Services
from floorcast.kv.folder import IN_MEMORY
from floorcast.model.errors import FloorcastError, SettingError
from floorcast.model.token import to_ms
from floorcast.workers.pool import PoolTuning, WorkerFault, WorkerPool

__all__ = ["ArchiveState", "Archiver", "check_archive"]

ROUND_SECONDS = 15.0  # between two rounds over the clients
RETRY_MS = 60_000  # after a failed attempt
SEAL_MEMORY_BYTES = 16 << 30  # address space, most of which pyarrow only reserves
SEAL_SECONDS = 1800.0  # time limit for sealing one hour

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ArchiveState:
    """The archive's progress, for the metrics.

    ``pending`` counts the hours that are due but not sealed yet.
    """

    pending: int = 0
    sealed: int = 0
    corrected: int = 0
    missing: int = 0
    failures: int = 0


def check_archive(settings: Settings) -> None:
    """Raise SettingError if the settings ask for an archive that this installation cannot keep."""
    if not settings.archive:
        return
    require_extra()
    if settings.data == IN_MEMORY:
        raise SettingError("archive needs a data folder: give one with --data")
    if not settings.archive.startswith("s3://"):
        _require_no_file(Path(settings.archive).absolute())


def _require_no_file(folder: Path) -> None:
    """Raise SettingError if a file is in the place of a folder.

    A folder that is missing or cannot be used now may be usable later, so it is not an error.
    """
    for path in (folder, *folder.parents):
        with suppress(PermissionError):
            if path.exists() and not path.is_dir():
                raise SettingError(f"archive {folder} cannot be used: {path} is not a folder")


class _Pause(NamedTuple):
    """A client's pause between two checks for due hours, in ms."""

    begin: int
    end: int


class Archiver:
    """Seals the hours of the clients that a node serves."""

    def __init__(
        self,
        settings: Settings,
        server: Services,
        pool: WorkerPool | None = None,
    ) -> None:
        self.state = ArchiveState()
        self._settings = settings
        self._server = server
        self._pool = pool or WorkerPool(
            PoolTuning(max_jobs=1, seconds=SEAL_SECONDS, memory_bytes=SEAL_MEMORY_BYTES)
        )
        self._round_lock = asyncio.Lock()
        self._pauses: dict[int, _Pause] = {}
        self._pending: dict[int, int] = {}
        self._missing: set[tuple[int, str]] = set()

    async def run(self) -> None:
        """Seal hours until cancelled."""
        while True:
            await self.run_round()
            await asyncio.sleep(ROUND_SECONDS)

    async def run_round(self) -> None:
        """Seal all due hours, one hour per client in turn. Only one round runs at a time."""
        async with self._round_lock:
            await self._seal_due()

    async def _seal_due(self) -> None:
        while True:
            due = [client for client in list(self._server.floors) if self._is_due(client)]
            for client in due:
                await self._seal(client)
            if not any(self._pending.get(client) for client in due if self._is_due(client)):
                return

    async def close(self) -> None:
        """End the worker process. An interrupted hour is sealed after the next start."""
        await self._pool.close()

    def _is_due(self, client: int) -> bool:
        pause, now = self._pauses.get(client), to_ms(self._server.now())
        # before its begin, a pause may last for hours, because the clock was set back
        return pause is None or not pause.begin <= now < pause.end

    async def _seal(self, client: int) -> None:
        floor = self._server.floors.get(client)
        if floor is None:
            return
        now = to_ms(self._server.now())
        try:
            answer = await self._pool.run(client, seal, self._encode_job(client, now))
        except (FloorcastError, WorkerFault) as error:
            self.state.failures += 1
            self._pauses[client] = _Pause(now, now + RETRY_MS)
            why = str(error).strip().splitlines()[-1]
            _log.warning("archive_failed", client=client, why=why, hint="the server will try again")
            return
        self._record_report(client, msgspec.msgpack.decode(answer, type=SealReport), now)

    def _encode_job(self, client: int, now: int) -> bytes:
        settings, server = self._settings, self._server
        config = server.floors[client].floor.state.config
        return msgspec.msgpack.encode(
            SealJob(
                folder=str(Path(settings.data).absolute()),
                archive=settings.archive,
                client=client,
                time_zone=config.time_zone,
                now=now,
                limits=server.past.limits,
                personal=cast("Mode", settings.archive_personal),
                key=hash_key(server.token_secret),
                token_secret=server.token_secret,
            )
        )

    def _record_report(self, client: int, report: SealReport, now: int) -> None:
        self._pending[client] = report.pending
        self.state.pending = sum(self._pending.values())
        if not report.pending:
            self._pauses[client] = _Pause(now, report.next_due)
        if report.sealed is not None:
            self.state.corrected += report.corrected
            self.state.sealed += not report.corrected
            _log.info(
                "archive_hour_corrected" if report.corrected else "archive_hour_sealed",
                client=client,
                hour=report.sealed,
                rows=report.rows,
                bytes=report.bytes,
                pending=report.pending,
            )
        newly_missing = [hour for hour in report.missing if (client, hour) not in self._missing]
        if newly_missing:
            self._missing.update((client, hour) for hour in newly_missing)
            self.state.missing += len(newly_missing)
            _log.warning(
                "archive_hours_missing",
                client=client,
                first=newly_missing[0],
                last=newly_missing[-1],
                hours=len(newly_missing),
                hint="the log no longer has them: the server or the archive was down for too long",
            )
