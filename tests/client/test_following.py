"""A reader gets each event of a feed once, in order, even if the server fails in every way."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from floorcast.client import feeds
from floorcast.client.events import AgentEvent, Interaction
from floorcast.client.following import SAVED_EVERY, Following
from floorcast.model.errors import InvalidParameter
from tests.client.world import Quiet, World

Feed = Following[AgentEvent] | Following[Interaction]
SEED = st.integers(0, 2**32)  # whole days with random events, failures and crashes


class Kept:
    """A token store in memory that counts its writes."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.saves = 0

    def load(self) -> str | None:
        return self.token

    def save(self, token: str) -> None:
        self.token = token
        self.saves += 1


def follow(world: World, kind: str, token: str | None = "t0", store: Kept | None = None) -> Feed:
    """Start a client that follows the feed."""
    conversation = world.meet()
    if kind == "agents":
        return feeds.agent_events(conversation, token, store=store)
    stream = kind == "interactions by stream"
    return feeds.interaction_events(conversation, token, store=store, stream=stream)


def number(feed: Feed) -> int:
    """Return the number of the current event in the world."""
    found: int = int(json.loads(feed.json)["sessionId"])
    return found


def unlucky_world(seed: int, kind: str, *, streams: bool, trouble: float) -> tuple[World, Random]:
    """Return a random server and a random reader."""
    chance = Random(seed)
    ids, most = kind == "agents", chance.randrange(1, 5)
    return World(chance, trouble=trouble, streams=streams, ids=ids, most=most), chance


KINDS = st.sampled_from(["agents", "interactions by stream", "interactions by long poll"])


@given(seed=SEED, kind=KINDS, streams=st.booleans(), trouble=st.sampled_from([0.0, 0.1, 0.3]))
def test_tokens_resume_exactly_through_faults_and_crashes(
    seed: int, kind: str, streams: bool, trouble: float
) -> None:
    """A reader that stores the token with the event and resumes from it gets each event once."""
    world, chance = unlucky_world(seed, kind, streams=streams, trouble=trouble)
    feed, token = follow(world, kind), "t0"
    got: list[int] = []
    for _ in range(60):
        world.happen(chance.randrange(3))
        if chance.random() < 0.2:
            feed = follow(world, kind, token)
        try:
            world.run(feed.next())
        except Quiet:
            assert got == list(range(len(world.events))), "it has all there is"
            continue
        got.append(number(feed))
        token = feed.token or ""
    assert got == list(range(len(got)))


@given(seed=SEED, kind=KINDS, streams=st.booleans(), trouble=st.sampled_from([0.0, 0.1, 0.3]))
def test_a_store_gives_every_event_at_least_once(
    seed: int, kind: str, streams: bool, trouble: float
) -> None:
    """After a crash it resumes at or before the first unhandled event, in order."""
    world, chance = unlucky_world(seed, kind, streams=streams, trouble=trouble)
    store = Kept("t0")
    feed, last, handled = follow(world, kind, None, store), -1, 0
    for _ in range(60):
        world.happen(chance.randrange(3))
        if chance.random() < 0.2:
            feed, last = follow(world, kind, None, store), -1
        try:
            world.run(feed.next())
        except Quiet:
            assert handled == len(world.events), "it has all there is"
            continue
        assert number(feed) <= handled, "nothing is left out"
        assert last in {-1, number(feed) - 1}, "within a life nothing comes twice"
        last = number(feed)
        handled = max(handled, last + 1)


def test_a_block_that_ends_well_has_handled_its_last_event() -> None:
    """The current event counts as handled. After an exception in the block, it comes again."""
    for handled, token in ((True, "t2"), (False, "t0+e0")):
        world, store = World(Random(1)), Kept("t0")
        world.happen(2)
        feed = follow(world, "interactions by long poll", None, store)
        world.run(feed.next())
        world.run(feed.next())
        world.run(feed.end(handled=handled))
        assert store.token == token


def test_a_page_costs_one_save_unless_it_is_handled_slowly() -> None:
    """There is no flush per event, and a slow reader loses at most a second of work."""
    for pause, saves in ((0.0, 1), (SAVED_EVERY, 3)):
        world, store = World(Random(4)), Kept("t0")
        world.happen(3)
        feed = follow(world, "interactions by long poll", None, store)
        for _ in range(3):
            world.run(feed.next())
            world.paused += pause
        with pytest.raises(Quiet):
            world.run(feed.next())
        assert store.saves == saves
        assert store.token == "t3"


def paths(world: World) -> list[str]:
    """Return the last parts of the requested paths, without consecutive repetitions."""
    asked = [request.path.rsplit("/", 1)[1] for request in world.requests]
    return [one for index, one in enumerate(asked) if asked[index - 1 : index] != [one]]


def test_where_there_is_no_stream_the_pages_do() -> None:
    """The reference has no agent stream. The client requests it once and never again."""
    world = World(Random(5), streams=False)
    feed = follow(world, "agents", "t0")
    for expected in range(5):
        world.happen(1)
        world.run(feed.next())
        assert number(feed) == expected
    assert paths(world) == ["feed", "sse", "feed"]


def test_a_stream_that_is_held_up_on_its_way_is_given_up() -> None:
    """After three streams without a keep-alive in a row, the client uses pages."""
    world = World(Random(5))
    world.silent = True
    feed = follow(world, "agents", "t0")
    for _ in range(9):
        world.happen(1)
        world.run(feed.next())
    assert paths(world) == ["feed", "sse", "feed", "sse", "feed", "sse", "feed"]


def test_without_a_token_it_begins_now_and_loses_nothing_from_then_on() -> None:
    """The first page only sets the position. Events after it are returned."""
    world = World(Random(1))
    world.happen(3)
    feed = follow(world, "interactions by stream", None)
    assert feed.token is None
    with pytest.raises(Quiet):
        world.run(feed.next())
    world.happen(1)
    world.run(feed.next())
    assert number(feed) == 3


def test_a_place_in_a_page_that_is_no_more_gives_its_events_again() -> None:
    """The token belongs to another log, so events are repeated rather than lost."""
    world = World(Random(1))
    world.happen(2)
    feed = follow(world, "agents", "t0+e7")
    world.run(feed.next())
    assert number(feed) == 0


def test_what_the_server_refuses_ends_the_feed() -> None:
    """The reader must decide about an expired token. A feed skips nothing by itself."""
    world = World(Random(1))
    world.too_old = True
    feed = follow(world, "agents", "t0")
    with pytest.raises(InvalidParameter, match="more than 24 hours old") as caught:
        world.run(feed.next())
    assert (caught.value.status, caught.value.code) == (400, 202)


def test_a_feed_is_cancelled_and_goes_on() -> None:
    """Cancelling a wait loses no event. The next wait starts at the same position."""
    world = World(Random(1))
    feed = follow(world, "interactions by stream", "t0")
    waiting = feed.next()
    next(waiting)
    waiting.close()
    world.happen(2)
    world.run(feed.next())
    assert number(feed) == 0
