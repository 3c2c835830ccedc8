"""Writes derived data to one SQLite file, in the background and in order.

Jobs are stored in the order in which they were submitted, several per transaction, so a crash loses
only the last ones. While the disk fails, the writer retries and drops nothing, so the caller must
watch ``backlog``.

The writer's thread only runs statements. ``run_callbacks`` runs the callbacks of stored jobs on
the caller's thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

import apsw
import structlog

from floorcast.model.errors import SettingError
from floorcast.sqlite.files import transaction

__all__ = ["DAMAGED", "BackgroundWriter", "Work"]

GROUP_JOBS = 64  # per transaction
RETRY_SECONDS = 0.5  # between two attempts while the disk fails

DAMAGED = (apsw.CorruptError, apsw.NotADBError)
"""Errors of SQLite for a damaged file, as opposed to a busy or full disk."""

Work = Callable[[apsw.Connection], object]


class _Marker(NamedTuple):
    """A mark in the queue, which sets ``reached`` when the jobs before it are stored."""

    reached: threading.Event


_END = _Marker(threading.Event())

_log = structlog.get_logger(__name__)


class _Job(NamedTuple):
    work: Work
    on_stored: Callable[[], None] | None
    size: int


class BackgroundWriter:
    """Owns a connection and is its only writer.

    With ``background=False``, it writes immediately on the caller's thread (for a file in memory).
    ``tidy`` removes a little old data, and returns whether there may be more. It is called after
    every group, and repeatedly while the thread is idle. ``healthy`` is False while the disk fails.

    ``create_file`` deletes the file and opens a new one. If the file is damaged, the writer
    continues with a new file, without the data stored before. ``replacements`` counts these
    replacements.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        name: str,
        *,
        background: bool = True,
        tidy: Callable[[apsw.Connection], bool] | None = None,
        create_file: Callable[[], apsw.Connection] | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.replacements = 0
        self._create_file = create_file
        self._replacements_requested = 0  # replacements of the file that readers have requested
        self._tidy_failing = False
        self._retry_seconds = retry_seconds
        self.healthy = True
        self._connection = connection
        self._name = name
        self._tidy = tidy
        self._submitted_bytes = 0
        self._settled_bytes = 0
        self._queue: SimpleQueue[_Job | _Marker] = SimpleQueue()
        self._stored: deque[_Job] = deque()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if background:
            self._thread = threading.Thread(target=self._run, name=f"writer-{name}", daemon=True)
            self._thread.start()

    @property
    def backlog(self) -> int:
        """The submitted bytes that are not known to be stored yet."""
        return self._submitted_bytes - self._settled_bytes

    def submit(self, size: int, work: Work, on_stored: Callable[[], None] | None = None) -> None:
        """Run ``work`` on the connection.

        ``run_callbacks`` calls ``on_stored``, if it is given, once the work is stored.

        ``size`` is the memory that the job takes, in bytes.
        """
        job = _Job(work, on_stored, size)
        self._submitted_bytes += size
        if self._thread is not None:
            self._queue.put(job)
            return
        with transaction(self._connection):
            work(self._connection)
        self._stored.append(job)
        while self._tidy is not None and self._tidy(self._connection):
            pass
        self.run_callbacks()

    def run_callbacks(self) -> None:
        """Call ``on_stored`` for every job that has been stored since the last call, in order."""
        stored = self._stored
        while stored:
            job = stored.popleft()
            self._settled_bytes += job.size
            if job.on_stored is not None:
                job.on_stored()

    def wait(self, *, timeout: float = 60.0) -> bool:
        """Wait until everything submitted is stored. Returns False after ``timeout`` seconds."""
        if self._thread is None:
            return True
        marker = _Marker(threading.Event())
        self._queue.put(marker)
        return marker.reached.wait(timeout)

    def request_replacement(self, replacements: int) -> None:
        """Replace the file, which a reader found damaged after ``replacements`` replacements.

        Nothing happens if the writer has already replaced that file. A second replacement would
        delete the new file while readers use it.
        """
        self._replacements_requested = replacements + 1
        self._queue.put(_Marker(threading.Event()))

    def close(self) -> None:
        """Store everything submitted, unless the disk fails, then close the file. Blocks."""
        self._closing.set()
        if self._thread is not None:
            self._queue.put(_END)
            self._thread.join()
        with suppress(apsw.Error):
            self._connection.close()

    def _run(self) -> None:
        more = self._tidy is not None  # an earlier process may have left work
        while True:
            jobs, marker = self._next_group(wait=not more)
            if self.replacements < self._replacements_requested:
                self._replacements_requested = 0
                self._replace_file("a reader found it damaged")
            if jobs and not self._store(jobs):
                return
            if marker is _END:
                return
            more = self._run_tidy()
            if marker is not None:
                marker.reached.set()

    def _next_group(self, *, wait: bool) -> tuple[list[_Job], _Marker | None]:
        jobs: list[_Job] = []
        try:
            item = self._queue.get(block=wait)
            while isinstance(item, _Job):
                jobs.append(item)
                if len(jobs) == GROUP_JOBS:
                    return jobs, None
                item = self._queue.get_nowait()
        except Empty:
            return jobs, None
        return jobs, item

    def _store(self, jobs: list[_Job]) -> bool:
        while True:
            try:
                with transaction(self._connection):
                    for job in jobs:
                        job.work(self._connection)
            except apsw.Error as error:
                if isinstance(error, DAMAGED) and self._replace_file(str(error)):
                    continue
                self._report_failure(error)
                if self._closing.wait(self._retry_seconds):
                    _log.warning("derived_data_lost", file=self._name, jobs=len(jobs))
                    return False
            else:
                self.healthy = True
                self._stored.extend(jobs)
                return True

    def _run_tidy(self) -> bool:
        if self._tidy is None:
            return False
        try:
            with transaction(self._connection):
                more = self._tidy(self._connection)
        except apsw.Error as error:
            if isinstance(error, DAMAGED) and self._replace_file(str(error)):
                return False
            if not self._tidy_failing:
                _log.warning("derived_data_untidy", file=self._name, error=str(error))
            self._tidy_failing = True
            return False
        self._tidy_failing = False
        return more

    def _replace_file(self, why: str) -> bool:
        """Continue with a new file, if one can be created."""
        if self._create_file is None:
            return False
        with suppress(apsw.Error):
            self._connection.close()
        try:
            self._connection = self._create_file()
            self.replacements += 1
        except SettingError as error:
            self._report_failure(error)
            return False
        finally:
            # logged last: from then on, no lookup uses the old file
            _log.error("derived_data_damaged", file=self._name, why=why)
        return True

    def _report_failure(self, error: Exception) -> None:
        if self.healthy:
            _log.error("derived_data_unwritable", file=self._name, error=str(error))
        self.healthy = False
