"""A pool of worker processes, which runs a few jobs at a time and has no queue.

Each process is a new interpreter, not a fork, so it has none of the server's threads, locks and
sockets. It is reused for the next job and ends after a minute without one.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog

from floorcast.model.errors import Unavailable
from floorcast.workers.frames import (
    HEADER_BYTES,
    Job,
    JobReply,
    encode_frame,
    error_of_reply,
    frame_length,
)

__all__ = ["PoolTuning", "WorkerFault", "WorkerPool"]

_log = structlog.stdlib.get_logger(__name__)
_reply_decoder = msgspec.msgpack.Decoder(JobReply)


@dataclass(frozen=True, slots=True)
class PoolTuning:
    """Limits of a pool.

    At most ``max_jobs`` jobs run at a time, each for at most ``seconds`` and with at most
    ``memory_bytes`` of address space. A process without a job ends after ``idle_seconds``. A
    refused client is told to try again after ``retry_seconds``. Its turn is reserved for twice that
    time.
    """

    max_jobs: int = 2
    seconds: float = 60.0
    memory_bytes: int = 2 << 30
    idle_seconds: float = 60.0
    retry_seconds: int = 2


class WorkerFault(Exception):
    """A job raised an unexpected exception. The message is its traceback."""


class WorkerPool:
    """Runs functions in worker processes. A pool belongs to one event loop.

    Each function takes and returns bytes.
    """

    def __init__(self, tuning: PoolTuning | None = None) -> None:
        self._tuning = tuning or PoolTuning()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._running: Counter[int] = Counter()
        self._reserved_until: dict[int, float] = {}  # when each refused client's reserved turn ends
        self._reaping: set[asyncio.Task[int]] = set()
        self._closed = False

    @property
    def processes(self) -> list[int]:
        """The ids of the running processes."""
        return [worker.process.pid for worker in (*self._busy, *self._idle)]

    async def run(
        self,
        client: int,
        function: Callable[[bytes], bytes],
        argument: bytes,
        *,
        affinity: object = None,
    ) -> bytes:
        """Run a module's function in a worker process and return its result.

        A process whose last job had the same ``affinity`` is preferred, because the function may
        still have data for it in memory. If the caller is cancelled, the process is
        killed.

        Raises Unavailable if ``max_jobs`` jobs are running, if the client already has a running job
        and a turn is reserved for another client, if the job takes too much time or memory, or if
        its process ends. If the function raises a FloorcastError, that error is raised here. If it
        raises any other exception, WorkerFault is raised.
        """
        self._admit(client)
        self._running[client] += 1
        try:
            worker = await self._worker(affinity)
            reply = await self._run_job(worker, Job(_qualified_name(function), argument))
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
        for note in reply.notes:
            _log.log(_LEVELS.get(note.level, _LEVELS["info"]), note.event, **note.fields)
        if reply.fault:
            _log.error("worker_fault", function=_qualified_name(function), traceback=reply.fault)
            raise WorkerFault(reply.fault)
        if reply.answer is None:
            raise error_of_reply(reply)
        return reply.answer

    async def close(self) -> None:
        """Kill all processes. Running jobs raise Unavailable."""
        self._closed = True
        for worker in (*self._busy, *self._idle):
            self._kill(worker)
        self._idle.clear()
        await asyncio.gather(*self._reaping)

    def _admit(self, client: int) -> None:
        if self._closed:
            raise Unavailable("the server is stopping")
        now = asyncio.get_running_loop().time()
        reserved = self._reserved_until
        self._reserved_until = {one: until for one, until in reserved.items() if until > now}
        others_wait = any(other != client for other in self._reserved_until)
        full = self._running.total() >= self._tuning.max_jobs
        if full or (self._running[client] and others_wait):
            self._reserved_until[client] = now + 2 * self._tuning.retry_seconds
            raise Unavailable(
                f"{self._running.total()} requests about the past are being computed, the most at"
                " a time: try again in a moment",
                self._tuning.retry_seconds,
            )
        self._reserved_until.pop(client, None)

    async def _worker(self, affinity: object) -> _Worker:
        self._idle = [idle for idle in self._idle if idle.process.returncode is None]
        worker = next((idle for idle in self._idle if idle.affinity == affinity), None)
        if worker is None and len(self._idle) + len(self._busy) >= self._tuning.max_jobs:
            worker = self._idle[0]
        if worker is None:
            worker = _Worker(await self._start_process())
        else:
            self._idle.remove(worker)
        worker.affinity = affinity
        if worker.idle_timer is not None:
            worker.idle_timer.cancel()
        return worker

    async def _start_process(self) -> Process:
        # none of the server's descriptors are inheritable, so the kernel closes them
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "floorcast.workers.process",
            str(self._tuning.memory_bytes),
            stdin=PIPE,
            stdout=PIPE,
            close_fds=False,
        )

    async def _run_job(self, worker: _Worker, job: Job) -> JobReply:
        self._busy.add(worker)
        reply = None
        try:
            async with asyncio.timeout(self._tuning.seconds):
                reply = await _exchange(worker.process, encode_frame(job))
        except TimeoutError:
            _log.error("worker_slow", function=job.function, seconds=self._tuning.seconds)
            raise Unavailable(
                f"the response takes longer than {self._tuning.seconds:g} s: ask for less", 30
            ) from None
        except (OSError, EOFError, ValueError) as error:
            code = await worker.process.wait() if not isinstance(error, ValueError) else None
            why = getattr(error, "strerror", None) or str(error)
            _log.error("worker_died", function=job.function, code=code, why=why)
            raise Unavailable("the process that computes the response ended: try again") from error
        finally:
            self._busy.discard(worker)
            if reply is None or reply.ends or self._closed:
                self._kill(worker)
            else:
                self._make_idle(worker)
        return reply

    def _make_idle(self, worker: _Worker) -> None:
        self._idle.append(worker)
        loop = asyncio.get_running_loop()
        worker.idle_timer = loop.call_later(self._tuning.idle_seconds, self._retire, worker)

    def _retire(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._kill(worker)

    def _kill(self, worker: _Worker) -> None:
        """Kill a process and reap it."""
        if worker.idle_timer is not None:
            worker.idle_timer.cancel()
        with suppress(ProcessLookupError):
            worker.process.kill()
        task = asyncio.get_running_loop().create_task(worker.process.wait())
        self._reaping.add(task)
        task.add_done_callback(self._reaping.discard)


class _Worker:
    """A process and the ``affinity`` of its last job."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.affinity: object = None
        self.idle_timer: asyncio.TimerHandle | None = None


async def _exchange(process: Process, request: bytes) -> JobReply:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    await process.stdin.drain()
    header = await process.stdout.readexactly(HEADER_BYTES)
    return _reply_decoder.decode(await process.stdout.readexactly(frame_length(header)))


def _qualified_name(function: Callable[[bytes], bytes]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
