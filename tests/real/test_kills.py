"""Tests a real server that is killed at random times under load, and stopped normally once."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.real.load import PATIENCE, Load, Source, assert_all_once
from tests.real.server import AGENTS, EVENTS, Caller, running
from tests.real.sites import event, ndjson

KILLS = 5
SOURCES = 3
THE_END = "the end"


@pytest.mark.long
def test_no_event_is_lost_or_repeated_through_five_kills(tmp_path: Path) -> None:
    """Both feeds have the acknowledged events once and in order, and the session stays valid."""
    load, chance = Load(), random.Random()
    with (
        running(tmp_path) as server,
        ThreadPoolExecutor() as readers,
        Caller(server.url) as caller,
    ):
        session = caller.login()
        begin = caller.feed(EVENTS).token

        def read(path: str, up: threading.Event | None, count: int) -> list[dict[str, Any]]:
            with Caller(server.url, up=up) as reader:
                reader.http.headers["LV-Session"] = session
                return reader.follow(path, begin, until=THE_END, count=count)

        following = {path: readers.submit(read, path, server.up, 500) for path in (EVENTS, AGENTS)}
        sources = [
            Source(lambda: Caller(server.url, up=server.up), f"source{number}", load)
            for number in range(SOURCES)
        ]
        for source in sources:
            source.start()
        for _ in range(KILLS):
            load.wait_for(chance.randrange(5, 40))
            server.kill()
            server.start()
            assert caller.http.get(f"/session/validate/{session}").status_code == 204
        load.wait_for(10)
        assert server.terminate() == 0
        server.start()
        load.wait_for(10)
        load.end()
        for source in sources:
            source.join(PATIENCE)
        end = [
            event("email.attempt", 1, service="Sales", eventType=THE_END, accountNumber="-"),
            event("agent.state", 2, agent="last", eventType="READY", result=THE_END),
        ]
        caller.take(ndjson(end))
        for path, found in following.items():
            events = found.result(PATIENCE)
            assert read(path, None, 1000) == events, "read again, it is the same"
            assert_all_once(path, events, sources)
