"""Tests of a node that is opened, started, changed while it runs, and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from floorcast import projection
from floorcast.auth.passwords import Hasher
from floorcast.config.settings import Settings
from floorcast.feeds import feed
from floorcast.floor.call_fold import CallFold
from floorcast.floor.directory import Directory
from floorcast.floor.state import SNAPSHOT_VERSION
from floorcast.kv.folder import open_kv
from floorcast.log.embedded import EmbeddedLog
from floorcast.log.tuning import LogTuning
from floorcast.model.errors import SettingError, Unavailable
from floorcast.projection.runner import Projection
from floorcast.server import node, stores
from floorcast.server.node import Node
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from floorcast.sqlite.background_writer import BackgroundWriter
from tests.log.damaging import flip, leaf_of, zero_page
from tests.real.nodes import Clock, NodeHarness, temporary_folder, until
from tests.real.server import AGENTS, EVENTS
from tests.real.sites import ACME, CHEAP, KEYS, PASSWORD, SITE, TOKENS, event, ndjson

INTAKE = "/ingest/v1/events"
SOURCE = {"Authorization": f"Bearer {KEYS['ACME']}", "Content-Type": "application/x-ndjson"}
SMS = ndjson([event("sms.attempt", 1, service="Sales", eventType="Attempt")])


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a data folder."""
    with temporary_folder() as one:
        yield one


@pytest.fixture
def house(folder: Path) -> Iterator[NodeHarness]:
    """Yield a node that serves requests."""
    one = NodeHarness(folder, Clock())
    yield one
    one.end()


def test_a_starting_node_refuses_requests_until_it_is_ready(folder: Path) -> None:
    """Requests get 503 with Retry-After, and the health check always succeeds."""
    house = NodeHarness(folder, Clock(), started=False)
    asked = [("GET", "/readyz"), ("POST", EVENTS), ("POST", INTAKE), ("POST", "/session/login")]
    for method, path in asked:
        answer = house.ask(method, path)
        assert (answer.status_code, answer.json()["code"]) == (503, 101), path
        assert answer.json()["message"] == "the server is starting"
        assert int(answer.headers["retry-after"]) >= 1
    assert house.ask("GET", "/healthz").status_code == 200
    assert "floorcast_ready 0.0" in house.ask("GET", "/metrics").text
    assert house.ask("GET", "/realtime/callEvent").status_code == 410
    house.run(house.node.start())
    assert house.ask("GET", "/readyz").json() == {"status": "ready"}
    assert "floorcast_ready 1.0" in house.ask("GET", "/metrics").text
    house.login()
    stopped = house.node.server
    house.end()
    assert not stopped.readiness.ready
    assert stopped.readiness.reason == "the server is stopping"


def test_a_node_locks_its_folder_until_it_is_closed(folder: Path, house: NodeHarness) -> None:
    """A second node is refused and changes nothing. It can start later."""
    settings = Settings(data=house.data, site=house.site)

    async def another() -> None:
        async with Node(settings, Clock(), CHEAP) as second:
            await second.start()

    with pytest.raises(SettingError, match="in use by process"):
        house.run(another())
    assert house.take(SMS)["accepted"] == 1
    house.close()
    house.run(another())
    house.open()
    assert house.take(SMS)["duplicates"] == 1


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("[[client]]\nid = 'x'", "id"),
        ("[[client", "TOML"),
    ],
)
def test_an_invalid_site_is_refused_and_the_folder_released(
    folder: Path, site: str, message: str
) -> None:
    """The message names the problem, and the folder is released for the next attempt."""
    (folder / "site.toml").write_text(site)

    async def begin(settings: Settings) -> None:
        async with Node(settings, Clock(), CHEAP) as one:
            await one.start()

    data, file = folder / "data", folder / "site.toml"
    with pytest.raises(SettingError, match=message):
        asyncio.run(begin(Settings(data=data, site=file)))
    file.write_text(SITE)
    asyncio.run(begin(Settings(data=data, site=file)))


def test_the_last_applied_site_is_used_without_a_site_file(house: NodeHarness) -> None:
    """Sessions, the log and feeds are kept, too."""
    session = house.login()
    token = house.ask("POST", EVENTS, session).json()["token"]
    house.take(SMS)
    house.close()

    async def again() -> httpx.Response:
        async with Node(Settings(data=house.data), house.clock, CHEAP) as one:
            await one.start()
            assert ACME in one.server.floors
            assert one.server.sessions.validate(session)
            house.node = one
        return httpx.Response(200)

    house.run(again())
    house.open()
    page = house.ask("POST", EVENTS, session, json={"token": token}).json()
    assert len(page["events"]) == 1


def test_a_node_in_memory_keeps_nothing(folder: Path) -> None:
    """Apart from that, a node with ``:memory:`` works like any other node."""
    house = NodeHarness(folder, Clock(), keeps=False)
    assert house.take(SMS)["accepted"] == 1
    house.close()
    house.open()
    assert house.take(SMS)["accepted"] == 1
    house.end()
    assert [file.name for file in folder.iterdir()] == ["site.toml"]


def test_waiting_readers_get_a_response_on_release(
    house: NodeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response is an empty page with a token that stays valid."""
    session = house.login()
    token = house.ask("POST", EVENTS, session).json()["token"]

    async def wait() -> list[httpx.Response]:
        waiting = [
            asyncio.create_task(house.request("POST", path, session, json={"token": token}))
            for path in (EVENTS, AGENTS)
        ]
        feeds = house.node.server.floors[ACME].feeds
        await until(lambda: feeds["interaction"].waiting and feeds["agent"].waiting)
        house.node.release()
        return [await one for one in waiting]

    events, agents = house.run(wait())
    assert (events.json()["events"], agents.json()["agentEvent"]) == ([], [])
    house.close()
    house.open()
    monkeypatch.setattr(feed, "POLL_SECONDS", 0.0)
    house.take(SMS)
    page = house.ask("POST", EVENTS, session, json={"token": events.json()["token"]}).json()
    assert len(page["events"]) == 1


def test_a_node_notices_site_changes_by_other_processes(
    house: NodeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site applied by a command takes effect at the next check, and new clients start."""
    monkeypatch.setattr(node, "CHORE_SECONDS", 0.001)
    house.close()
    house.open()

    async def change(text: str) -> None:
        kv = open_kv(house.data)
        await apply(kv, parse(text), Hasher(memory_kib=8, passes=1))
        await kv.close()

    async def served(*clients: int) -> None:
        end = asyncio.get_running_loop().time() + 10
        while set(house.node.server.floors) != set(clients):
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0)

    house.run(change(SITE.replace("id = 5\n", "id = 6\n")))
    house.run(served(47415, 4199, 6))
    house.run(change(SITE))
    house.run(served(47415, 4199, 5))


def test_a_floor_that_cannot_start_does_not_block_other_site_changes(
    house: NodeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor's start is retried while clients are added and removed."""
    monkeypatch.setattr(node, "CHORE_SECONDS", 0.001)
    house.close()
    run = Projection.run

    async def stuck(floor: Projection) -> None:
        if floor.client == 6:
            await asyncio.get_running_loop().create_future()
        await run(floor)

    monkeypatch.setattr(Projection, "run", stuck)
    house.open()

    async def change(text: str) -> None:
        kv = open_kv(house.data)
        await apply(kv, parse(text), Hasher(memory_kib=8, passes=1))
        await kv.close()

    async def served(*clients: int) -> None:
        async with asyncio.timeout(100):
            while set(house.node.server.floors) != set(clients):  # noqa: ASYNC110 — no event to wait for
                await asyncio.sleep(0)

    house.run(change(SITE.replace("id = 5\n", "id = 6\n")))
    house.run(served(47415, 4199, 6))  # up to its configuration, which it never folds
    house.run(change(SITE.replace("id = 5\n", "id = 7\n")))
    house.run(served(47415, 4199, 7))


def test_a_failed_chore_is_logged_and_retried(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that cannot be read for a while does not stop the node."""
    monkeypatch.setattr(node, "CHORE_SECONDS", 0.001)
    looks: list[int] = []

    async def fails(_: object) -> None:
        looks.append(1)
        raise (Unavailable("no disk") if len(looks) % 3 else ZeroDivisionError())

    monkeypatch.setattr("floorcast.site.live_site.Site.refresh", fails)
    with capture_logs() as logged:
        house = NodeHarness(folder, Clock())

        def logged_levels() -> set[str]:
            return {one["log_level"] for one in logged if one["event"] == "chore_failed"}

        async def wait_for_both_levels() -> None:
            async with asyncio.timeout(100):
                while logged_levels() != {"warning", "error"}:  # noqa: ASYNC110 — the log has no event to wait for
                    await asyncio.sleep(0)

        house.run(wait_for_both_levels())
        assert house.take(SMS)["accepted"] == 1
        house.end()


def test_excess_requests_are_refused_before_they_are_stored(folder: Path) -> None:
    """Excess requests get 503 with Retry-After. Admitted requests finish and make room."""
    house = NodeHarness(folder, Clock(), max_in_flight=1)

    async def two() -> tuple[httpx.Response, httpx.Response]:
        first, second = (
            house.request("POST", INTAKE, content=body, headers=SOURCE)
            for body in (SMS, SMS.replace(b'"1"', b'"2"'))
        )
        return await asyncio.gather(first, second)

    admitted, refused = house.run(two())
    assert admitted.json()["accepted"] == 1
    assert (refused.status_code, refused.json()["code"]) == (503, 101)
    assert int(refused.headers["retry-after"]) >= 1
    assert house.take(SMS.replace(b'"1"', b'"2"'))["accepted"] == 1
    house.end()


def test_events_are_refused_while_the_store_lags_too_far_behind(
    house: NodeHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's backlog is in memory, which is limited.

    The node learns its size from writes to the store.
    """
    assert house.take(SMS)["accepted"] == 1
    with monkeypatch.context() as patch:
        patch.setattr(BackgroundWriter, "backlog", property(lambda _: 1 << 40))
        house.node._rings.seal()  # noqa: SLF001 - as the node does every second
        answer = house.ask("POST", INTAKE, content=SMS, headers=SOURCE)
        assert (answer.status_code, answer.json()["code"]) == (503, 101)
    assert house.take(SMS)["duplicates"] == 1


def test_a_damaged_entry_affects_only_its_client(folder: Path, house: NodeHarness) -> None:
    """The server is ready, serves other clients, and reports the damage."""
    assert house.take(SMS)["accepted"] == 1
    house.close()
    flip(house.data / "log.db", b"Attempt")
    (house.data / "mirror.db").unlink()
    with capture_logs() as logged:
        house.open()
    assert {one["client"] for one in logged if one["event"] == "entry_damaged"} == {ACME}
    assert house.ask("GET", "/readyz").status_code == 200
    assert house.ask("POST", EVENTS, house.login()).status_code == 503
    assert house.take(SMS, "CHILD")["accepted"] == 1


@pytest.mark.parametrize("damage", ["a byte", "a page"])
def test_damaged_derived_data_is_rebuilt_while_serving(folder: Path, damage: str) -> None:
    """A reader of old events waits briefly and gets the same events, without a restart."""
    house = NodeHarness(folder, Clock(), ring_bytes=1 << 20)
    session = house.login()
    begin = house.ask("POST", EVENTS, session, json={}).json()["token"]
    for number in range(30):
        more = [
            event("sms.attempt", f"{number}/{n}", service="Sales", eventType="Attempt")
            for n in range(9)
        ]
        house.take(ndjson(more))
        house.clock.ticks += 10 * 10_000_000
        house.node.server.floors[ACME].feeds["interaction"].seal()
    before = house.ask("POST", EVENTS, session, json={"token": begin}, params={"count": 1000})
    house.close()
    store = house.data / "mirror.db"
    if damage == "a byte":
        flip(store, b'"Attempt"')
    else:
        zero_page(store, leaf_of(store, "segments", 0))

    async def asked() -> httpx.Response:
        while True:
            answer = await house.request(
                "POST", EVENTS, session, json={"token": begin}, params={"count": 1000}
            )
            if answer.status_code == 200:
                return answer
            assert answer.status_code == 503
            assert "retry-after" in answer.headers
            await asyncio.sleep(0)

    with capture_logs() as logged:
        house.open()
        again = house.run(asked())
    assert len(before.json()["events"]) == 270
    assert again.json()["events"] == before.json()["events"]
    assert "derived_data_remade" in {one["event"] for one in logged}
    assert house.take(ndjson([event("sms.attempt", "x", service="Sales", eventType="A")]))
    house.end()


def figures(house: NodeHarness) -> tuple[list[Any], Directory]:
    """Return the services' figures of the day, and the names that the floor knows."""
    answer = house.ask("POST", "/realtime/service/stats", house.login(), json={})
    return answer.json()["stats"], house.node.server.floors[ACME].floor.state.directory


def unreadable(*_: object) -> int:
    """Fail as a log does whose page is damaged."""
    raise Unavailable("the log cannot be read")


@pytest.mark.parametrize(("hours", "damaged"), [(3, False), (3, True), (40, False)])
def test_an_upgrade_computes_the_present_day_by_its_own_rules(
    folder: Path, monkeypatch: pytest.MonkeyPatch, hours: int, damaged: bool
) -> None:
    """It folds the log again. What is older than the day comes from an older snapshot.

    A damaged entry of the log, by which it looks for the day, does not stop it.
    """
    tuning = LogTuning(leap_seconds=1e9, retention_entries=2)
    monkeypatch.setattr(stores, "EmbeddedLog", partial(EmbeddedLog, tuning=tuning))
    ways = {}
    ann = {"agent": "ANN", "service": "Sales"}
    for way in ("this release", "an upgrade"):
        (folder / way).mkdir()
        with monkeypatch.context() as patch:
            if way == "an upgrade":
                patch.setattr(projection.runner, "SNAPSHOT_VERSION", SNAPSHOT_VERSION - 1)
                patch.setattr(CallFold, "end", lambda *_: None)
            house = NodeHarness(folder / way, Clock())
            house.take(ndjson([event("agent.state", "on", **ann, eventType="READY")]))
            for hour in range(hours):
                one = {"transactionId": hour, "sessionId": "s"}
                kinds = {"call.start": {"service": "Sales", "direction": "INBOUND"}}
                kinds |= {"call.queue": {}, "call.end": {}}
                parts = [event(kind, f"{kind}{hour}", **one, **kinds[kind]) for kind in kinds]
                house.take(ndjson(parts))
                house.clock.move(3600)
            assert (house.node.server.log.last_removed(ACME) > 0) == (hours > 26)
            house.close()
        if damaged:
            monkeypatch.setattr(EmbeddedLog, "last_entry_at", unreadable)
        house.open()
        ways[way] = figures(house)
        house.end()
    (stats, directory), upgraded = ways.values()
    assert stats[0]["totalAbandoned"] > 0
    assert "ANN" in str(directory)
    assert upgraded == (stats, directory)


def test_a_site_file_without_clients_is_refused_at_startup(folder: Path) -> None:
    """Such a file is usually a mistake. Only a command can remove all clients."""
    house = NodeHarness(folder, Clock())
    house.end()
    Path(house.site).write_text("# half written")

    async def start() -> None:
        async with Node(Settings(data=house.data, site=house.site), Clock(), CHEAP):
            pass

    with pytest.raises(SettingError, match=r"declares no client and .*site apply .* --yes"):
        asyncio.run(start())
    kv = open_kv(house.data)
    assert kv.items("site")
    asyncio.run(kv.close())


def wrong_login(house: NodeHarness) -> httpx.Response:
    """Try a wrong password."""
    login = {"clientName": "ACME", "userName": "sysadmin", "password": "wrong"}
    headers = {"LV-Access": TOKENS["ACME"]}
    return house.ask("POST", "/session/login", json=login, headers=headers)


def wrong_key(house: NodeHarness) -> httpx.Response:
    """Send events with a wrong ingest key."""
    headers = SOURCE | {"Authorization": "Bearer not-the-key-of-any-client"}
    return house.ask("POST", INTAKE, content=SMS, headers=headers)


def new_session(house: NodeHarness) -> httpx.Response:
    """Log in, and log out again if that succeeds."""
    login = {"clientName": "ACME", "userName": "sysadmin", "password": PASSWORD}
    headers = {"LV-Access": TOKENS["ACME"]}
    answer = house.ask("POST", "/session/login", json=login, headers=headers)
    if answer.status_code == 200:
        house.ask("DELETE", f"/session/logout/{answer.json()['sessionId']}")
    return answer


@pytest.mark.parametrize("jump", [-7200, 7200])
def test_a_wall_clock_that_jumps_changes_no_wait(folder: Path, jump: int) -> None:
    """Set back, it makes nobody wait for hours. Set ahead, it lets no guesses through."""
    house = NodeHarness(folder, Clock(), monotonic=Clock(), rate_limit=5)
    session = house.login("superuser")

    def request(house: NodeHarness) -> httpx.Response:
        return house.ask("GET", "/realtime/alerts", session)

    attempts = (request, new_session, wrong_login, wrong_key)
    for attempt in attempts:
        for _ in range(100):
            answer = attempt(house)
            if answer.status_code == 429:
                break
        assert 1 <= int(answer.headers["retry-after"]) <= 60, attempt
    house.clock.move(jump)
    assert [attempt(house).status_code for attempt in attempts] == [429] * 4
    assert int(request(house).headers["retry-after"]) <= 60
    house.monotonic.move(61)
    assert not [attempt for attempt in attempts if attempt(house).status_code == 429]
    house.end()
