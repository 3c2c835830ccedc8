"""Tests that a running server applies the changes that commands make to its site."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial

import httpx
import pytest

from floorcast.kv.folder import open_kv
from floorcast.site.apply import apply as apply_site
from floorcast.site.file_reader import parse
from tests.real.server import AGENTS, EVENTS, Caller, Server, command, environment, running
from tests.real.sites import CHEAP, PASSWORD, SITE, event, ndjson

SOON = 60.0  # seconds in which a change must take effect; one is usually enough


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server with the usual site, which each test changes."""
    with running(tmp_path_factory.mktemp("site")) as one:
        yield one


def write_site(server: Server, *changes: tuple[str, str]) -> str:
    """Write the site file with these replacements. Returns its text."""
    text = SITE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    server.site.write_text(text)
    return text


def apply(server: Server, *changes: tuple[str, str]) -> str:
    """Apply the site with these replacements by command. Returns the output."""
    write_site(server, *changes)
    arguments = command("site", "apply", server.site, "--yes", "--data", server.data)
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=True)
    return done.stdout


def apply_here(server: Server, *changes: tuple[str, str]) -> None:
    """Apply the site with these replacements in this process, which is faster."""

    async def change() -> None:
        kv = open_kv(server.data)
        await apply_site(kv, parse(write_site(server, *changes)), CHEAP)
        await kv.close()

    asyncio.run(change())


def answered(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    """Repeat a request until the response has the given status. Fails if this takes too long."""
    end = time.monotonic() + SOON
    while (answer := ask()).status_code != status:
        assert time.monotonic() < end, answer.text
    return answer


def sms(number: int) -> bytes:
    """Return an event for the child's interaction feed."""
    return ndjson(
        [event("sms.attempt", number, service=4199, eventType="Attempt", threadId=number)]
    )


def test_a_newly_enabled_feed_has_no_earlier_events(server: Server) -> None:
    """A new feed has no events from before, with any token. A disabled feed is refused."""
    with Caller(server.url, "CHILD") as child:
        child.login()
        before = child.feed(AGENTS).token
        child.take(sms(1))
        assert child.http.post(EVENTS).json()["code"] == 303
        both = ('feeds = ["agent"]', 'feeds = ["agent", "interaction"]')
        assert "CHILD" in apply(server, both)
        answered(lambda: child.http.post(EVENTS), 200)
        child.take(sms(2))
        assert [one["threadId"] for one in child.feed(EVENTS, before).events] == ["2"]
        assert apply(server, both) == "nothing to change\n"
        server.kill()
        server.start()
        assert [one["threadId"] for one in child.feed(EVENTS, before).events] == ["2"]
        apply_here(server)
        refusal = answered(lambda: child.http.post(EVENTS), 403)
        assert refusal.json()["code"] == 303
        child.take(sms(3))
        apply_here(server, both)
        answered(lambda: child.http.post(EVENTS), 200)
        child.take(sms(4))
        seen = [one["threadId"] for one in child.feed(EVENTS, before).events]
        assert seen == ["2", "4"]
        apply_here(server)


def test_a_removal_ends_only_the_affected_sessions(server: Server) -> None:
    """Sessions end when their user or token is removed. Other sessions continue.

    A session whose user has a new role is refused what that role may not do.
    """
    with (
        Caller(server.url) as stays,
        Caller(server.url) as removed,
        Caller(server.url) as without_token,
        Caller(server.url) as demoted,
    ):
        sessions = [
            stays.login(),
            removed.login("limited"),
            without_token.login("superuser", token="other-token-for-tests"),
            demoted.login("manager"),
        ]
        apply(
            server,
            ('name = "limited"', 'name = "somebody else"'),
            (', "other-token-for-tests"', ""),
            ('role = "Manager"', 'role = "Agent"'),
        )
        for caller in (removed, without_token):
            refusal = answered(partial(caller.http.post, EVENTS), 401)
            assert refusal.json()["code"] == 301
        refusal = answered(lambda: demoted.http.post(EVENTS), 403)
        assert refusal.json()["code"] == 302
        for session, status in zip(sessions, (204, 404, 404, 204), strict=True):
            assert stays.http.get(f"/session/validate/{session}").status_code == status
        apply_here(server)
        assert removed.http.post(EVENTS).json()["code"] == 301, "what has ended does not come back"
        stays.feed(EVENTS)


def test_a_returning_client_continues_its_feed(server: Server) -> None:
    """A new client can log in and send events, and a removed client cannot.

    If a removed client returns, its feed continues.
    """
    renamed = [("id = 5\n", "id = 6\n"), ('"STRANGER"', '"NEW"'), ("stranger-", "newcomer-")]
    with Caller(server.url, "STRANGER") as stranger, Caller(server.url, "ACME") as other:
        stranger.login()
        token = stranger.feed(EVENTS).token
        stranger.take(sms(1))
        apply(server, *renamed)
        login = {"clientName": "NEW", "userName": "sysadmin", "password": PASSWORD}
        entered = answered(
            lambda: other.http.post(
                "/session/login", headers={"LV-Access": "newcomer-token-for-tests"}, json=login
            ),
            200,
        )
        session = {"LV-Session": entered.json()["sessionId"]}
        answered(lambda: other.http.post(EVENTS, headers=session), 200)
        key = {
            "Content-Type": "application/x-ndjson",
            "Authorization": "Bearer newcomer-key-for-tests",
        }
        answer = other.http.post("/ingest/v1/events", headers=key, content=sms(1))
        assert answer.json()["accepted"] == 1
        assert stranger.http.post(EVENTS, json={"token": token}).json()["code"] == 301
        key["Authorization"] = "Bearer stranger-key-for-tests"
        answer = other.http.post("/ingest/v1/events", headers=key, content=sms(2))
        assert (answer.status_code, answer.json()["code"]) == (401, 300)
        apply_here(server)
        login["clientName"] = "STRANGER"
        access = {"LV-Access": "stranger-token-for-tests"}
        answered(lambda: other.http.post("/session/login", headers=access, json=login), 200)
        stranger.login()
        answered(lambda: stranger.http.post(EVENTS), 200)
        stranger.take(sms(3))
        seen = [one["threadId"] for one in stranger.feed(EVENTS, token).events]
        assert seen == ["1", "3"]


def test_a_declared_service_applies_from_the_change_on(server: Server) -> None:
    """A service has its declared id and call center in events after the declaration."""
    with Caller(server.url) as caller:
        caller.login()
        token = caller.feed(EVENTS).token
        found: list[tuple[str, str | None]] = []
        end = time.monotonic() + SOON
        while not found or (found[-1][0] != "39000" and time.monotonic() < end):
            number = f"late {len(found)}"
            late = event("sms.attempt", number, service="Late", eventType="Attempt")
            caller.take(ndjson([late]))
            (one,) = (page := caller.feed(EVENTS, token)).events
            token = page.token
            found.append((one["serviceId"], one["callCenterId"]))
            if len(found) == 1:
                new = '{id = 39000, name = "Late", call_center = 1700},\n    {id = 38051'
                apply(server, ("{id = 38051", new))
        apply_here(server)
        assert found[0][1] is None
        assert found[-1] == ("39000", "1700")
        assert set(found) == {found[0], found[-1]}
