"""A request that asks for another protocol is answered in this one, with all that it brought."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.real.server import Server, running
from tests.real.sites import KEYS, event, ndjson

ASKING = (
    "Connection: Upgrade, HTTP2-Settings\r\n"
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    "Upgrade: h2c\r\n"
)
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("upgrades")) as server:
        yield server


def request(number: str, asking: str = ASKING, *, chunked: bool = False) -> bytes:
    """A request with one event, which asks for an upgrade."""
    data = {"agent": "SEBY", "eventType": "LOGON", "service": 38049}
    body = ndjson([event("agent.state", number, **data)])
    how = CHUNKED if chunked else f"Content-Length: {len(body)}\r\n"
    head = (
        f"POST /ingest/v1/events HTTP/1.1\r\nHost: localhost\r\n{asking}{how}"
        f"Authorization: Bearer {KEYS['ACME']}\r\nContent-Type: application/x-ndjson\r\n\r\n"
    )
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return head.encode() + sent


def answers(server: Server, pieces: list[bytes], count: int) -> list[dict[str, object]]:
    """Send pieces over one connection; the bodies of the answers."""
    size = 0
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
        found: list[dict[str, object]] = []
        with connection.makefile("rb") as stream:
            while len(found) < count:
                line = stream.readline().lower()
                if line.startswith(b"content-length:"):
                    size = int(line.partition(b":")[2])
                if line == b"\r\n":
                    found.append(json.loads(stream.read(size)))
        return found


TAKEN = {"accepted": 1, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("chunked", [False, True])
def test_its_body_is_read(server: Server, chunked: bool) -> None:
    """Wherever the network parts it."""
    whole = request("x", chunked=chunked)
    for at in range(1, len(whole), 17):
        sent = request(f"{chunked}{at}", chunked=chunked)
        assert answers(server, [sent[:at], sent[at:]], 1) == [TAKEN]


def test_the_connection_goes_on(server: Server) -> None:
    """The next request over it is read, too: one that asks, and one that does not."""
    sent = [request("a"), request("b"), request("c", "")]
    assert answers(server, sent, 3) == [TAKEN, TAKEN, TAKEN]


def test_it_may_ask_for_the_end(server: Server) -> None:
    """``close`` beside the upgrade closes behind the answer."""
    asking = ASKING.replace("Upgrade, HTTP2-Settings", "close, Upgrade, HTTP2-Settings")
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as connection:
        connection.sendall(request("d", asking))
        with connection.makefile("rb") as stream:
            assert stream.read().endswith(json.dumps(TAKEN, separators=(",", ":")).encode())
