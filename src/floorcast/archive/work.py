"""The functions that worker processes run.

Only these processes import pyarrow and duckdb, which the extra ``floorcast[archive]`` installs.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from floorcast.archive.jobs import ReportJob, ReportReply, SealJob

__all__ = ["report", "seal"]


def seal(argument: bytes) -> bytes:
    """Seal one hour. Takes a SealJob and returns a SealReport. Raises Unavailable."""
    from floorcast.archive.sealing import HourSealer  # noqa: PLC0415 -- pyarrow is an extra
    from floorcast.archive.storage import open_archive  # noqa: PLC0415 -- as above
    from floorcast.archive.stored_floor import StoredFloor  # noqa: PLC0415 -- as above

    job = msgspec.msgpack.decode(argument, type=SealJob)
    archive = open_archive(job.archive)
    with StoredFloor(Path(job.folder), job.client) as source:
        return msgspec.msgpack.encode(HourSealer(job, archive, source).seal_next())


def report(argument: bytes) -> bytes:
    """Create a report. Takes a ReportJob and returns a ReportReply. Raises Unavailable."""
    from floorcast.archive import reports  # noqa: PLC0415 -- as above
    from floorcast.archive.storage import open_archive  # noqa: PLC0415 -- as above

    job = msgspec.msgpack.decode(argument, type=ReportJob)
    archive = open_archive(job.archive)
    last = None
    if job.kind == "service":
        answer: object = reports.service_report(job, archive)
    elif job.kind == "agent":
        answer = reports.agent_report(job, archive)
    else:
        answer, last = reports.call_report(job, archive)
    return msgspec.msgpack.encode(ReportReply(msgspec.json.encode(answer), last))
