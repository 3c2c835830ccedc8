"""Tests of the state that nodes share through a real NATS server.

This state includes sessions, the site, and the count of wrong passwords.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from floorcast.auth.keys import KeyThrottle
from floorcast.auth.login_verifier import LoginVerifier
from floorcast.auth.passwords import Passwords
from floorcast.auth.session import Session
from floorcast.auth.sessions import Sessions
from floorcast.auth.throttle import Throttle
from floorcast.cluster.jetstream_kv import JetStreamKeyValueStore
from floorcast.cluster.link import NatsLink
from floorcast.model.errors import BadCredentials, RateLimited
from floorcast.site.apply import apply
from floorcast.site.digests import digest
from floorcast.site.edits import revoke_key
from floorcast.site.file_reader import parse
from floorcast.site.live_site import Site
from tests.auth.auth_node import Clock
from tests.cli.admin_commands import AdminCommands
from tests.nats_servers import SOON, NatsServers, wait_until
from tests.site.sites import CHEAP, SMALL


class NodeLogin(NamedTuple):
    """One node's parts that are needed for logins."""

    kv: JetStreamKeyValueStore
    site: Site
    sessions: Sessions

    async def login(self, user: str = "reports", password: str = "correct horse") -> Session:
        """Log in as a user of the small site."""
        return await self.sessions.login(
            "ACME", user, password, "test-token-of-acme-01", address="192.0.2.1"
        )


@asynccontextmanager
async def nodes(url: str, count: int, clock: Clock) -> AsyncIterator[list[NodeLogin]]:
    """Run ``count`` nodes of a cluster with the small site."""
    async with AsyncExitStack() as stack:
        passwords = Passwords(CHEAP)
        stack.callback(passwords.close)
        logins: list[NodeLogin] = []
        for _ in range(count):
            link = await NatsLink.open(url, "test")
            stack.push_async_callback(link.close)
            kv = await JetStreamKeyValueStore.open(link, 1)
            stack.push_async_callback(kv.close)
            if not logins:
                await apply(kv, parse(SMALL), CHEAP)
            site = Site(kv)
            credentials = LoginVerifier(site, passwords, Throttle(kv, clock), KeyThrottle(clock))
            sessions = Sessions(
                site, kv, credentials, passwords, clock, monotonic=clock, shared=True
            )
            logins.append(NodeLogin(kv, site, sessions))
        yield logins


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine with a time limit."""
    asyncio.run(asyncio.wait_for(work, 2 * SOON))


def test_a_login_on_one_node_is_valid_on_all_nodes(nats_server: NatsServers) -> None:
    """Concurrent logins on all nodes return the same session, and every node accepts it."""

    async def work() -> None:
        async with nodes(nats_server.account(), 3, Clock()) as logins:
            sessions = await asyncio.gather(*(node.login() for node in logins * 4))
            assert len({session.id for session in sessions}) == 1
            await wait_until(lambda: all(node.sessions.validate(sessions[0].id) for node in logins))

    run(work())


@pytest.mark.parametrize("how", ["logout", "password", "token"])
def test_a_session_ended_on_one_node_ends_on_all_nodes(nats_server: NatsServers, how: str) -> None:
    """A logout, a new password or a revoked token ends a session on every node."""

    async def work() -> None:
        async with nodes(nats_server.account(), 2, Clock()) as (one, two):
            session = await one.login()
            await wait_until(lambda: two.sessions.validate(session.id))
            if how == "logout":
                assert await two.sessions.logout(session.id)
            elif how == "password":
                await two.sessions.change_password(
                    "ACME", "reports", "correct horse", "a new secret", "test-token-of-acme-01"
                )
            else:
                await revoke_key(two.kv, 1, digest("test-token-of-acme-01"))
            await wait_until(lambda: not one.sessions.validate(session.id))
            await wait_until(lambda: not two.sessions.validate(session.id))
            await one.sessions.maintain()
            assert not one.kv.items("sessions")

    run(work())


def test_using_a_session_on_one_node_extends_it_on_all_nodes(nats_server: NatsServers) -> None:
    """A session stays valid on every node while one node uses it, and expires afterwards."""
    clock = Clock()

    async def work() -> None:
        async with nodes(nats_server.account(), 2, clock) as (one, two):
            session = await one.login()
            await wait_until(lambda: len(two.sessions) == 1)
            for _ in range(10):
                clock.advance(3600)
                assert one.sessions.validate(session.id)
                before = two.kv.version("sessions")
                await one.sessions.maintain()
                await wait_until(lambda: two.kv.version("sessions") > before)  # noqa: B023 — used at once
                await two.sessions.maintain()
            assert two.sessions.validate(session.id)
            clock.advance(3 * 3600)
            await two.sessions.maintain()
            await wait_until(lambda: not len(one.sessions))
            assert not one.sessions.validate(session.id)

    run(work())


def test_wrong_passwords_are_counted_across_nodes(nats_server: NatsServers) -> None:
    """After five wrong passwords on all nodes together, every node refuses the next login."""

    async def work() -> None:
        async with nodes(nats_server.account(), 3, Clock()) as logins:
            tries = [node.login(password=f"wrong {n}") for n in range(4) for node in logins]
            outcomes = await asyncio.gather(*tries, return_exceptions=True)
            assert sum(isinstance(one, BadCredentials) for one in outcomes) == 5
            assert sum(isinstance(one, RateLimited) for one in outcomes) == 7
            for node in logins:
                with pytest.raises(RateLimited):
                    await node.login()

    run(work())


def test_commands_change_the_site_of_a_running_cluster(
    nats_server: NatsServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--log``, commands change the cluster's site, and running nodes see the changes."""
    admin = AdminCommands(tmp_path, monkeypatch)
    url = nats_server.account()
    with pytest.raises(Exception, match="has no site yet"):
        admin.invoke("site", "show", "--log", url)
    assert "2 changes" in admin.run("site", "apply", "site.toml", "--log", url)
    assert admin.run("site", "apply", "site.toml", "--log", url) == "nothing to change\n"
    assert "client 1 ACME" in admin.run("site", "show", "--log", url)

    async def work() -> None:
        async with nodes(url, 1, Clock()) as (node,):
            says = asyncio.to_thread(
                admin.run, "user", "add", "new", "--role", "Manager", "--client", "1", "--log", url,
                stdin="new's secret\n",
            )  # fmt: skip
            assert "can now log in" in await says
            await wait_until(lambda: node.site.user(1, "new"))
            session = await node.login("new", "new's secret")
            key = await asyncio.to_thread(admin.run, "key", "new", "--client", "1", "--log", url)
            digested = digest(key.strip())
            await wait_until(lambda: digested in node.site.clients[1].ingest_keys)
            await asyncio.to_thread(
                admin.run, "user", "remove", "new", "--client", "1", "--log", url
            )
            await wait_until(lambda: not node.sessions.validate(session.id))

    run(work())
    assert not (tmp_path / "floorcast-data").exists()
