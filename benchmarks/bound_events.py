"""Creates events of about 350 bytes, such as sources send, and prints tables of figures."""

from __future__ import annotations

import uuid
from random import Random

LINE = (
    '{"specversion":"1.0","type":"call.start","source":"pbx/1","id":"%s",'
    '"time":"2026-03-02T14:00:00.123Z","data":{"transactionId":%d,"sessionId":"%s",'
    '"service":38049,"direction":"INBOUND","phoneDialed":"15550001111",'
    '"callerId":"15552223333","account":"1234567890","zipCode":"30301"}}'
)


def batches(seed: int, count: int, size: int = 1000) -> list[list[bytes]]:
    """Return ``count`` batches of ``size`` lines. Each line is a different event."""
    random = Random(seed)
    return [[_line(random) for _ in range(size)] for _ in range(count)]


def report(title: str, figures: list[tuple[str, float]]) -> None:
    """Print the events per second, and the time per event, in aligned columns."""
    print(f"{title:<52}{'events/s':>12}{'µs an event':>14}")
    for what, rate in figures:
        print(f"  {what:<50}{rate:>12,.0f}{1e6 / rate:>14.2f}")


def _line(random: Random) -> bytes:
    name, session = (uuid.UUID(int=random.getrandbits(128)) for _ in range(2))
    return (LINE % (name, random.getrandbits(40), session)).encode()
