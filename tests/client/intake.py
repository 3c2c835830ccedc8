"""A small intake on a real loopback socket, which fails when a test requests it."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple


class Answer(NamedTuple):
    """A response that the intake sends instead of verdicts. Status 0 drops the connection."""

    status: int
    body: Mapping[str, object] | None
    headers: Mapping[str, str] = {}

    def with_headers(self, headers: Mapping[str, str]) -> Answer:
        return self._replace(headers=headers)


DROP = Answer(0, None)
"""The batch is accepted, and the connection breaks before the response."""


TAKE: Final = None
"""The batch is accepted, and the response has verdicts. This is the default."""


class HttpRequest(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Intake:
    """Accepts events by id after it has sent the given ``answers``."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers: deque[Answer | None] = deque(answers)
        self.requests: list[HttpRequest] = []
        self.received: dict[str, dict[str, Any]] = {}
        self._port = 0
        self.start()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        intake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One packet per response: a second one would wait for the client's delayed ACK.
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                intake.requests.append(HttpRequest(self.path, headers, body))
                answer = intake.answers.popleft() if intake.answers else TAKE
                if answer is TAKE or answer is DROP:
                    verdicts = Answer(HTTPStatus.OK, intake.take(body))
                    answer = answer or verdicts
                if answer is DROP:
                    self.close_connection = True
                    return
                content = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the base's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, body: bytes) -> dict[str, object]:
        events = [json.loads(line) for line in body.splitlines()]
        fresh = {event["id"]: event for event in events if event["id"] not in self.received}
        self.received |= fresh
        return {"accepted": len(fresh), "duplicates": len(events) - len(fresh), "rejected": []}


@contextmanager
def running(*answers: Answer | None) -> Iterator[Intake]:
    intake = Intake(*answers)
    try:
        yield intake
    finally:
        intake.stop()
