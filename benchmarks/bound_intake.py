"""Measures the machine's upper bound for accepting events: decoding, appending and flushing.

A loop uses only msgspec, SQLite and floorcast's event types, with one row and one flush per request
of 1,000 events. Run: ``python -m benchmarks.bound_intake``.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import apsw
import msgspec

from benchmarks.bound_events import batches, report
from floorcast.model.inbound import InboundEvent

BATCHES = 200
_decoder = msgspec.json.Decoder(InboundEvent)


def raw_decode(many: list[list[bytes]]) -> float:
    """Return the number of NDJSON events that msgspec decodes and checks per second."""
    bodies = [b"\n".join(lines) for lines in many]
    begun = time.perf_counter()
    for body in bodies:
        _decoder.decode_lines(body)
    return _rate(many, begun)


def raw_append(folder: Path, many: list[list[bytes]], *, decode: bool = False) -> float:
    """Return the number of events that SQLite appends per second, with one flushed row per batch.

    If ``decode`` is true, the events are also decoded.
    """
    connection = apsw.Connection(str(folder / f"raw-{decode}.db"))
    connection.pragma("page_size", 16384)
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL")
    connection.execute("CREATE TABLE entries (id INTEGER PRIMARY KEY, payload BLOB)")
    bodies = [b"\n".join(lines) for lines in many]
    begun = time.perf_counter()
    for body in bodies:
        if decode:
            _decoder.decode_lines(body)
        connection.execute("INSERT INTO entries (payload) VALUES (?)", (body,))
    rate = _rate(many, begun)
    connection.close()
    return rate


def _rate(many: list[list[bytes]], begun: float) -> float:
    return sum(map(len, many)) / (time.perf_counter() - begun)


def main() -> None:
    """Print the bounds."""
    many = batches(1, BATCHES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = [
            ("decode", raw_decode(many)),
            ("append, flushed", raw_append(folder, many)),
            ("decode and append, one after the other", raw_append(folder, many, decode=True)),
        ]
    report("the machine's bound, in requests of 1,000 events", figures)


if __name__ == "__main__":
    main()
