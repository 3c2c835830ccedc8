"""Tests that a server works over TLS, with the right security headers."""

from __future__ import annotations

import re
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from tests.real.server import EVENTS, Caller, Server, running
from tests.real.sites import PASSWORD, TOKENS, event, ndjson

TEXT = ndjson([event("sms.attempt", "tls", service=77, eventType="Attempt")])


def issue(authority: trustme.CA, folder: Path) -> None:
    """Write a new certificate and its key to the folder."""
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def server(authority: trustme.CA, folder: Path) -> Iterator[Server]:
    issue(authority, folder)
    files = ("--tls-cert", folder / "cert.pem", "--tls-key", folder / "key.pem")
    with running(folder, *files) as one:
        yield one
        assert one.terminate() == 0


@pytest.fixture(scope="module")
def caller(server: Server, authority: trustme.CA) -> Iterator[Caller]:
    """Yield a caller that trusts the authority and verifies certificates."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with Caller(server.url) as one:
        one.http = httpx.Client(base_url=server.url, timeout=30, trust_env=False, verify=context)
        yield one


def test_feeds_and_streams_work_over_tls(caller: Caller) -> None:
    """An event that is accepted over TLS arrives by a long poll and by a stream."""
    caller.login()
    token = caller.feed(EVENTS).token
    stream = caller.http.stream("POST", f"{EVENTS}/sse", json={"token": token})
    with stream as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert caller.take(TEXT)["accepted"] == 1
        assert len(caller.feed(EVENTS, token).events) == 1
        assert next(line for line in lines if line.startswith("data:"))


def test_responses_have_hsts_and_a_secure_cookie(caller: Caller) -> None:
    """Every response, even a refusal, has HSTS and nosniff. The cookie is Secure."""
    answers = [caller.http.get(path) for path in ("/healthz", "/nowhere", "/wallboard", "/docs")]
    answers.append(
        caller.http.post(
            "/session/login?cookie=true",
            headers={"LV-Access": TOKENS["ACME"]},
            json={"clientName": "ACME", "userName": "sysadmin", "password": PASSWORD},
        )
    )
    for answer in answers:
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "; Secure" in answers[-1].headers["set-cookie"]


def test_a_new_certificate_is_loaded_on_sighup(
    caller: Caller, server: Server, authority: trustme.CA, folder: Path
) -> None:
    """The server uses a new certificate after SIGHUP, without a restart."""
    where = ("127.0.0.1", server.port)
    before = ssl.get_server_certificate(where)
    issue(authority, folder)
    server.send_signal(signal.SIGHUP)
    server.up.set()
    while ssl.get_server_certificate(where) == before:
        assert caller.http.get("/healthz").status_code == 200
    assert re.search(r'"event": "tls_reloaded"', server.log.read_text())


def test_a_server_on_a_network_without_tls_warns(tmp_path: Path) -> None:
    """A server without TLS on a network logs a warning that passwords are not encrypted.

    A server on loopback, or behind a trusted proxy, logs no warning.
    """
    for options, warned in (
        (("--host", "0.0.0.0"), True),  # all addresses, including loopback
        (("--host", "0.0.0.0", "--trusted-proxies", "10.0.0.1"), False),
        ((), False),
    ):
        (tmp_path / str(warned) / str(len(options))).mkdir(parents=True)
        with UnnamedServer(tmp_path / str(warned) / str(len(options)), options=options) as one:
            assert one.terminate() == 0
            assert ("not_encrypted" in one.log.read_text()) is warned


class UnnamedServer(Server):
    """A server whose ready line does not contain its loopback address."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        super().__init__(folder, options=options)
        if "--host" in options:
            self.url = f"http://0.0.0.0:{self.port}"
