"""A real server, killed at random moments under load, with readers and sources attached.

And stopped as it should be, once, in the same crowd.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.real.server import AGENTS, EVENTS, Caller, Server, running
from tests.real.sites import event, ndjson

KILLS = 5
SOURCES = 3
PATIENCE = 60.0  # seconds for what takes a second or two, so that nothing waits for ever
THE_END = "the end"


class Source(threading.Thread):
    """Sends numbered events, batch after batch, each again until it is taken."""

    def __init__(self, server: Server, name: str, load: Load) -> None:
        super().__init__(name=name)
        self.sent: dict[str, list[str]] = {EVENTS: [], AGENTS: []}
        self._server = server
        self._load = load
        self._number = 0
        self._random = random.Random(name)

    def run(self) -> None:
        """Send until the load is taken away."""
        with Caller(self._server.url, up=self._server.up) as caller:
            while self._load.goes_on():
                batch = [self._next() for _ in range(self._random.randrange(1, 400))]
                self._load.begins()
                verdicts = caller.take(ndjson(batch))
                assert verdicts["rejected"] == []
                assert verdicts["accepted"] + verdicts["duplicates"] == len(batch)

    def _next(self) -> dict[str, Any]:
        self._number += 1
        mark = f"{self.name}/{self._number}"
        call = {"transactionId": self._number // 5, "sessionId": self.name, "account": mark}
        match self._number % 5:
            case 0:
                self.sent[EVENTS].append(mark)
                return event("call.start", mark, service="Sales", direction="INBOUND", **call)
            case 1:
                return event("call.queue", mark, **call)
            case 2:
                self.sent[AGENTS].append(mark)
                agent = f"{self.name} {self._random.randrange(4)}"
                return event("agent.state", mark, agent=agent, eventType="IN_CALL", call=call)
            case 3:
                self.sent[EVENTS].append(mark)
                return event("call.end", mark, **call)
            case _:
                self.sent[EVENTS].append(mark)
                return event("call.disposition", mark, termCode="RPC", **call)


class Load:
    """How many requests the sources have begun, and whether they should go on."""

    def __init__(self) -> None:
        self._begun = 0
        self._over = False
        self._changed = threading.Condition()

    def begins(self) -> None:
        """One more request begins."""
        with self._changed:
            self._begun += 1
            self._changed.notify_all()

    def goes_on(self) -> bool:
        """Whether another request is wanted."""
        with self._changed:
            return not self._over

    def wait_for(self, more: int) -> None:
        """Wait until so many more have begun: the last of them is then under way."""
        with self._changed:
            goal = self._begun + more
            assert self._changed.wait_for(lambda: self._begun >= goal, PATIENCE)

    def end(self) -> None:
        """Let the sources finish what they have begun."""
        with self._changed:
            self._over = True


def marks(events: list[dict[str, Any]]) -> Iterator[str]:
    """The sources' own numbers of the events, without the one that ends the test."""
    return (one["account"] for one in events if "account" in one)


def test_nothing_is_lost_and_nothing_comes_twice_through_five_kills(tmp_path: Path) -> None:
    """What was acknowledged is in both feeds once, in order, for one session throughout."""
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
        sources = [Source(server, f"source{number}", load) for number in range(SOURCES)]
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
            seen = list(marks(events))
            sent = {source.name: source.sent[path] for source in sources}
            by_source = defaultdict(list)
            for mark in seen:
                by_source[mark.split("/")[0]].append(mark)
            assert by_source == sent
            if path == AGENTS:
                assert_numbered(events)


def assert_numbered(events: list[dict[str, Any]]) -> None:
    """Each agent's events count from 1 without a gap."""
    numbers = defaultdict(list)
    for one in events:
        numbers[one["agentId"]].append(one["seqNum"])
    assert all(seen == list(range(1, len(seen) + 1)) for seen in numbers.values())
