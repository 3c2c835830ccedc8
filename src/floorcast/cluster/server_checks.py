"""Checks whether the NATS servers flush each message and authenticate other servers.

A NATS server reports its settings on its monitoring port, and says on its cluster port whether it
requires a login. If a port cannot be reached, no problem is reported.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from floorcast.cluster.nats_url import NatsLogin

__all__ = ["check_servers"]

CHECK_TIMEOUT_SECONDS: Final = 1.0  # seconds to wait for a response
MAX_MONITORING_BYTES: Final = 1 << 20
LOCAL: Final = "127.0.0.1"


async def check_servers(servers: Iterable[str], login: NatsLogin) -> list[str]:
    """Return the problems in the servers' configuration, as one sentence each."""
    hosts = sorted({urlsplit(server).hostname or LOCAL for server in servers})
    found = await asyncio.gather(
        *(_check_flushing(host, login.monitor) for host in {*hosts, LOCAL}),
        *(_check_routes(host, login.routes) for host in hosts),
    )
    return sorted({problem for problem in found if problem})


async def _check_flushing(host: str, port: int) -> str:
    request = f"GET /jsz HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()
    answer = await _exchange(host, port, request)
    config = _json(answer.partition(b"\r\n\r\n")[2]).get("config")
    if not isinstance(config, dict) or config.get("sync_always"):
        return ""
    seconds = int(config.get("sync_interval", 0)) // 1_000_000_000
    return (
        f"{host}:{port}: this NATS server flushes its disk every {seconds} s, so a power cut may "
        "lose what it has acknowledged: set sync_interval: always in its jetstream block"
    )


async def _check_routes(host: str, port: int) -> str:
    info = _json((await _exchange(host, port)).removeprefix(b"INFO "))
    if not info.get("server_id") or info.get("auth_required") or info.get("tls_required"):
        return ""
    return (
        f"{host}:{port}: any NATS server may join this cluster and read everything in it: set "
        "authorization and tls in its cluster block"
    )


async def _exchange(host: str, port: int, request: bytes = b"") -> bytes:
    """Send ``request`` to a port and return the response, or b"" if none arrives.

    If the request is empty, return the first line that the server sends.
    """
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, limit=MAX_MONITORING_BYTES)
            if not request:
                return await reader.readline()
            writer.write(request)
            return await reader.read(MAX_MONITORING_BYTES)
    except (OSError, TimeoutError, ValueError):
        return b""
    finally:
        if writer is not None:
            writer.close()


def _json(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
