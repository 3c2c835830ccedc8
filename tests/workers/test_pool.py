"""Tests of the pool: the number of processes, fairness to clients, and lost processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from floorcast.model.errors import InvalidParameter, Unavailable
from floorcast.workers.pool import PoolTuning, WorkerFault, WorkerPool
from tests.workers import jobs

pytestmark = pytest.mark.anyio


ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let worker processes import the tests' functions."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    """Yield a pool of two processes."""
    made = WorkerPool()
    yield made
    await made.close()


def read_pid(file: Path) -> int | None:
    """Return the process id that a job has written to the file, or None."""
    text = file.read_text("ascii") if file.exists() else ""
    return int(text) if text else None


async def start_endless_job(
    pool: WorkerPool, client: int, file: Path
) -> tuple[asyncio.Task[bytes], int]:
    """Start an endless job. Return its task and the id of its process."""
    task = asyncio.create_task(pool.run(client, jobs.forever, str(file).encode()))
    while (pid := read_pid(file)) is None:
        assert not task.done()
        await asyncio.sleep(0)
    return task, pid


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_a_job_runs_in_another_process(pool: WorkerPool) -> None:
    """The function runs in another process, and its output is not part of the result."""
    assert int(await pool.run(1, jobs.pid, b"")) in pool.processes
    assert os.getpid() not in pool.processes
    assert await pool.run(1, jobs.printing, b"") == b"the reply"


async def test_a_large_result_arrives_complete(pool: WorkerPool) -> None:
    """A result that is larger than a pipe's buffer arrives complete."""
    assert len(await pool.run(1, jobs.large, b"5000000")) == 5_000_000


async def test_a_process_is_reused_for_a_job_with_the_same_near(pool: WorkerPool) -> None:
    """A process is used again for the next job with the same ``near``."""
    assert await pool.run(1, jobs.echo, b"a", affinity="x") == b"a"
    assert await pool.run(1, jobs.echo, b"b", affinity="y") == b"b"
    assert await pool.run(1, jobs.echo, b"c", affinity="x") == b"a c"
    assert len(pool.processes) == 2


async def test_a_third_concurrent_job_is_refused(pool: WorkerPool, tmp_path: Path) -> None:
    """The third job is not queued, but fails immediately with Unavailable and ``Retry-After``."""
    first, _ = await start_endless_job(pool, 1, tmp_path / "a")
    second, _ = await start_endless_job(pool, 1, tmp_path / "b")
    with pytest.raises(Unavailable, match="2 requests about the past") as refusal:
        await pool.run(1, jobs.pid, b"")
    assert refusal.value.retry_after == 2
    await pool.close()
    for task in (first, second):
        with pytest.raises(Unavailable):
            await task


async def test_a_client_gets_one_place_after_another_was_refused(
    pool: WorkerPool, tmp_path: Path
) -> None:
    """After another client was refused, a client gets only one of the two places."""
    first, _ = await start_endless_job(pool, 1, tmp_path / "a")
    second, _ = await start_endless_job(pool, 1, tmp_path / "b")
    with pytest.raises(Unavailable):
        await pool.run(2, jobs.pid, b"")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    with pytest.raises(Unavailable):
        await pool.run(1, jobs.pid, b"")
    assert await pool.run(2, jobs.pid, b"")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_cancelled_job_frees_its_place_and_its_process(
    pool: WorkerPool, tmp_path: Path
) -> None:
    """A caller that disconnects leaves nothing running."""
    task, pid = await start_endless_job(pool, 1, tmp_path / "a")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pid not in pool.processes
    assert await pool.run(1, jobs.printing, b"") == b"the reply"
    await pool.close()
    assert not is_running(pid)


async def test_a_refusal_is_raised_and_its_log_lines_appear(pool: WorkerPool) -> None:
    """The function's error is raised, and its log lines appear in the server's log."""
    with (
        capture_logs() as lines,
        pytest.raises(InvalidParameter, match="this is wrong"),
    ):
        await pool.run(1, jobs.refuse, b"this")
    assert {"event": "about_to_refuse", "argument": "this", "log_level": "warning"} in lines


async def test_a_bug_is_logged_and_ends_the_process(pool: WorkerPool) -> None:
    """The traceback is logged, and the next job gets a new process."""
    before = int(await pool.run(1, jobs.pid, b""))
    with capture_logs() as lines, pytest.raises(WorkerFault, match="a bug"):
        await pool.run(1, jobs.fail, b"")
    assert [line["event"] for line in lines] == ["worker_fault"]
    assert "KeyError" in lines[0]["traceback"]
    assert int(await pool.run(1, jobs.pid, b"")) != before


async def test_a_job_of_a_killed_process_is_unavailable(pool: WorkerPool) -> None:
    """After SIGKILL, the job raises Unavailable, a line is logged, and a new process follows."""
    with capture_logs() as lines, pytest.raises(Unavailable, match="try again"):
        await pool.run(1, jobs.die, b"")
    assert lines[0]["event"] == "worker_died"
    assert lines[0]["code"] == -signal.SIGKILL
    assert await pool.run(1, jobs.printing, b"") == b"the reply"


async def test_memory_is_bounded(pool: WorkerPool) -> None:
    """A job that exceeds the memory limit is refused, and the next job still runs."""
    with pytest.raises(Unavailable, match="memory"):
        await pool.run(1, jobs.grow, b"")
    assert await pool.run(1, jobs.printing, b"") == b"the reply"


async def test_time_is_bounded() -> None:
    """A job that exceeds the time limit is refused, and its process is killed."""
    pool = WorkerPool(PoolTuning(seconds=0.0))
    with pytest.raises(Unavailable, match="longer than 0 s"):
        await pool.run(1, jobs.pid, b"")
    assert pool.processes == []
    await pool.close()


async def test_an_idle_process_ends() -> None:
    """A process that has had no job for the idle time ends."""
    pool = WorkerPool(PoolTuning(idle_seconds=0.0))
    await pool.run(1, jobs.pid, b"")
    while pool.processes:  # noqa: ASYNC110 -- the pool has no event for it
        await asyncio.sleep(0)
    await pool.close()


async def test_a_closed_pool_starts_nothing() -> None:
    """After a pool is closed, no process starts."""
    pool = WorkerPool()
    await pool.close()
    with pytest.raises(Unavailable, match="stopping"):
        await pool.run(1, jobs.pid, b"")


def test_a_killed_server_leaves_no_process(tmp_path: Path) -> None:
    """If the server is killed, its workers exit, even during a job."""
    file = tmp_path / "pid"
    program = (
        "import asyncio; from floorcast.workers.pool import WorkerPool;"
        "from tests.workers import jobs;"
        f"asyncio.run(WorkerPool().run(1, jobs.forever, {str(file)!r}.encode()))"
    )
    server = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    while (worker := read_pid(file)) is None:
        assert server.poll() is None
        os.sched_yield()
    server.kill()
    server.wait()
    while is_running(worker):
        os.sched_yield()
