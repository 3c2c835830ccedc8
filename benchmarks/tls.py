"""Measures the cost of TLS for streams and long polls.

    python -m benchmarks.tls [--readers 300] [--events 100]

Each reader has its own connection. Events arrive one by one, 50 ms apart. The benchmark measures
the time from sending an event until each reader has it, and the server's CPU time and memory.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import trustme
import uvloop

from benchmarks import workload
from benchmarks.processes import PROGRAM, Running, listening

GAP = 0.05  # seconds between two events
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextmanager
def server(folder: Path, *, tls: bool) -> Iterator[tuple[Running, ssl.SSLContext | None]]:
    """Run a server until the block ends. Yields the server and its clients' TLS context."""
    site, context = folder / "site.toml", None
    site.write_text(workload.SITE)
    command = [*PROGRAM, "serve", "--data", str(folder / "data"), "--site", str(site)]
    command += ["--port", "0", "--log-level", "warning", "--max-connections", "1000000"]
    if tls:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        command += ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]
        context = ssl.create_default_context()
        authority.configure_trust(context)
    with listening(command, r"answers at https?://127\.0\.0\.1:(\d+)") as running:
        yield running, context


def request(path: str, body: bytes, session: str) -> bytes:
    """Return a POST request with a session."""
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nLV-Session: {session}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Readers:
    """Readers of the interaction feed, and the delays with which they received events."""

    def __init__(self, session: str, token: str) -> None:
        self._session = session
        self._token = token
        self.sent: dict[str, float] = {}
        self.delays: list[float] = []

    async def stream(self, connection: Connection) -> None:
        """Read a stream."""
        reader, writer = connection
        body = json.dumps({"token": self._token}).encode()
        writer.write(request("/realtime/event/feed/sse", body, self._session))
        while line := await reader.readline():
            self._heard(line)

    async def poll(self, connection: Connection) -> None:
        """Send long polls, each with the token of the previous response."""
        reader, writer = connection
        token = self._token
        while True:
            body = json.dumps({"token": token}).encode()
            writer.write(request("/realtime/event/feed", body, self._session))
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length:")[2].split()[0])
            page = await reader.readexactly(size)
            self._heard(page)
            token = json.loads(page)["token"]

    def _heard(self, text: bytes) -> None:
        now = time.perf_counter()
        for part in text.split(b'"accountNumber":"')[1:]:
            self.delays.append(now - self.sent[part.partition(b'"')[0].decode()])


async def measure(kind: str, readers: int, events: int, folder: Path, *, tls: bool) -> str:
    """Run one measurement. Returns its line of the table."""
    with server(folder, tls=tls) as (running, context):
        port = running.port
        scheme, verify = ("https", context) if context is not None else ("http", False)
        async with httpx.AsyncClient(
            base_url=f"{scheme}://127.0.0.1:{port}", verify=verify
        ) as http:
            access = {"LV-Access": workload.API_TOKEN}
            login = await http.post("/session/login", json=workload.LOGIN, headers=access)
            session = login.raise_for_status().json()["sessionId"]
            first = await http.post("/realtime/event/feed", headers={"LV-Session": session})
            crowd = Readers(session, first.raise_for_status().json()["token"])
            before = running.memory()
            read = crowd.stream if kind == "streams" else crowd.poll
            tasks = []
            for _ in range(readers):
                made = await asyncio.open_connection("127.0.0.1", port, ssl=context)
                tasks.append(asyncio.create_task(read(made)))
            await asyncio.sleep(1)
            memory = (running.memory() - before) / readers / 1024
            began = running.processor()
            for number in range(events):
                account = f"b{number}"
                data = {"service": 1, "eventType": "Attempt", "accountNumber": account}
                event = {"specversion": "1.0", "id": account, "source": "b", "type": "sms.attempt"}
                crowd.sent[account] = time.perf_counter()
                taken = await http.post(
                    "/ingest/v1/events",
                    content=json.dumps({**event, "data": data}),
                    headers={
                        "Authorization": f"Bearer {workload.INGEST_KEY}",
                        "Content-Type": "application/cloudevents+json",
                    },
                )
                taken.raise_for_status()
                await asyncio.sleep(GAP)
            await asyncio.sleep(1)
            used = (running.processor() - began) / events / readers * 1e6
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        lost = readers * events - len(crowd.delays)
        cuts = statistics.quantiles(crowd.delays, n=100)
        return (
            f"{kind:10} {'TLS' if tls else 'plain':6} {cuts[49] * 1000:7.1f} {cuts[98] * 1000:7.1f}"
            f" {used:9.1f} {memory:9.1f} {lost:6}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=300)
    parser.add_argument("--events", type=int, default=100)
    arguments = parser.parse_args()
    print("readers           p50 ms  p99 ms  us/event  KiB each   lost")
    for kind in ("streams", "long polls"):
        for tls in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                work = measure(kind, arguments.readers, arguments.events, Path(folder), tls=tls)
                with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                    print(runner.run(work), flush=True)


if __name__ == "__main__":
    main()
