"""The address of a NATS cluster, as people write it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nkeys  # type: ignore[import-untyped]  # it has no types
import pytest

from floorcast.cluster.link import NatsLink
from floorcast.cluster.nats_url import Login, connect_options, read_url, shown
from floorcast.model.errors import SettingError, Unavailable
from tests.certificates import certificates
from tests.nats_servers import NatsServers


@pytest.mark.parametrize(
    ("url", "servers", "login"),
    [
        ("nats://a", ["nats://a"], Login()),
        ("nats://a:1,b:2", ["nats://a:1", "nats://b:2"], Login()),
        ("nats://u:p%40s@a,b", ["nats://a", "nats://b"], Login("u", "p@s")),
        ("nats://token@a", ["nats://a"], Login(token="token")),
    ],
)
def test_a_url_names_servers_and_one_login(url: str, servers: list[str], login: Login) -> None:
    """The login in front of the first counts for all; a name alone is a token."""
    assert read_url(url) == (servers, login)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nats://127.0.0.1:99999", "127.0.0.1:99999: Port out of range"),
        ("nats://u:secret@127.0.0.1:x", "127.0.0.1:x: Port could not be cast"),
    ],
)
def test_a_url_that_cannot_be_one_is_told(url: str, said: str) -> None:
    """With the server that is meant, and without the password."""
    with pytest.raises(SettingError, match=said) as error:
        read_url(url)
    assert "secret" not in str(error.value)


def test_what_people_read_names_no_login() -> None:
    """Host and port."""
    assert shown("nats://u:secret@a:4222") == "a:4222"


def test_options_name_files(tmp_path: Path) -> None:
    """Those of the login and of TLS; what there is not, or is not there, is told."""
    servers, login = read_url("tls://a,b:2?credentials=/c&ca=/ca&cert=/x&key=/y")
    assert servers == ["tls://a", "tls://b:2"]
    assert login == Login(credentials="/c", ca="/ca", cert="/x", key="/y")
    for query, said in (
        ("nkye=/x", r"\?nkye=… is not an option"),
        ("nkey=", r"\?nkey=… is not an option"),
        ("cert=/x", "go together"),
    ):
        with pytest.raises(SettingError, match=said):
            read_url(f"nats://a?{query}")
    missing = str(tmp_path / "missing")
    for login in (Login(nkey=missing), Login(credentials=missing), Login(ca=missing)):
        with pytest.raises(SettingError, match="missing"):
            connect_options(["nats://a"], login)


def test_tls_client_certificates_and_nkeys(tmp_path: Path) -> None:
    """A node with the right files comes in; one without them is refused, and told so."""
    certificates(tmp_path)
    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    (tmp_path / "node.nk").write_bytes(seed)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    accounts = f"A: {{ jetstream: enabled, users: [{{ nkey: {public} }}] }}"
    files = ", ".join(
        f'{name}: "{tmp_path / file}"'
        for name, file in (
            ("cert_file", "server.pem"),
            ("key_file", "server.key"),
            ("ca_file", "ca.pem"),
        )
    )
    servers = NatsServers(
        tmp_path, 1, accounts=accounts, more=f"tls {{ {files}, verify: true }}"
    ).start()
    address = f"127.0.0.1:{servers.servers[0].port}"
    tls = f"ca={tmp_path}/ca.pem&cert={tmp_path}/node.pem&key={tmp_path}/node.key"

    async def work() -> None:
        link = await NatsLink.open(f"tls://{address}?nkey={tmp_path}/node.nk&{tls}", "test")
        assert (await link.api("STREAM.NAMES"))["total"] == 0
        await link.close()
        with pytest.raises((SettingError, Unavailable)):
            await NatsLink.open(f"tls://{address}?{tls}", "test", patience=2)
        no_certificate = f"ca={tmp_path}/ca.pem&nkey={tmp_path}/node.nk"
        with pytest.raises(Unavailable):
            await NatsLink.open(f"tls://{address}?{no_certificate}", "test", patience=2)

    try:
        asyncio.run(work())
    finally:
        servers.stop()
