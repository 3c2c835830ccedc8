"""Tests of a client's webhooks with good and bad receivers."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.feeds.filters import EVERYTHING
from floorcast.kv.port import Item
from floorcast.model.token import decode
from floorcast.site.webhooks import WebhookFilter
from floorcast.webhooks.batches import KEPT_BYTES
from floorcast.webhooks.progress import (
    BUCKET,
    MAX_DELIVERY_RETRY_SECONDS,
)
from tests.http.feed_events import agent_event, sms
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.search import tries
from tests.webhooks.receiver import (
    Answer,
    Post,
    Sending,
    command,
    hook,
    ok,
    receiving,
    status,
    stored,
)

HOUR = 3_600


def in_order(ids: list[str], want: list[str]) -> None:
    """Check that each event arrived at least once, and that first deliveries were in order."""
    assert list(dict.fromkeys(ids)) == want


def test_filtered_out_events_advance_the_position() -> None:
    """Only matching events are sent, but the stored position also passes the others."""

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver:
            only = hook(receiver.url, filter=WebhookFilter(service=(2,)))
            async with Sending(house, only):
                house.publish([sms], facets=("SMS", 38049, 1623))
                ids = house.publish([sms, agent_event], facets=("SMS", 2, 1700))
                house.publish([sms], facets=("SMS", 38049, 1623))
                await house.loop.passing(10)
            assert receiver.ids() == ids
            async with Sending(house, only):
                await house.loop.passing(5)
            assert receiver.ids() == ids

    run_with_harness(story)


def test_skip_omits_past_events() -> None:
    """Only events after the skip are sent."""

    async def story(house: ApiHarness) -> None:
        async with receiving(status(500)) as receiver, Sending(house, hook(receiver.url)):
            house.publish([sms] * 2)
            await house.loop.passing(60)
            receiver.answer = ok
            receiver.posts.clear()
            await command(house, "")
            await house.loop.passing(2)
            ids = house.publish([sms])
            await house.loop.passing(5)
            assert receiver.ids() == ids

    run_with_harness(story)


def test_resuming_from_a_token_sends_later_events_again() -> None:
    """An eventId of the feed is a valid token to resume from."""

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver, Sending(house, hook(receiver.url)):
            ids = house.publish([sms] * 5)
            await house.loop.passing(10)
            receiver.posts.clear()
            await command(house, ids[1])
            await house.loop.passing(5)
            assert receiver.ids() == ids[2:]

    run_with_harness(story)


def test_a_changed_url_keeps_the_position_and_a_removed_webhook_loses_it() -> None:
    """Events that could not be sent to the old address are sent to the new one."""

    async def story(house: ApiHarness) -> None:
        async with (
            receiving(status(500)) as old,
            receiving() as new,
            Sending(house, hook(old.url)) as sending,
        ):
            ids = house.publish([sms] * 2)
            await house.loop.passing(10)
            sending.webhooks = [hook(new.url)]
            await house.loop.passing(30)
            assert new.ids() == ids
            sending.webhooks = []
            await house.loop.passing(5)
            assert house.kv.items(BUCKET) == {}
            house.publish([sms])
            sending.webhooks = [hook(new.url)]
            await house.loop.passing(5)
            later = house.publish([sms])
            await house.loop.passing(5)
            assert new.ids() == ids + later

    run_with_harness(story)


def test_a_command_for_one_webhook_does_not_affect_the_others() -> None:
    """A command for one webhook causes no repetition in the others."""

    async def story(house: ApiHarness) -> None:
        async with receiving(status(500)) as failing, receiving() as other:
            webhooks = [hook(failing.url), hook(other.url, "other")]
            async with Sending(house, *webhooks) as sending:
                ids = house.publish([sms] * 3)
                await house.loop.passing(20)
                delivery = sending.sender.deliveries["other"]
                failing.answer = ok
                failing.posts.clear()
                await command(house, None)
                await house.loop.passing(5)
                assert failing.ids() == ids
                assert other.ids() == ids
                assert sending.sender.deliveries["other"] is delivery

    run_with_harness(story)


def test_a_silent_receiver_does_not_delay_the_others() -> None:
    """A silent receiver is retried, and the other receiver gets each event."""

    async def story(house: ApiHarness) -> None:
        async with receiving(_never) as silent, receiving() as other:
            webhooks = [hook(silent.url), hook(other.url, "other")]
            async with Sending(house, *webhooks):
                ids = []
                for _ in range(20):
                    ids += house.publish([sms])
                    await house.loop.passing(1)
                await house.loop.passing(2)
                assert other.ids() == ids
                assert len(silent.posts) >= 1
                assert "no response in 15 s" in stored(house).reason

    run_with_harness(story)


def test_after_a_crash_only_a_few_seconds_are_sent_again() -> None:
    """After a crash, the stored position is only seconds old, and ids stay the same."""

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver:
            first = Sending(house, hook(receiver.url))
            await first.__aenter__()
            ids = []
            for _ in range(60):
                ids += house.publish([sms])
                await house.loop.passing(1)
            kept = dict(house.kv.items(BUCKET))
            await first.__aexit__()
            await house.kv.write([Item(BUCKET, key, raw) for key, raw in kept.items()])
            async with Sending(house, hook(receiver.url)):
                ids += house.publish([sms])
                await house.loop.passing(5)
            in_order(receiver.ids(), ids)
            assert len(receiver.ids()) - len(ids) <= 8

    run_with_harness(story)


def test_bad_receivers_do_not_affect_a_good_one() -> None:
    """A good receiver gets each event within seconds, readers continue, and memory is bounded."""

    async def story(house: ApiHarness) -> None:
        async with AsyncExitStack() as stack:
            bad = [
                await stack.enter_async_context(receiving(answer))
                for answer in (_never, _endless, _cut, _half, status(302), status(500))
            ]
            good = await stack.enter_async_context(receiving())
            hooks = [hook(one.url, f"bad{number}") for number, one in enumerate(bad)]
            sending = Sending(house, *hooks, hook(good.url, "good"))
            await stack.enter_async_context(sending)
            ids: list[str] = []
            feed = house.floors[ACME].feeds["interaction"]
            for _ in range(30):
                ids += house.publish([sms] * 40)
                await house.loop.passing(2)
                assert good.ids() == ids
                page = await feed.page(decode(ACME, ids[-40]).position, EVERYTHING, 1000)
                assert page.count == 39
            for delivery in sending.sender.deliveries.values():
                kept = delivery.reading.kept
                assert sum(len(batch.body) for batch in kept.values()) <= KEPT_BYTES
                assert delivery.progress.state == "active"

    run_with_harness(story)


async def _never(_post: Post, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _endless(_post: Post, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 X\r\ncontent-length: 10000000000\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(bytes(65_536))
        await writer.drain()
        await asyncio.sleep(0)


@settings(max_examples=tries(8))
@given(seed=st.integers(0, 2**32))
def test_no_event_is_lost_through_failures_and_restarts(seed: int) -> None:
    """Each event arrives in order despite any failing receivers, restarts and crashes."""

    async def story(house: ApiHarness) -> None:
        rng = random.Random(seed)
        async with receiving() as receiver:
            moods = [ok, ok, status(500), status(302, "location: http://[::1]/\r\n"), _cut, _half]
            sending = Sending(house, hook(receiver.url))
            await sending.__aenter__()
            want: list[str] = []
            got: list[str] = []
            receiver.answer = _remembering(got, ok)
            for _ in range(20):
                receiver.answer = _remembering(got, rng.choice(moods))
                want += house.publish([sms] * rng.randrange(0, 130))
                await house.loop.passing(rng.random() * 10)
                if rng.random() < 0.2:
                    kept = dict(house.kv.items(BUCKET))
                    await sending.__aexit__()
                    if rng.random() < 0.5:  # a crash: unwritten progress is lost
                        await house.kv.write([Item(BUCKET, key, raw) for key, raw in kept.items()])
                    sending = Sending(house, hook(receiver.url))
                    await sending.__aenter__()
            receiver.answer = _remembering(got, ok)
            await house.loop.passing(2 * MAX_DELIVERY_RETRY_SECONDS)
            await sending.__aexit__()
            in_order(got, want)

    run_with_harness(story)


def _remembering(got: list[str], answer: Answer) -> Answer:
    async def remember(post: Post, writer: asyncio.StreamWriter) -> None:
        got.extend(event["id"] for event in post.events)
        await answer(post, writer)

    return remember


async def _cut(_post: Post, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _half(_post: Post, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it")
    await writer.drain()
    writer.close()


def test_the_position_is_written_only_every_few_seconds() -> None:
    """A busy webhook writes its position only every few seconds."""

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver, Sending(house, hook(receiver.url)):
            before = house.kv.version(BUCKET)
            for _ in range(100):
                house.publish([sms] * 100)
                await house.loop.passing(0.2)
            assert len(receiver.posts) >= 90
            assert house.kv.version(BUCKET) - before <= 5

    run_with_harness(story)
