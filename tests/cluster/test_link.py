"""Tests of the connection to a NATS cluster: its clock, quorum and errors."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from floorcast.cluster.jetstream_responses import RequestRefused
from floorcast.cluster.link import NatsLink
from floorcast.model.errors import SettingError, Unavailable
from floorcast.model.token import TICKS_PER_SECOND, system_now
from tests.nats_servers import SOON, NatsServers, wait_until

MINUTE = 60 * TICKS_PER_SECOND


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine with a time limit."""
    asyncio.run(asyncio.wait_for(work, 2 * SOON))


@pytest.mark.parametrize("minutes", [-7, 0, 7])
def test_nodes_with_wrong_clocks_agree_on_the_time(nats_server: NatsServers, minutes: int) -> None:
    """The nodes use the servers' time, whatever their own clocks show."""

    async def work() -> None:
        def own() -> int:
            return system_now() + minutes * MINUTE

        link = await NatsLink.open(nats_server.account(), "test", own)
        await link.api("STREAM.CREATE.X", {"name": "X", "subjects": ["x"]})
        assert abs(link.clock() - system_now()) < 10 * TICKS_PER_SECOND
        await link.close()

    run(work())


def test_message_sent_twice_is_stored_once(nats_server: NatsServers) -> None:
    """The server recognizes the message by its id. Both responses have the same position."""

    async def work() -> None:
        link = await NatsLink.open(nats_server.account(), "test")
        await link.api("STREAM.CREATE.X", {"name": "X", "subjects": ["x"]})
        first = await link.publish("x", b"1", {"Nats-Msg-Id": "one"})
        again = await link.publish("x", b"1", {"Nats-Msg-Id": "one"})
        assert (first.duplicate, again.duplicate) == (False, True)
        assert first.seq == again.seq
        await link.close()

    run(work())


def test_rejection_has_its_error_code(nats_server: NatsServers) -> None:
    """The error is raised immediately, because a retry would not help.

    If no response arrives, Unavailable is raised.
    """

    async def work() -> None:
        link = await NatsLink.open(nats_server.account(), "test")
        with pytest.raises(RequestRefused, match="stream not found") as error:
            await link.api("STREAM.INFO.X")
        assert error.value.code == 10059
        with pytest.raises(Unavailable, match="no responders"):
            await link.publish("nobody.listens", b"", patience=2)
        await link.close()

    run(work())


def test_unreachable_servers_are_named(nats_server: NatsServers) -> None:
    """The error contains the reason and no password, also if the servers refuse the login."""

    async def work() -> None:
        with pytest.raises(Unavailable, match=r"at 127\.0\.0\.1:1 \(Connection refused"):
            await NatsLink.open("nats://u:secret@127.0.0.1:1", "test", patience=2)
        wrong = nats_server.account().replace("secret", "wrong")
        with pytest.raises(SettingError, match="reject the login"):
            await NatsLink.open(wrong, "test")

    run(work())


def test_link_reconnects_and_calls_its_callbacks(tmp_path: Path) -> None:
    """When the only server is back, the link reconnects and calls its callbacks."""
    servers = NatsServers(tmp_path, 1).start()

    async def work() -> None:
        link = await NatsLink.open(servers.account(), "test")
        again = asyncio.Event()
        link.on_connect(again.set)
        await link.api("STREAM.CREATE.X", {"name": "X", "subjects": ["x"]})
        link.watch("X")
        servers.stop()
        with pytest.raises(Unavailable):
            await link.publish("x", b"1", patience=0.5)
        assert not link.quorum
        await asyncio.to_thread(servers.start)
        await again.wait()
        assert (await link.publish("x", b"1")).seq == 1
        await link.close()

    try:
        run(work())
    finally:
        servers.stop()


def test_link_leaves_a_server_without_quorum(nats_cluster: NatsServers) -> None:
    """The server responds but cannot reach the others, so the link moves to the quorum."""

    async def work() -> None:
        url = nats_cluster.account()
        link = await NatsLink.open(url, "test")
        config = {"name": "X", "subjects": ["x"], "num_replicas": 3}
        await link.api("STREAM.CREATE.X", config)
        link.watch("X")
        connected = link.client.connected_url
        assert connected is not None
        cut_off = next(one for one in nats_cluster.servers if one.port == connected.port)
        nats_cluster.cut_off(cut_off)
        await wait_until(lambda: not link.quorum)
        assert link.seconds_without_quorum >= 0
        await wait_until(lambda: link.quorum)
        assert link.client.connected_url is not None
        assert link.client.connected_url.port != cut_off.port
        await link.publish("x", b"1", {"Nats-Msg-Id": "1"})
        await link.close()

    try:
        run(work())
    finally:
        nats_cluster.mend()
