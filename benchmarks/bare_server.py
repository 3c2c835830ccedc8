"""A server for measuring the machine's upper bound for intake.

It receives requests over HTTP, decodes and encodes their events, and writes and flushes one row per
request, in one process. It has no checks, duplicate detection, ordering, floor or feeds.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import apsw
import msgspec
import uvicorn
from starlette.types import Receive, Scope, Send

from floorcast.model.inbound import InboundEvent

_decoder = msgspec.json.Decoder(InboundEvent)
_encoder = msgspec.json.Encoder()


class Bare:
    """An application that accepts events, and responds after they are flushed to disk."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("journal_mode", "WAL")
        self._connection.pragma("synchronous", "FULL")
        self._connection.execute("CREATE TABLE entry (id INTEGER PRIMARY KEY, body BLOB)")

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI request."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        events = _decoder.decode_lines(body)
        fed = b"\n".join([_encoder.encode(event) for event in events])
        with self._connection:
            self._connection.execute("INSERT INTO entry (body) VALUES (?)", (fed,))
        answer = b'{"accepted":%d,"duplicates":0,"rejected":[]}' % len(events)
        headers = [(b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def main() -> None:
    """Serve on a free port, and print the port."""
    sock = socket.create_server(("127.0.0.1", 0))
    print(f"listening on {sock.getsockname()[1]}", flush=True)
    app = Bare(Path(sys.argv[1]))
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_level="warning")
    asyncio.run(uvicorn.Server(config).serve([sock]))


if __name__ == "__main__":
    main()
