"""Sources that send numbered events for as long as a test needs, and a check of these events."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from tests.real.server import AGENTS, EVENTS, Caller
from tests.real.sites import event, ndjson

__all__ = ["PATIENCE", "Load", "Source", "assert_all_once", "marks"]

PATIENCE = 100.0  # seconds for steps that usually take one or two, so that no test hangs
# The maximum number of events in a tenth of the requests, and in the others. Small numbers are
# enough, because faults affect whole requests, and every reader reads each event from every node.
MANY, FEW = 400, 50
AHEAD = 30  # requests after those that the test waits for
PACE_SECONDS = 0.1  # seconds between a source's further requests


class Source(threading.Thread):
    """Sends numbered events in batches, and repeats each batch until it is accepted."""

    def __init__(self, connect: Callable[[], Caller], name: str, load: Load) -> None:
        super().__init__(name=name)
        self.sent: dict[str, list[str]] = {EVENTS: [], AGENTS: []}
        self._connect = connect
        self._load = load
        self._number = 0
        self._random = random.Random(name)

    def run(self) -> None:
        """Send until the load ends."""
        with self._connect() as caller:
            while self._load.next_request():
                most = MANY if self._random.random() < 0.1 else FEW
                batch = [self._next() for _ in range(self._random.randrange(1, most))]
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
    """Counts the sources' requests, and tells the sources when to send and when to end.

    Sources send as fast as they can while the test waits for requests and for some requests after
    that. Then they send slowly, because a server's start or an election takes seconds, in which
    thousands of events would only cost CPU time.
    """

    def __init__(self) -> None:
        self._begun = 0
        self._goal = 0
        self._over = False
        self._changed = threading.Condition()

    def next_request(self) -> bool:
        """Wait until another request should be sent, and count it. Returns False after the end."""
        with self._changed:
            self._changed.wait_for(self._is_fast, PACE_SECONDS)
            if self._over:
                return False
            self._begun += 1
            self._changed.notify_all()
            return True

    def _is_fast(self) -> bool:
        return self._over or self._begun < self._goal + AHEAD

    def wait_for(self, more: int) -> None:
        """Wait until this many more requests have begun. The last of them is then in progress."""
        with self._changed:
            goal = self._goal = self._begun + more
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: self._begun >= goal, PATIENCE)

    def end(self) -> None:
        """Let the sources finish their current requests and end."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


def marks(events: list[dict[str, Any]]) -> Iterator[str]:
    """Return the marks that sources gave to the events. The event that ends the test has none."""
    return (one["account"] for one in events if "account" in one)


def assert_all_once(path: str, events: list[dict[str, Any]], sources: list[Source]) -> None:
    """Check that a feed has every source's events once and in order.

    Each agent's sequence numbers must count from 1.
    """
    by_source = defaultdict(list)
    for mark in marks(events):
        by_source[mark.split("/")[0]].append(mark)
    for source in sources:
        sent, seen = source.sent[path], by_source.pop(source.name, [])
        assert len(seen) == len(set(seen)), "something came twice"
        assert seen == sent, f"lost: {sorted(set(sent) - set(seen))[:9]}"
    assert not by_source, "nobody sent this"
    if path == AGENTS:
        numbers = defaultdict(list)
        for one in events:
            numbers[one["agentId"]].append(one["seqNum"])
        assert all(seen == list(range(1, len(seen) + 1)) for seen in numbers.values())
