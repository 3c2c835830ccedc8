"""Tests of the address of a NATS cluster in the form that users write."""

from __future__ import annotations

import asyncio
from base64 import b32encode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path

import msgspec
import nkeys  # type: ignore[import-untyped]  # it has no types
import pytest

from floorcast.cluster.link import NatsLink
from floorcast.cluster.nats_url import NatsLogin, connect_options, display_address, parse_url
from floorcast.model.errors import SettingError, Unavailable
from tests.certificates import certificates
from tests.nats_servers import NatsServers


@pytest.mark.parametrize(
    ("url", "servers", "login"),
    [
        ("nats://a", ["nats://a"], NatsLogin()),
        ("nats://a:1,b:2", ["nats://a:1", "nats://b:2"], NatsLogin()),
        ("nats://u:p%40s@a,b", ["nats://a", "nats://b"], NatsLogin("u", "p@s")),
        ("nats://token@a", ["nats://a"], NatsLogin(token="token")),
    ],
)
def test_url_has_servers_and_one_login(url: str, servers: list[str], login: NatsLogin) -> None:
    """The login of the first server applies to all. A user without a password is a token."""
    assert parse_url(url) == (servers, login)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nats://127.0.0.1:99999", "127.0.0.1:99999: Port out of range"),
        ("nats://u:secret@127.0.0.1:x", "127.0.0.1:x: Port could not be cast"),
    ],
)
def test_invalid_url_error_names_the_server(url: str, said: str) -> None:
    """The error names the invalid server, and never the password."""
    with pytest.raises(SettingError, match=said) as error:
        parse_url(url)
    assert "secret" not in str(error.value)


def test_messages_contain_no_login() -> None:
    """Messages contain only the host and port."""
    assert display_address("nats://u:secret@a:4222") == "a:4222"


def test_options_set_login_and_tls_files(tmp_path: Path) -> None:
    """The options set the login and TLS.

    Unknown options and missing files are errors.
    """
    servers, login = parse_url("tls://a,b:2?credentials=/c&ca=/ca&cert=/x&key=/y")
    assert servers == ["tls://a", "tls://b:2"]
    assert login == NatsLogin(credentials="/c", ca="/ca", cert="/x", key="/y")
    for query, said in (
        ("nkye=/x", r"\?nkye=… is not an option"),
        ("nkey=", r"\?nkey=… is not an option"),
        ("cert=/x", "go together"),
    ):
        with pytest.raises(SettingError, match=said):
            parse_url(f"nats://a?{query}")
    missing = str(tmp_path / "missing")
    for login in (NatsLogin(nkey=missing), NatsLogin(credentials=missing), NatsLogin(ca=missing)):
        with pytest.raises(SettingError, match="missing"):
            connect_options(["nats://a"], login)


def test_node_connects_with_client_certificate_and_nkey(tmp_path: Path) -> None:
    """A node with the right files connects. A node without them is refused, with the reason."""
    certificates(tmp_path)
    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    (tmp_path / "node.nk").write_bytes(seed)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    accounts = f"accounts {{ A: {{ jetstream: enabled, users: [{{ nkey: {public} }}] }} }}"
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


def part(value: object) -> str:
    """Return a part of a JWT."""
    return urlsafe_b64encode(msgspec.json.encode(value)).rstrip(b"=").decode()


class Identity:
    """An operator, account or user of NATS, with a key pair and the claims that it signs."""

    def __init__(self, prefix: int, number: int) -> None:
        self.seed = nkeys.encode_seed(bytes([number]) * 32, prefix)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public = self._pair.public_key.decode()

    def signed(self, name: str, subject: str, nats: dict[str, object]) -> str:
        """Return the claims as a JWT whose id is a digest of them."""
        claims = {"iat": 1, "iss": self.public, "name": name, "sub": subject, "nats": nats}
        digest = sha256(msgspec.json.encode(claims)).digest()
        claims["jti"] = b32encode(digest).rstrip(b"=").decode()
        head = part({"typ": "JWT", "alg": "ed25519-nkey"})
        text = f"{head}.{part(claims)}"
        signature = self._pair.sign(text.encode())
        return f"{text}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


CREDENTIALS = """-----BEGIN NATS USER JWT-----
{jwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
{seed}
------END USER NKEY SEED------
"""


def test_node_connects_with_operator_credentials(tmp_path: Path) -> None:
    """The file has a user's JWT and seed, as nsc writes it. Another account's user is refused."""
    operator = Identity(nkeys.PREFIX_BYTE_OPERATOR, 1)
    account, other = (Identity(nkeys.PREFIX_BYTE_ACCOUNT, number) for number in (2, 3))
    user = Identity(nkeys.PREFIX_BYTE_USER, 4)
    system = Identity(nkeys.PREFIX_BYTE_ACCOUNT, 5)
    unlimited = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    limits = {**unlimited, "wildcards": True, "mem_storage": -1, "disk_storage": 1 << 30,
              "streams": -1, "consumer": -1}  # fmt: skip
    kinds = {"type": "account", "version": 2}
    accounts = {
        account.public: operator.signed("A", account.public, {**kinds, "limits": limits}),
        system.public: operator.signed("SYS", system.public, {**kinds, "limits": unlimited}),
    }
    trusted = operator.signed("O", operator.public, {"type": "operator", "version": 2})
    resolved = "\n".join(f"{public}: {jwt}" for public, jwt in accounts.items())
    more = (
        f"operator: {trusted}\nsystem_account: {system.public}\n"
        f"resolver: MEMORY\nresolver_preload: {{ {resolved} }}"
    )
    for name, issuer in (("node", account), ("stranger", other)):
        claims = {"type": "user", "version": 2, **dict.fromkeys(("subs", "data", "payload"), -1)}
        jwt = issuer.signed(name, user.public, claims)
        text = CREDENTIALS.format(jwt=jwt, seed=user.seed.decode())
        (tmp_path / f"{name}.creds").write_text(text)
    servers = NatsServers(tmp_path, 1, accounts="", more=more).start()
    address = f"nats://127.0.0.1:{servers.servers[0].port}"

    async def work() -> None:
        link = await NatsLink.open(f"{address}?credentials={tmp_path}/node.creds", "test")
        assert (await link.api("STREAM.NAMES"))["total"] == 0
        await link.close()
        for query in (f"?credentials={tmp_path}/stranger.creds", ""):
            with pytest.raises((SettingError, Unavailable)):
                await NatsLink.open(address + query, "test", patience=2)

    try:
        asyncio.run(work())
    finally:
        servers.stop()
