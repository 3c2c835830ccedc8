"""Measures memory for several floor sizes, by logged-in agents and calls in progress.

python -m benchmarks.memory
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.intake import send_all
from benchmarks.processes import floorcast

SIZES = ((0, 0), (10_000, 0), (0, 10_000), (10_000, 10_000))
_encode = msgspec.json.Encoder().encode


def floor_of(agents: int, calls: int) -> Iterator[bytes]:
    """Yield events after which this many agents are logged in and this many calls are waiting."""
    envelope = {"specversion": "1.0", "source": "memory", "time": datetime.now(UTC).isoformat()}
    for number in range(agents):
        data = {"agent": f"AGENT{number}", "eventType": "LOGON", "service": 1 + number % 50}
        yield _encode({**envelope, "id": f"a{number}", "type": "agent.state", "data": data})
    for number in range(calls):
        key = {"transactionId": number, "sessionId": f"U{number:012}@10.1.1.1"}
        about = {"service": 1 + number % 50, "direction": "INBOUND", "callerId": f"650{number:07}"}
        start = {**key, **about, "account": f"{number:09}"}
        yield _encode({**envelope, "id": f"s{number}", "type": "call.start", "data": start})
        yield _encode({**envelope, "id": f"q{number}", "type": "call.queue", "data": key})


def resident(agents: int, calls: int) -> int:
    """Return the memory, in bytes, of a restarted server with a floor of this size."""
    lines = list(floor_of(agents, calls))
    requests = [b"\n".join(lines[at : at + 1000]) for at in range(0, len(lines), 1000)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        with floorcast(folder) as server:
            send_all(server.port, requests)
        with floorcast(folder) as server:
            return server.memory()


def main() -> None:
    """Measure each size, and print the memory per agent and per call."""
    found = {size: resident(*size) for size in SIZES}
    empty = found[0, 0]
    print(f"{'agents':>8}{'calls':>8}{'MiB':>8}{'KiB each':>10}")
    for (agents, calls), size in found.items():
        each = (size - empty) / 1024 / max(agents + calls, 1)
        print(f"{agents:>8,}{calls:>8,}{size / 2**20:>8,.0f}{each:>10.2f}")


if __name__ == "__main__":
    main()
