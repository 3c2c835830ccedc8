"""Tests of a job in a worker process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from floorcast.workers.frames import HEADER_BYTES, Job, JobReply, encode_frame
from floorcast.workers.process import run_job

ROOT = Path(__file__).resolve().parents[2]


def job(name: str, argument: bytes = b"") -> Job:
    """Return a job that runs one of the tests' functions."""
    return Job(f"tests.workers.jobs:{name}", argument)


def test_each_outcome_has_its_reply() -> None:
    """A job can return a result, be refused, run out of memory, or have a bug.

    The process continues after a result or a refusal.
    """
    assert run_job(job("printing")) == JobReply(answer=b"the reply")
    refusal = run_job(job("refuse", b"this"))
    assert (refusal.refusal, refusal.message) == ("InvalidParameter", "this is wrong")
    assert not refusal.ends
    large = run_job(job("grow"))
    assert (large.refusal, large.ends) == ("Unavailable", True)
    bug = run_job(job("fail"))
    assert "KeyError: 'a bug'" in bug.fault
    assert bug.ends


def test_a_process_serves_jobs_until_its_input_ends() -> None:
    """The replies have the order of the jobs. Each reply has the log lines of its job."""
    requests = (
        encode_frame(job("echo", b"1"))
        + encode_frame(job("refuse", b"2"))
        + encode_frame(job("echo", b"3"))
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "floorcast.workers.process", str(2 << 30)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(requests)
    process.stdin.flush()
    replies = []
    for _ in range(3):
        length = int.from_bytes(process.stdout.read(HEADER_BYTES), "big")
        replies.append(msgspec.msgpack.decode(process.stdout.read(length), type=JobReply))
    assert [reply.answer for reply in replies] == [b"1", None, b"1 3"]
    assert [[note.event for note in reply.notes] for reply in replies] == [
        [],
        ["about_to_refuse"],
        [],
    ]
    process.stdin.close()
    assert process.wait() == 0
    process.stdout.close()
