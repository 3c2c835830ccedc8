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
from floorcast.workers.frames import HEADER_BYTES, Job, JobReply, failure_of, frame, length_of

__all__ = ["PoolTuning", "WorkerFault", "WorkerPool"]

_log = structlog.stdlib.get_logger(__name__)
_reply_decoder = msgspec.msgpack.Decoder(JobReply)


@dataclass(frozen=True, slots=True)
class PoolTuning:
    """Limits of a pool.

    At most ``at_once`` jobs run at a time, each for at most ``seconds`` and with at most
    ``memory_bytes`` of address space. A process without a job ends after ``idle_seconds``. A
    refused client is told to try again after ``retry_seconds``. Its turn is reserved for twice that
    time.
    """

    at_once: int = 2
    seconds: float = 60.0
    memory_bytes: int = 2 << 30
    idle_seconds: float = 60.0
    retry_seconds: int = 2


class WorkerFault(Exception):
    """A job raised an unexpected exception. The message is its traceback."""


class WorkerPool:
    """Runs functions from bytes to bytes in worker processes. A pool belongs to one event loop."""

    def __init__(self, tuning: PoolTuning | None = None) -> None:
        self._tuning = tuning or PoolTuning()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._running: Counter[int] = Counter()
        self._turns: dict[int, float] = {}  # when each refused client's reserved turn ends
        self._ending: set[asyncio.Task[int]] = set()
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
        near: object = None,
    ) -> bytes:
        """Run a module's function in a worker process and return its result.

        A process whose last job had the same ``near`` is preferred, because the function may have
        kept data in memory that it can use again. If the caller is cancelled, the process is
        killed.

        Raises Unavailable if ``at_once`` jobs are running, if the client already has a running job
        and a turn is reserved for another client, if the job takes too much time or memory, or if
        its process ends. If the function raises a FloorcastError, that error is raised here. If it
        raises any other exception, WorkerFault is raised.
        """
        self._admit(client)
        self._running[client] += 1
        try:
            worker = await self._worker(near)
            reply = await self._do(worker, Job(_name_of(function), argument))
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
        for note in reply.notes:
            _log.log(_LEVELS.get(note.level, _LEVELS["info"]), note.event, **note.fields)
        if reply.fault:
            _log.error("worker_fault", function=_name_of(function), traceback=reply.fault)
            raise WorkerFault(reply.fault)
        if reply.answer is None:
            raise failure_of(reply)
        return reply.answer

    async def close(self) -> None:
        """Kill all processes. Running jobs raise Unavailable."""
        self._closed = True
        for worker in (*self._busy, *self._idle):
            self._end(worker)
        self._idle.clear()
        await asyncio.gather(*self._ending)

    def _admit(self, client: int) -> None:
        if self._closed:
            raise Unavailable("the server is stopping")
        now = asyncio.get_running_loop().time()
        self._turns = {one: until for one, until in self._turns.items() if until > now}
        others_wait = any(one != client for one in self._turns)
        full = self._running.total() >= self._tuning.at_once
        if full or (self._running[client] and others_wait):
            self._turns[client] = now + 2 * self._tuning.retry_seconds
            raise Unavailable(
                f"{self._running.total()} requests about the past are being computed, the most at"
                " a time: try again in a moment",
                self._tuning.retry_seconds,
            )
        self._turns.pop(client, None)

    async def _worker(self, near: object) -> _Worker:
        self._idle = [worker for worker in self._idle if worker.process.returncode is None]
        chosen = next((one for one in self._idle if one.near == near), None)
        if chosen is None and len(self._idle) + len(self._busy) >= self._tuning.at_once:
            chosen = self._idle[0]
        if chosen is None:
            chosen = _Worker(await self._started())
        else:
            self._idle.remove(chosen)
        chosen.near = near
        if chosen.retirement is not None:
            chosen.retirement.cancel()
        return chosen

    async def _started(self) -> Process:
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

    async def _do(self, worker: _Worker, job: Job) -> JobReply:
        self._busy.add(worker)
        reply = None
        try:
            async with asyncio.timeout(self._tuning.seconds):
                reply = await _exchanged(worker.process, frame(job))
        except TimeoutError:
            _log.error("worker_slow", function=job.function, seconds=self._tuning.seconds)
            raise Unavailable(
                f"the answer takes longer than {self._tuning.seconds:g} s: ask for less", 30
            ) from None
        except (OSError, EOFError, ValueError) as error:
            code = await worker.process.wait() if not isinstance(error, ValueError) else None
            why = getattr(error, "strerror", None) or str(error)
            _log.error("worker_died", function=job.function, code=code, why=why)
            raise Unavailable("the process that computes the answer ended: try again") from error
        finally:
            self._busy.discard(worker)
            if reply is None or reply.ends or self._closed:
                self._end(worker)
            else:
                self._rest(worker)
        return reply

    def _rest(self, worker: _Worker) -> None:
        self._idle.append(worker)
        loop = asyncio.get_running_loop()
        worker.retirement = loop.call_later(self._tuning.idle_seconds, self._retire, worker)

    def _retire(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        """Kill a process and reap it."""
        if worker.retirement is not None:
            worker.retirement.cancel()
        with suppress(ProcessLookupError):
            worker.process.kill()
        task = asyncio.get_running_loop().create_task(worker.process.wait())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Worker:
    """A process and the ``near`` of its last job."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.near: object = None
        self.retirement: asyncio.TimerHandle | None = None


async def _exchanged(process: Process, request: bytes) -> JobReply:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    await process.stdin.drain()
    header = await process.stdout.readexactly(HEADER_BYTES)
    return _reply_decoder.decode(await process.stdout.readexactly(length_of(header)))


def _name_of(function: Callable[[bytes], bytes]) -> str:
    return f"{function.__module__}:{function.__qualname__}"


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
