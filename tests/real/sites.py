"""The site for tests with whole servers, its secrets, and functions that make events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from floorcast.auth.passwords import Hasher

__all__ = [
    "ACME",
    "CHEAP",
    "CHILD",
    "FLOORS",
    "KEYS",
    "PASSWORD",
    "SITE",
    "STRANGER",
    "TOKENS",
    "event",
    "in_the_evening",
    "ndjson",
]

ACME, CHILD, STRANGER = 47415, 4199, 5
KEYS = {
    "ACME": "acme-key-for-testing",
    "CHILD": "child-key-for-testing",
    "STRANGER": "stranger-key-for-tests",
}
TOKENS = {
    "ACME": "acme-token-for-tests",
    "CHILD": "child-token-for-tests",
    "STRANGER": "stranger-token-for-tests",
}
FLOORS = tuple(f"FLOOR{number}" for number in range(1, 9))  # clients of the wallboard's servers
KEYS |= {name: f"{name.lower()}-key-for-tests" for name in FLOORS}
TOKENS |= {name: f"{name.lower()}-token-for-tests" for name in FLOORS}
PASSWORD = "correct horse"
CHEAP = Hasher(memory_kib=8, passes=1)
_SECRET = f'password_hash = "{CHEAP.hash(PASSWORD)}"'

SITE = f"""
[[client]]
id = 47415
name = "ACME"
time_zone = "America/New_York"
feeds = ["agent", "interaction"]
api_tokens = ["acme-token-for-tests", "other-token-for-tests"]
ingest_keys = ["acme-key-for-testing"]
call_center = [{{id = 1623, name = "North"}}, {{id = 1700, name = "South"}}]
service = [
    {{id = 38049, name = "Sales", call_center = 1623, sla_seconds = 20}},
    {{id = 38050, name = "Help", call_center = 1700, sla_seconds = 60}},
    {{id = 38051, name = "Nowhere"}},
]
agent = [
    {{id = 393601, login = "VKUMARK", name = "VINAY K", team = 1234}},
    {{id = 393602, login = "SEBY"}},
]
user = [
    {{id = 9001, name = "sysadmin", role = "Sysadmin", {_SECRET}}},
    {{id = 9002, name = "manager", role = "Manager", {_SECRET}}},
    {{id = 9003, name = "superuser", role = "Superuser", {_SECRET}}},
    {{id = 9004, name = "limited", role = "Sysadmin", {_SECRET}, call_centers = [1623]}},
    {{id = 9005, name = "auditor", role = "Auditor", {_SECRET}}},
]

[[client]]
id = 4199
name = "CHILD"
parent = 47415
time_zone = "America/New_York"
feeds = ["agent"]
api_tokens = ["child-token-for-tests"]
ingest_keys = ["child-key-for-testing"]
call_center = [{{id = 15, name = "Child's"}}]
service = [{{id = 4199, name = "Child's service", call_center = 15}}]
user = [{{id = 9101, name = "sysadmin", role = "Sysadmin", {_SECRET}}}]

[[client]]
id = 5
name = "STRANGER"
feeds = ["agent", "interaction"]
api_tokens = ["stranger-token-for-tests"]
ingest_keys = ["stranger-key-for-tests"]
user = [{{id = 9201, name = "sysadmin", role = "Sysadmin", {_SECRET}}}]
"""


def in_the_evening(site: str = SITE) -> str:
    """Return the site with a time zone in which it is now between eight and nine in the evening.

    Otherwise, a test that replays the last hours soon after midnight in New York would replay most
    of them into the previous day.
    """
    ahead = (20 - datetime.now(UTC).hour + 11) % 24 - 11  # hours, from -11 to 12
    return site.replace("America/New_York", f"Etc/GMT{-ahead:+d}")


def event(kind: str, number: object, /, **data: object) -> dict[str, Any]:
    """Return a CloudEvent. ``time`` and ``source`` are in its envelope, and others in ``data``."""
    source, time = data.pop("source", "pbx"), data.pop("time", None)
    envelope = {"specversion": "1.0", "id": str(number), "source": source, "type": kind}
    return {**envelope, **({} if time is None else {"time": time}), "data": data}


def ndjson(events: Iterable[dict[str, Any]]) -> bytes:
    """Return the body of a request with these events."""
    return b"".join(json.dumps(one).encode() + b"\n" for one in events)
