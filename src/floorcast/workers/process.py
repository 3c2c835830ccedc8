"""A worker process, which reads jobs from standard input, runs them one by one, and replies.

The process ends when standard input ends, even in the middle of a job, so a killed server leaves no
process behind. It has a lower priority than the server. If memory runs out, the kernel kills it
first.
"""

from __future__ import annotations

import gc
import importlib
import os
import queue
import resource
import sys
import threading
import traceback
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import structlog

from floorcast.model.errors import FloorcastError
from floorcast.workers.frames import (
    MAX_FRAME_BYTES,
    Job,
    JobReply,
    LogLine,
    encode_frame,
    read_frame,
    refusal_reply,
)

__all__ = ["main", "run_job"]

NICE = 10  # added to the server's niceness
OOM_SCORE_ADJ = "1000"  # for /proc/self/oom_score_adj
MAX_LOG_LINES = 100  # log lines per job

_job_decoder = msgspec.msgpack.Decoder(Job)
_log_lines: list[LogLine] = []


def main() -> None:
    """Run jobs until standard input ends. The argument is the memory limit in bytes."""
    limit = int(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that a library's output is not read as a reply
    _lower_priority(limit)
    structlog.configure(processors=[_collect_log_line])
    gc.disable()  # a loaded floor has millions of objects and no garbage, and memory is limited
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    jobs_file = os.fdopen(0, "rb")
    threading.Thread(target=_read_jobs, args=(jobs_file, jobs), daemon=True).start()
    while True:
        reply = run_job(_job_decoder.decode(jobs.get()))
        replies.write(encode_frame(reply))
        replies.flush()
        if reply.ends:
            return
        gc.collect()


def run_job(job: Job) -> JobReply:
    """Run a job and return its reply."""
    try:
        module, _, name = job.function.partition(":")
        function: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
        answer = function(job.argument)
        if len(answer) > MAX_FRAME_BYTES // 2:
            raise MemoryError  # noqa: TRY301 -- the reply is the same as when memory runs out
        reply = JobReply(answer=answer)
    except FloorcastError as error:
        reply = refusal_reply(error)
    except MemoryError:
        message = "the response needs more memory than a worker process may have: ask for less"
        reply = JobReply(refusal="Unavailable", message=message, retry_after=60, ends=True)
    except Exception:  # noqa: BLE001 -- the server logs it and answers 500
        reply = JobReply(fault=traceback.format_exc(), ends=True)
    reply.notes = _log_lines[:]
    _log_lines.clear()
    return reply


def _read_jobs(file: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    """Pass on jobs. Exit at the end of the input, as no one is waiting for a reply any longer."""
    with suppress(OSError, ValueError):
        while (body := read_frame(file)) is not None:
            jobs.put(body)
    os._exit(0)


def _lower_priority(memory_bytes: int) -> None:
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE_ADJ, "ascii")
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _collect_log_line(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
    """Add a log line to the reply."""
    if len(_log_lines) < MAX_LOG_LINES:
        name = str(event.pop("event", ""))
        fields = {
            key: value if isinstance(value, str | int | float | None) else str(value)
            for key, value in event.items()
        }
        _log_lines.append(LogLine(level, name, fields))
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
