"""Events for the benchmarks: calls from start to wrap-up. An event has about 350 bytes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

__all__ = ["INGEST_KEY", "LOGIN", "SITE", "bodies", "call_events"]

INGEST_KEY = "benchmark-ingest-key-of-bench"
API_TOKEN = "benchmark-api-token-of-bench"
LOGIN = {"clientName": "BENCH", "userName": "bench", "password": "benchmark-password"}
SERVICES = 50
AGENTS = 10_000  # each has a call every 100 s; with fewer agents, an agent's calls would overlap
EVENTS_PER_CALL = 7

SITE = f"""
[[client]]
id = 1
name = "BENCH"
time_zone = "America/New_York"
feeds = ["agent", "interaction"]
api_tokens = ["{API_TOKEN}"]
ingest_keys = ["{INGEST_KEY}"]

[[client.user]]
id = 1
name = "{LOGIN["userName"]}"
password = "{LOGIN["password"]}"
role = "Sysadmin"
""" + "".join(
    f'\n[[client.service]]\nid = {number}\nname = "Service {number}"\n'
    for number in range(1, SERVICES + 1)
)


def call_events(begin: datetime, seed: int = 1) -> Iterator[dict[str, object]]:
    """Yield the events of endless calls, one call every 10 ms.

    A call has seven events, including its agent's states.
    """
    rng = random.Random(seed)
    number = seed * 10_000_000
    while True:
        number += 1
        at = begin + timedelta(milliseconds=10 * (number % 10_000_000))
        service = 1 + number % SERVICES
        agent = f"AGENT{number % AGENTS}"
        key = {"transactionId": number, "sessionId": f"U{rng.getrandbits(48):012X}@10.1.1.1"}
        phone = f"650{rng.randrange(10**7):07}"
        about = {"phoneNumber": phone, "account": f"{number:09}", "direction": "INBOUND"}
        steps: list[tuple[str, float, dict[str, object]]] = [
            (
                "call.start",
                0,
                {**key, "service": service, "direction": "INBOUND", "callerId": phone}
                | {"account": f"{number:09}", "priority": 308, "areaCodeState": "CA"}
                | {"consumer": {"firstName": "John", "lastName": "Mcgee"}, "zipCode": "94105"},
            ),
            ("call.queue", 1, {**key, "skill": "general", "priority": 308}),
            (
                "agent.state",
                6.5,
                {"agent": agent, "eventType": "IN_CALL", "service": service}
                | {"call": {**key, **about, "campaignType": "INBOUND"}},
            ),
            ("call.end", 66.5, {**key, "lvResult": "Operator Transfer", "lvResultId": 661}),
            ("agent.state", 66.5, {"agent": agent, "eventType": "WRAP_UP", "service": service}),
            ("call.disposition", 70, {**key, "termCode": "RPC", "agent": agent}),
            ("agent.state", 80, {"agent": agent, "eventType": "READY", "service": service}),
        ]
        for kind, seconds, data in steps:
            yield {
                "specversion": "1.0",
                "id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "source": "/pbx/floor-1",
                "type": kind,
                "time": (at + timedelta(seconds=seconds)).isoformat(timespec="milliseconds"),
                "data": data,
            }


def bodies(count: int, size: int = 1000, seed: int = 1) -> list[bytes]:
    """Return ``count`` requests, each with ``size`` events as NDJSON. The last calls begin now."""
    calls = count * size // EVENTS_PER_CALL
    events = call_events(datetime.now(UTC) - timedelta(milliseconds=10 * calls), seed)
    encode = msgspec.json.Encoder().encode
    return [b"\n".join(encode(next(events)) for _ in range(size)) for _ in range(count)]
