"""Tests of the client with a real server, through kills, lost connections and rate limits."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from floorcast.client import (
    AsyncClient,
    AsyncFeed,
    Client,
    Credentials,
    Feed,
    Filter,
    Timing,
    TokenFile,
    sync_io,
)
from floorcast.model.errors import BadCredentials, NotFound, RateLimited, RoleNotAllowed
from tests.real.load import PATIENCE, Load, Source, assert_all_once
from tests.real.proxy import Proxy
from tests.real.server import AGENTS, EVENTS, Caller, Server, running
from tests.real.sites import PASSWORD, TOKENS, event, ndjson
from tests.real.test_kills import SOURCES, THE_END

KILLS = 3
LONGEST = 30_000  # bytes; the proxy cuts a connection before it has sent this many

HASTY = Timing(
    chance=lambda: 0.05
)  # pauses are short, because the server is down only for a second or two


def credentials(user: str = "sysadmin", password: str = PASSWORD) -> Credentials:
    """Return the credentials of a user of ACME."""
    return Credentials(client="ACME", user=user, password=password, api_token=TOKENS["ACME"])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Run a separate server for each test."""
    with running(tmp_path) as one:
        yield one


def calls(*numbers: int) -> bytes:
    """Return the events with which calls begin."""
    return ndjson(
        event(
            "call.start",
            number,
            transactionId=number,
            sessionId=f"S{number}",
            service="Sales",
            direction="INBOUND",
        )
        for number in numbers
    )


Found = list[dict[str, Any]]


def until_the_end(feed: Feed[Any]) -> Found:
    """Read a feed up to the event that ends the test. Returns its events in order."""
    found: Found = []
    for _ in feed:
        found.append(json.loads(feed.json))
        if THE_END in found[-1].values():
            return found
    raise AssertionError("a feed has no end")


def read(url: str, path: str, token: str, *, stream: bool) -> Found:
    """Follow a feed with the client for threads."""
    with Client(url, credentials(), timing=HASTY) as client:
        if path == AGENTS:
            return until_the_end(client.agent_events(token, stream=stream))
        return until_the_end(client.interaction_events(token, stream=stream))


def read_on_a_loop(url: str, path: str, token: str, *, stream: bool) -> Found:
    """Follow a feed with the client for event loops."""

    async def reading() -> Found:
        found: Found = []
        async with AsyncClient(url, credentials(), timing=HASTY) as client:
            follow = client.agent_events if path == AGENTS else client.interaction_events
            feed: AsyncFeed[Any] = follow(token, stream=stream)
            async for _ in feed:
                found.append(json.loads(feed.json))
                if THE_END in found[-1].values():
                    break
        return found

    return asyncio.run(reading())


Read = Callable[..., Found]


@pytest.mark.long
@pytest.mark.parametrize("seed", [random.randrange(2**32)], ids=["random"])
def test_feeds_give_each_event_once_through_kills_and_disconnections(
    tmp_path: Path, seed: int
) -> None:
    """Streams and long polls give the same events in the same order, even over a bad network."""
    chance, load = random.Random(seed), Load()
    with (
        running(tmp_path) as server,
        Proxy(server.port, random.Random(seed), LONGEST) as proxy,
        ThreadPoolExecutor(8) as readers,
        Caller(server.url) as caller,
    ):
        caller.login()
        begin = caller.feed(EVENTS).token
        following: list[tuple[str, Future[Found]]] = [
            (path, readers.submit(how, url, path, begin, stream=stream))
            for path in (EVENTS, AGENTS)
            for stream in (True, False)
            for how, url in ((read, proxy.url), (read_on_a_loop, server.url))
        ]
        sources = [
            Source(lambda: Caller(server.url, up=server.up), f"source{number}", load)
            for number in range(SOURCES)
        ]
        for source in sources:
            source.start()
        for _ in range(KILLS):
            load.wait_for(chance.randrange(5, 30))
            server.kill()
            server.start()
        while proxy.cuts == 0:  # kills may end every connection before the proxy cuts it
            load.wait_for(10)
        load.end()
        for source in sources:
            source.join(PATIENCE)
        caller.take(
            ndjson(
                [
                    event("email.attempt", 1, service="Sales", eventType=THE_END),
                    event("agent.state", 2, agent="last", eventType="READY", result=THE_END),
                ]
            )
        )
        alike: dict[str, Found] = {}
        for path, found in following:
            events = found.result(PATIENCE)
            assert events == alike.setdefault(path, events), "every reader has the same"
            assert_all_once(path, events, sources)


def test_a_silently_dead_connection_is_detected(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no keep-alive arrives in time, the client continues the stream on a new connection."""
    monkeypatch.setattr(sync_io, "TIMEOUT", httpx.Timeout(1.0))
    with (
        Proxy(server.port, random.Random(1)) as proxy,
        Caller(server.url) as caller,
        Client(proxy.url, credentials()) as client,
    ):
        token = client.interaction_event_feed().token
        feed = client.interaction_events(token)
        for number in range(4):
            caller.take(calls(number))
            assert getattr(next(feed), "transaction_id", None) == number
        proxy.hold()
        caller.take(calls(4))
        assert getattr(next(feed), "transaction_id", None) == 4


def test_the_client_slows_down_before_the_rate_limit(tmp_path: Path) -> None:
    """The last quarter of a minute's requests is spread out, so that no response is 429."""
    paused: list[float] = []
    with (
        running(tmp_path, "--rate-limit", 40) as server,
        Caller(server.url) as caller,
        Client(server.url, credentials(), sleep=paused.append) as client,
    ):
        for _ in range(35):
            client.live_connects()
        # from the 31st request on, the remaining requests share the rest of the minute equally
        assert len(paused) == 5
        assert all(5 < pause < 9 for pause in paused)
        assert caller.metric_value(_answers("/realtime/service/liveConnects", 429)) == 0
        caller.http.headers["LV-Session"] = client.log_in().session_id
        while caller.http.post("/realtime/service/liveConnects").status_code == 200:
            pass
        with pytest.raises(RateLimited, match="more than 40 requests in a minute") as caught:
            client.live_connects()
        assert caught.value.retry_after > 30


def _answers(path: str, status: int) -> str:
    return f'floorcast_requests_total{{route="{path}",status="{status}"}}'


def test_both_clients_return_equal_responses(server: Server) -> None:
    """Both clients return responses of the same types, and the values are right."""
    call = {"transactionId": 7, "sessionId": "S7"}
    with Caller(server.url) as caller:
        caller.take(
            ndjson(
                [
                    event("agent.state", 1, agent="VKUMARK", eventType="LOGON", service="Sales"),
                    event("call.start", 2, service="Sales", direction="INBOUND", **call),
                    event("call.queue", 3, **call),
                    event("call.start", 4, service="Help", direction="OUTBOUND",
                          transactionId=8, sessionId="S8", campaign="Early", phoneDialed="650"),
                    event("call.end", 5, transactionId=8, sessionId="S8", lvResult="Busy"),
                    event("campaign.update", 6, campaign="Early", loaded=5, timezones={"ET": 3}),
                ]
            )
        )  # fmt: skip

    async def on_a_loop() -> list[Any]:
        async with AsyncClient(server.url, credentials()) as client:
            return [await getattr(client, name)(*given) for name, *given in ASKED]

    with Client(server.url, credentials()) as client:
        in_a_thread = [getattr(client, name)(*given) for name, *given in ASKED]
        assert list(map(type, asyncio.run(on_a_loop()))) == list(map(type, in_a_thread))
        service, agent, waiting, in_call, ended, campaign = in_a_thread[:6]
        assert service.stats[0].total_calls_in_queue == 1
        assert service.feed_token
        assert agent.agent_details[0].agent_login_id == "VKUMARK"
        assert waiting.calls_details[0].service_id == 38049
        assert in_call.call_direction_outbound is False
        assert ended.lv_result == "Busy"
        assert campaign.stats[0].loaded == 5
        with pytest.raises(NotFound, match="has ended"):
            client.in_call("S8", 8)


ASKED: list[tuple[Any, ...]] = [
    ("service_statistics", Filter(service=[38049])),
    ("agent_status",),
    ("waiting_calls", Filter(call_center=[1623])),
    ("in_call", "S7", 7),
    ("post_call", "S8", 8),
    ("campaign_statistics",),
    ("agent_averages",),
    ("agent_statistics",),
    ("agent_statistics_ex",),
    ("live_connects",),
    ("validate",),
]


def test_a_changed_password_is_used_for_later_logins(server: Server) -> None:
    """A new password ends the sessions, and the client then logs in with the new password."""
    with Client(server.url, credentials("manager"), timing=Timing(patience=5)) as client:
        client.agent_event_feed()
        client.change_password("another horse")
        client.agent_event_feed()
        assert client.validate()
        client.log_out()
        assert not client.validate()
    with Client(server.url, credentials("manager")) as old, pytest.raises(BadCredentials):
        old.log_in()
    with Client(server.url, credentials("superuser")) as other, pytest.raises(RoleNotAllowed):
        other.agent_event_feed()


def test_a_store_resumes_each_feed_after_logouts_and_kills(server: Server, tmp_path: Path) -> None:
    """Each new feed continues after the previous feed's last event, with a new session."""
    store = TokenFile(tmp_path / "token")
    with Caller(server.url, up=server.up) as caller, Client(server.url, credentials()) as client:
        store.save(client.interaction_event_feed().token)
        got = []
        for run in range(2):
            caller.take(calls(*range(run * 10, run * 10 + 10)))
            with client.interaction_events(store=store) as feed:
                for found in feed:
                    got.append(found.session_id)
                    if len(got) == run * 10 + 10:
                        break
            client.log_out()
            server.kill()
            server.start()
        assert got == [f"S{number}" for number in range(20)]
        assert client.interaction_event_feed().events == []
