"""Tests of TLS: refused files, reloading, and streams."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import closing, suppress
from pathlib import Path

import pytest
import trustme
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from floorcast.config.settings import Settings
from floorcast.http.handlers.streams import TAKE_OVER
from floorcast.model.errors import SettingError
from floorcast.server.connection_limits import ConnectionTuning
from floorcast.server.tls import Certificate
from tests.real.nodes import until
from tests.server.serving import body_length_app, on_uvloop, read_response, serving

EC, RSA = trustme.KeyType.ECDSA, trustme.KeyType.RSA
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Issued:
    """An authority, and the files of a server's certificate."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.issue()

    def issue(self, kind: trustme.KeyType = EC) -> None:
        """Write a new certificate with a new key."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1", key_type=kind)
        issued.private_key_pem.write_to_path(self.key)
        self.certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))

    def caller(self) -> ssl.SSLContext:
        """Return a client's TLS context that trusts the test's authority."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return Issued(tmp_path)


def serial(context: ssl.SSLContext, port: int) -> str:
    """Return the certificate that a server presents."""
    with (
        closing(socket.create_connection(("127.0.0.1", port))) as plain_socket,
        context.wrap_socket(plain_socket, server_hostname="localhost") as sock,
    ):
        shown = sock.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"])


def test_a_certificate_and_its_key_are_required_and_must_match(
    issued: Issued, tmp_path: Path
) -> None:
    """If one is missing or a file is invalid, the error names it before the start."""
    assert Certificate.from_settings(Settings()) is None
    with pytest.raises(SettingError, match="tls_key is missing"):
        Certificate.from_settings(Settings(tls_cert=issued.certificate))
    with pytest.raises(SettingError, match="tls_cert is missing"):
        Certificate.from_settings(Settings(tls_key=issued.key))
    none = tmp_path / "none"
    with pytest.raises(SettingError, match=r"^tls_cert .*none cannot be read: No such file"):
        Certificate.from_settings(Settings(tls_cert=none, tls_key=issued.key))
    with pytest.raises(SettingError, match=r"^tls_key .*none cannot be read: No such file"):
        Certificate.from_settings(Settings(tls_cert=issued.certificate, tls_key=none))
    other = Issued(tmp_path)
    before = other.key.read_bytes()
    other.issue()
    other.key.write_bytes(before)
    with pytest.raises(SettingError, match=r"must be a certificate chain .*: key values mismatch$"):
        Certificate.from_settings(Settings(tls_cert=other.certificate, tls_key=other.key))
    other.key.write_text("no key")
    with pytest.raises(SettingError, match=r"both in PEM format$"):
        Certificate.from_settings(Settings(tls_cert=other.certificate, tls_key=other.key))


def test_an_encrypted_key_is_refused_without_a_prompt(issued: Issued) -> None:
    """Nobody is there to enter a password."""
    issued.key.write_text(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
        "DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\nAAAA\n"
        "-----END RSA PRIVATE KEY-----\n"
    )
    with pytest.raises(SettingError, match="it is encrypted"):
        Certificate(issued.certificate, issued.key)


def test_a_replaced_certificate_is_used_for_new_connections(issued: Issued) -> None:
    """Open connections continue.

    A half-written file is logged, and the old certificate stays in use.
    """
    certificate = Certificate(issued.certificate, issued.key)

    async def work() -> None:
        async with serving(tls=lambda: certificate.context, client_tls=issued.caller()) as served:
            reader, writer = await served.connect()
            before = await asyncio.to_thread(serial, issued.caller(), served.port)
            key = issued.key.read_bytes()
            issued.issue()
            new_key = issued.key.read_bytes()
            issued.key.write_bytes(key)
            with capture_logs() as lines:
                certificate.reload_if_changed()
                certificate.reload_if_changed()
            assert [line["event"] for line in lines] == ["tls_not_reloaded"]
            assert await asyncio.to_thread(serial, issued.caller(), served.port) == before
            issued.key.write_bytes(new_key)
            with capture_logs() as lines:
                certificate.reload()
            assert [line["event"] for line in lines] == ["tls_reloaded"]
            assert await asyncio.to_thread(serial, issued.caller(), served.port) != before
            writer.write(GET)
            assert (await read_response(reader)).status == 200

    on_uvloop(work)


def presented(issued: Issued, port: int) -> set[str]:
    """Return all certificates that a server presents, to callers that prefer either kind of key."""
    serials = set()
    for ciphers in ("ECDHE+AESGCM", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"):
        caller = issued.caller()
        caller.set_ciphers(ciphers)
        for newest in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            caller.maximum_version = newest
            with suppress(ssl.SSLError):  # the caller does not accept this kind of key
                serials.add(serial(caller, port))
    return serials


@pytest.mark.parametrize("kinds", [(EC, RSA, EC), (RSA, EC, RSA)])
def test_a_replaced_certificate_may_have_another_kind_of_key(
    issued: Issued, kinds: tuple[trustme.KeyType, ...]
) -> None:
    """No caller gets an old certificate, whichever kind of key the caller prefers.

    A broken pair with another kind of key is logged, and the old pair stays in use.
    """
    issued.issue(kinds[0])
    certificate = Certificate(issued.certificate, issued.key)

    async def work() -> None:
        async with serving(tls=lambda: certificate.context) as served:
            for kind in kinds[1:]:
                before = await asyncio.to_thread(presented, issued, served.port)
                old_key = issued.key.read_bytes()
                issued.issue(kind)
                new_key = issued.key.read_bytes()
                issued.key.write_bytes(old_key)
                with capture_logs() as lines:
                    certificate.reload()
                assert [line["event"] for line in lines] == ["tls_not_reloaded"]
                assert await asyncio.to_thread(presented, issued, served.port) == before
                issued.key.write_bytes(new_key)
                certificate.reload()
                after = await asyncio.to_thread(presented, issued, served.port)
                assert len(before) == len(after) == 1
                assert before != after

    on_uvloop(work)


def test_older_tls_versions_are_refused(issued: Issued) -> None:
    """TLS 1.2 is the oldest allowed version. A connection without TLS no longer counts."""
    certificate = Certificate(issued.certificate, issued.key)
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2

    async def work() -> None:
        async with serving(tls=lambda: certificate.context) as served:
            reader, writer = await served.connect()
            writer.write(GET)
            with suppress(ConnectionError):
                await reader.read()
            await until(lambda: served.refused.get("tls_failed"))
            assert served.shared.limits.total == 0

    on_uvloop(work)


def test_a_handshake_has_a_deadline(issued: Issued) -> None:
    """A silent caller counts from the start, and is closed at the deadline."""
    certificate = Certificate(issued.certificate, issued.key)
    tuning = ConnectionTuning(head=0.2)

    async def work() -> None:
        async with serving(tls=lambda: certificate.context, tuning=tuning, per_address=3) as served:
            silent = [await served.connect() for _ in range(3)]
            await until(lambda: served.shared.limits.total == 3)
            refused, _ = await served.connect()
            assert await refused.read() == b""
            for reader, _ in silent:
                assert await reader.read() == b""
            await until(lambda: served.shared.limits.total == 0)
            assert served.refused == {"address_full": 1, "tls_failed": 3}

    on_uvloop(work)


def test_requests_are_answered_over_tls(issued: Issued) -> None:
    """Large bodies, pipelined requests and refusals work as without TLS. The scheme is https."""
    certificate = Certificate(issued.certificate, issued.key)
    schemes: set[str] = set()

    async def look(scope: Scope, receive: Receive, send: Send) -> None:
        schemes.add(scope["scheme"])
        await body_length_app(scope, receive, send)

    async def work() -> None:
        async with serving(
            look, tls=lambda: certificate.context, client_tls=issued.caller()
        ) as served:
            reader, writer = await served.connect()
            body = bytes(3 << 20)
            for _ in range(2):
                writer.write(
                    b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
                )
            assert (await read_response(reader)).body == b"%d" % len(body)
            assert (await read_response(reader)).body == b"%d" % len(body)
            assert (await served.ask(GET[:-2] + b"a: " + b"x" * 70_000)).status == 431
            assert schemes == {"https"}

    on_uvloop(work)


class Stream(asyncio.Protocol):
    """Writes this much at the speed of the connection."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.lost = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport
        self._go_on()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def _go_on(self) -> None:
        while self.left and not self._paused:
            size = min(self.left, 65536)
            self.left -= size
            self.transport.write(bytes(size))


def test_a_stream_takes_over_its_tls_connection(issued: Issued) -> None:
    """All data arrives encrypted.

    The connection waits for a slow reader, and counts until it ends.
    """
    certificate = Certificate(issued.certificate, issued.key)
    streams: list[Stream] = []
    size = 24 << 20

    async def take_over(scope: Scope, _receive: Receive, _send: Send) -> None:
        streams.append(Stream(size))
        assert scope["extensions"][TAKE_OVER]([(b"content-type", b"x/y")], streams[0])

    async def work() -> None:
        async with serving(
            take_over, tls=lambda: certificate.context, client_tls=issued.caller()
        ) as served:
            reader, writer = await served.connect()
            writer.write(GET)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            await until(lambda: streams[0].left)
            assert streams[0].left > 4 << 20  # some of it is not in memory
            assert await reader.readexactly(size) == bytes(size)
            assert served.shared.limits.total == 1
            writer.close()
            await until(lambda: streams[0].lost)
            assert served.shared.limits.total == 0

    on_uvloop(work)
