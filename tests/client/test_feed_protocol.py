"""Tests that a reader gets each event of a feed once and in order, whatever fails."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.client import feeds
from floorcast.client.events import AgentEvent, Interaction
from floorcast.client.feed_protocol import SAVE_INTERVAL_SECONDS, FeedProtocol
from floorcast.model.errors import InvalidParameter
from tests.client.simulated_server import NoMoreEvents, SimulatedServer

Feed = FeedProtocol[AgentEvent] | FeedProtocol[Interaction]
SEED = st.integers(0, 2**32)  # whole days with random events, failures and crashes


class CountingStore:
    """A token store in memory that counts its writes."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.saves = 0

    def load(self) -> str | None:
        return self.token

    def save(self, token: str) -> None:
        self.token = token
        self.saves += 1


def follow(
    server: SimulatedServer, kind: str, token: str | None = "t0", store: CountingStore | None = None
) -> Feed:
    """Start a client that follows the feed."""
    protocol = server.new_protocol()
    if kind == "agents":
        return feeds.agent_events(protocol, token, store=store)
    stream = kind == "interactions by stream"
    return feeds.interaction_events(protocol, token, store=store, stream=stream)


def number(feed: Feed) -> int:
    """Return the number of the current event."""
    found: int = int(json.loads(feed.json)["sessionId"])
    return found


def random_server(
    seed: int, kind: str, *, streams: bool, fault_rate: float
) -> tuple[SimulatedServer, Random]:
    """Return a random server and a random reader."""
    chance = Random(seed)
    ids, most = kind == "agents", chance.randrange(1, 5)
    return SimulatedServer(
        chance, fault_rate=fault_rate, streams=streams, ids=ids, most=most
    ), chance


KINDS = st.sampled_from(["agents", "interactions by stream", "interactions by long poll"])


@given(seed=SEED, kind=KINDS, streams=st.booleans(), fault_rate=st.sampled_from([0.0, 0.1, 0.3]))
def test_tokens_resume_exactly_through_faults_and_crashes(
    seed: int, kind: str, streams: bool, fault_rate: float
) -> None:
    """A reader that stores the token with the event and resumes from it gets each event once."""
    server, chance = random_server(seed, kind, streams=streams, fault_rate=fault_rate)
    feed, token = follow(server, kind), "t0"
    got: list[int] = []
    for _ in range(60):
        server.add_events(chance.randrange(3))
        if chance.random() < 0.2:
            feed = follow(server, kind, token)
        try:
            server.run(feed.next())
        except NoMoreEvents:
            assert got == list(range(len(server.events))), "every event was read"
            continue
        got.append(number(feed))
        token = feed.token or ""
    assert got == list(range(len(got)))


@given(seed=SEED, kind=KINDS, streams=st.booleans(), fault_rate=st.sampled_from([0.0, 0.1, 0.3]))
def test_token_store_delivers_every_event_at_least_once(
    seed: int, kind: str, streams: bool, fault_rate: float
) -> None:
    """After a crash it resumes at or before the first unhandled event, in order."""
    server, chance = random_server(seed, kind, streams=streams, fault_rate=fault_rate)
    store = CountingStore("t0")
    feed, last, handled = follow(server, kind, None, store), -1, 0
    for _ in range(60):
        server.add_events(chance.randrange(3))
        if chance.random() < 0.2:
            feed, last = follow(server, kind, None, store), -1
        try:
            server.run(feed.next())
        except NoMoreEvents:
            assert handled == len(server.events), "every event was read"
            continue
        assert number(feed) <= handled, "no event is skipped"
        assert last in {-1, number(feed) - 1}, "no event is with_retries between restarts"
        last = number(feed)
        handled = max(handled, last + 1)


def test_current_event_is_handled_when_the_block_succeeds() -> None:
    """The current event counts as handled. After an exception in the block, it comes again."""
    for handled, token in ((True, "t2"), (False, "t0+e0")):
        server, store = SimulatedServer(Random(1)), CountingStore("t0")
        server.add_events(2)
        feed = follow(server, "interactions by long poll", None, store)
        server.run(feed.next())
        server.run(feed.next())
        server.run(feed.end(handled=handled))
        assert store.token == token


def test_token_is_saved_once_per_page_or_once_per_second() -> None:
    """There is no flush per event, and a slow reader loses at most a second of work."""
    for pause, saves in ((0.0, 1), (SAVE_INTERVAL_SECONDS, 3)):
        server, store = SimulatedServer(Random(4)), CountingStore("t0")
        server.add_events(3)
        feed = follow(server, "interactions by long poll", None, store)
        for _ in range(3):
            server.run(feed.next())
            server.paused += pause
        with pytest.raises(NoMoreEvents):
            server.run(feed.next())
        assert store.saves == saves
        assert store.token == "t3"


def paths(server: SimulatedServer) -> list[str]:
    """Return the last parts of the requested paths, without consecutive repetitions."""
    methods = [request.path.rsplit("/", 1)[1] for request in server.requests]
    return [one for index, one in enumerate(methods) if methods[index - 1 : index] != [one]]


def test_pages_are_used_if_there_is_no_stream() -> None:
    """The reference has no agent stream. The client requests it once and never again."""
    server = SimulatedServer(Random(5), streams=False)
    feed = follow(server, "agents", "t0")
    for expected in range(5):
        server.add_events(1)
        server.run(feed.next())
        assert number(feed) == expected
    assert paths(server) == ["feed", "sse", "feed"]


def test_pages_are_used_after_repeatedly_silent_streams() -> None:
    """After three streams without a keep-alive in a row, the client uses pages."""
    server = SimulatedServer(Random(5))
    server.silent = True
    feed = follow(server, "agents", "t0")
    for _ in range(9):
        server.add_events(1)
        server.run(feed.next())
    assert paths(server) == ["feed", "sse", "feed", "sse", "feed", "sse", "feed"]


def test_feed_without_a_token_starts_now() -> None:
    """The first page only sets the position. Events after it are returned."""
    server = SimulatedServer(Random(1))
    server.add_events(3)
    feed = follow(server, "interactions by stream", None)
    assert feed.token is None
    with pytest.raises(NoMoreEvents):
        server.run(feed.next())
    server.add_events(1)
    server.run(feed.next())
    assert number(feed) == 3


def test_token_from_another_log_repeats_events() -> None:
    """The token belongs to another log, so events are repeated rather than lost."""
    server = SimulatedServer(Random(1))
    server.add_events(2)
    feed = follow(server, "agents", "t0+e7")
    server.run(feed.next())
    assert number(feed) == 0


def test_server_error_ends_the_feed() -> None:
    """The reader must decide about an expired token. A feed skips nothing by itself."""
    server = SimulatedServer(Random(1))
    server.too_old = True
    feed = follow(server, "agents", "t0")
    with pytest.raises(InvalidParameter, match="more than 24 hours old") as caught:
        server.run(feed.next())
    assert (caught.value.status, caught.value.code) == (400, 202)


def test_cancelled_wait_loses_no_event() -> None:
    """Cancelling a wait loses no event. The next wait starts at the same position."""
    server = SimulatedServer(Random(1))
    feed = follow(server, "interactions by stream", "t0")
    waiting = feed.next()
    next(waiting)
    waiting.close()
    server.add_events(2)
    server.run(feed.next())
    assert number(feed) == 0
