"""A worker process: reads jobs from standard input, does one at a time, and writes the replies.

It ends when standard input ends, even in the middle of a job: a server that was killed leaves no
process. It has a lower priority than the server, and is the first that the kernel ends when memory
runs out.
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
from floorcast.workers.frames import MAX_FRAME_BYTES, Job, Note, Reply, frame, read_frame, refused

__all__ = ["main", "reply_to"]

NICE = 10  # how much lower its priority is
FIRST_TO_GO = "1000"  # of /proc/self/oom_score_adj
MOST_NOTES = 100  # lines of the log for one job

_job_decoder = msgspec.msgpack.Decoder(Job)
_notes: list[Note] = []


def main() -> None:
    """Serve jobs until standard input ends; the argument is the limit of memory in bytes."""
    limit = int(sys.argv[1])
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no reply
    _yield_to_others(limit)
    structlog.configure(processors=[_note])
    gc.disable()  # a loaded floor has millions of objects and no garbage; the memory is limited
    jobs: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    jobs_file = os.fdopen(0, "rb")
    threading.Thread(target=_read_jobs, args=(jobs_file, jobs), daemon=True).start()
    while True:
        reply = reply_to(_job_decoder.decode(jobs.get()))
        replies.write(frame(reply))
        replies.flush()
        if reply.ends:
            return
        gc.collect()


def reply_to(job: Job) -> Reply:
    """Do a job."""
    try:
        module, _, name = job.function.partition(":")
        function: Callable[[bytes], bytes] = getattr(importlib.import_module(module), name)
        answer = function(job.argument)
        if len(answer) > MAX_FRAME_BYTES // 2:
            raise MemoryError  # noqa: TRY301 -- the same answer as for too much memory
        reply = Reply(answer=answer)
    except FloorcastError as error:
        reply = refused(error)
    except MemoryError:
        message = "the answer needs more memory than a worker process may have: ask for less"
        reply = Reply(refusal="Unavailable", message=message, retry_after=60, ends=True)
    except Exception:  # noqa: BLE001 -- the server logs it, and answers 500
        reply = Reply(fault=traceback.format_exc(), ends=True)
    reply.notes = _notes[:]
    _notes.clear()
    return reply


def _read_jobs(file: BinaryIO, jobs: queue.SimpleQueue[bytes]) -> None:
    """Pass jobs on; at the end of the file nobody waits for a reply any more."""
    with suppress(OSError, ValueError):
        while (body := read_frame(file)) is not None:
            jobs.put(body)
    os._exit(0)


def _yield_to_others(memory_bytes: int) -> None:
    with suppress(OSError):
        os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, "ascii")
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _note(_logger: object, level: str, event: MutableMapping[str, Any]) -> str:
    """Keep a line of the log for the reply."""
    if len(_notes) < MOST_NOTES:
        name = str(event.pop("event", ""))
        fields = {
            key: value if isinstance(value, str | int | float | None) else str(value)
            for key, value in event.items()
        }
        _notes.append(Note(level, name, fields))
    raise structlog.DropEvent


if __name__ == "__main__":
    main()
