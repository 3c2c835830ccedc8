"""Tests of a client's webhooks with working and failing receivers."""

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
    WebhookRunner,
    add_alerts,
    make_webhook,
    ok,
    publish_alert,
    running_receiver,
    status,
    stored_progress,
    write_command,
)

HOUR = 3_600


def assert_in_order(ids: list[str], want: list[str]) -> None:
    """Check that each event has arrived, and that the first deliveries were in order."""
    assert list(dict.fromkeys(ids)) == want


def test_filtered_out_events_advance_the_position() -> None:
    """Only matching events are sent, but the position moves past all events."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            only = make_webhook(receiver.url, filter=WebhookFilter(service=(2,)))
            async with WebhookRunner(harness, only):
                harness.publish([sms], facets=("SMS", 38049, 1623))
                ids = harness.publish([sms, agent_event], facets=("SMS", 2, 1700))
                harness.publish([sms], facets=("SMS", 38049, 1623))
                await harness.loop.passing(10)
            assert receiver.ids() == ids
            async with WebhookRunner(harness, only):
                await harness.loop.passing(5)
            assert receiver.ids() == ids

    run_with_harness(scenario)


def test_skip_omits_past_events() -> None:
    """After a skip, only new events are sent."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(500)) as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            harness.publish([sms] * 2)
            await harness.loop.passing(60)
            receiver.answer = ok
            receiver.posts.clear()
            await write_command(harness, "")
            await harness.loop.passing(2)
            ids = harness.publish([sms])
            await harness.loop.passing(5)
            assert receiver.ids() == ids

    run_with_harness(scenario)


def test_resuming_from_a_token_sends_later_events_again() -> None:
    """A webhook can resume from a token, such as an eventId of the feed."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver() as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            ids = harness.publish([sms] * 5)
            await harness.loop.passing(10)
            receiver.posts.clear()
            await write_command(harness, ids[1])
            await harness.loop.passing(5)
            assert receiver.ids() == ids[2:]

    run_with_harness(scenario)


def test_an_alert_ends_at_the_url_that_the_webhook_has_then() -> None:
    """If the URL changes while an alert is firing, the new URL is sent the end."""

    async def scenario(harness: ApiHarness) -> None:
        add_alerts(harness)
        async with running_receiver() as old, running_receiver() as new:
            hook = make_webhook(old.url, send=("alerts",))
            async with WebhookRunner(harness, hook) as runner:
                begin = publish_alert(harness, ["ops"])
                await harness.loop.passing(5)
                runner.webhooks = [make_webhook(new.url, send=("alerts",))]
                await harness.loop.passing(5)
                end = publish_alert(harness, ["ops"], "ok")
                await harness.loop.passing(5)
            assert (old.ids(), new.ids()) == ([begin], [end])

    run_with_harness(scenario)


def test_a_changed_url_keeps_the_position_and_a_removed_webhook_loses_it() -> None:
    """Events that could not be sent to the old URL are sent to the new URL.

    A webhook that was removed and returns sends only new events.
    """

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(500)) as old,
            running_receiver() as new,
            WebhookRunner(harness, make_webhook(old.url)) as runner,
        ):
            ids = harness.publish([sms] * 2)
            await harness.loop.passing(10)
            runner.webhooks = [make_webhook(new.url)]
            await harness.loop.passing(30)
            assert new.ids() == ids
            runner.webhooks = []
            await harness.loop.passing(5)
            assert harness.kv.items(BUCKET) == {}
            harness.publish([sms])
            runner.webhooks = [make_webhook(new.url)]
            await harness.loop.passing(5)
            later = harness.publish([sms])
            await harness.loop.passing(5)
            assert new.ids() == ids + later

    run_with_harness(scenario)


def test_a_command_for_one_webhook_does_not_affect_the_others() -> None:
    """A command for one webhook does not make other webhooks repeat events."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver(status(500)) as failing, running_receiver() as other:
            webhooks = [make_webhook(failing.url), make_webhook(other.url, "other")]
            async with WebhookRunner(harness, *webhooks) as runner:
                ids = harness.publish([sms] * 3)
                await harness.loop.passing(20)
                delivery = runner.sender.deliveries["other"]
                failing.answer = ok
                failing.posts.clear()
                await write_command(harness, None)
                await harness.loop.passing(5)
                assert failing.ids() == ids
                assert other.ids() == ids
                assert runner.sender.deliveries["other"] is delivery

    run_with_harness(scenario)


def test_a_silent_receiver_does_not_delay_the_others() -> None:
    """One receiver gets every event while another does not respond."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver(_never_respond) as silent, running_receiver() as other:
            webhooks = [make_webhook(silent.url), make_webhook(other.url, "other")]
            async with WebhookRunner(harness, *webhooks):
                ids = []
                for _ in range(20):
                    ids += harness.publish([sms])
                    await harness.loop.passing(1)
                await harness.loop.passing(2)
                assert other.ids() == ids
                assert len(silent.posts) >= 1
                assert "no response in 15 s" in stored_progress(harness).reason

    run_with_harness(scenario)


def test_after_a_crash_only_a_few_seconds_are_sent_again() -> None:
    """After a crash, only the last few seconds' events are sent again, with the same ids."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            first = WebhookRunner(harness, make_webhook(receiver.url))
            await first.__aenter__()
            ids = []
            for _ in range(60):
                ids += harness.publish([sms])
                await harness.loop.passing(1)
            kept = dict(harness.kv.items(BUCKET))
            await first.__aexit__()
            await harness.kv.write([Item(BUCKET, key, raw) for key, raw in kept.items()])
            async with WebhookRunner(harness, make_webhook(receiver.url)):
                ids += harness.publish([sms])
                await harness.loop.passing(5)
            assert_in_order(receiver.ids(), ids)
            assert len(receiver.ids()) - len(ids) <= 8

    run_with_harness(scenario)


def test_bad_receivers_do_not_affect_a_good_one() -> None:
    """Despite bad receivers, a good one gets each event soon, and memory stays bounded.

    Readers of the feed are not affected either.
    """

    async def scenario(harness: ApiHarness) -> None:
        async with AsyncExitStack() as stack:
            bad = [
                await stack.enter_async_context(running_receiver(answer))
                for answer in (
                    _never_respond,
                    _send_endless_body,
                    _abort_connection,
                    _send_half_body,
                    status(302),
                    status(500),
                )
            ]
            good = await stack.enter_async_context(running_receiver())
            hooks = [make_webhook(one.url, f"bad{number}") for number, one in enumerate(bad)]
            runner = WebhookRunner(harness, *hooks, make_webhook(good.url, "good"))
            await stack.enter_async_context(runner)
            ids: list[str] = []
            feed = harness.floors[ACME].feeds["interaction"]
            for _ in range(30):
                ids += harness.publish([sms] * 40)
                await harness.loop.passing(2)
                assert good.ids() == ids
                page = await feed.page(decode(ACME, ids[-40]).position, EVERYTHING, 1000)
                assert page.count == 39
            for delivery in runner.sender.deliveries.values():
                kept = delivery.reader.kept
                assert sum(len(batch.body) for batch in kept.values()) <= KEPT_BYTES
                assert delivery.progress.state == "active"

    run_with_harness(scenario)


async def _never_respond(_post: Post, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _send_endless_body(_post: Post, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 500 X\r\ncontent-length: 10000000000\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(bytes(65_536))
        await writer.drain()
        await asyncio.sleep(0)


@settings(max_examples=tries(8))
@given(seed=st.integers(0, 2**32))
def test_no_event_is_lost_through_failures_and_restarts(seed: int) -> None:
    """Every event arrives in order, despite failures of the receiver, restarts and crashes."""

    async def scenario(harness: ApiHarness) -> None:
        rng = random.Random(seed)
        async with running_receiver() as receiver:
            answers = [
                ok,
                ok,
                status(500),
                status(302, "location: http://[::1]/\r\n"),
                _abort_connection,
                _send_half_body,
            ]
            runner = WebhookRunner(harness, make_webhook(receiver.url))
            await runner.__aenter__()
            want: list[str] = []
            got: list[str] = []
            receiver.answer = _recording_ids(got, ok)
            for _ in range(20):
                receiver.answer = _recording_ids(got, rng.choice(answers))
                want += harness.publish([sms] * rng.randrange(0, 130))
                await harness.loop.passing(rng.random() * 10)
                if rng.random() < 0.2:
                    kept = dict(harness.kv.items(BUCKET))
                    await runner.__aexit__()
                    if rng.random() < 0.5:  # a crash, after which unwritten progress is lost
                        await harness.kv.write(
                            [Item(BUCKET, key, raw) for key, raw in kept.items()]
                        )
                    runner = WebhookRunner(harness, make_webhook(receiver.url))
                    await runner.__aenter__()
            receiver.answer = _recording_ids(got, ok)
            await harness.loop.passing(2 * MAX_DELIVERY_RETRY_SECONDS)
            await runner.__aexit__()
            assert_in_order(got, want)

    run_with_harness(scenario)


def _recording_ids(got: list[str], answer: Answer) -> Answer:
    async def record(post: Post, writer: asyncio.StreamWriter) -> None:
        got.extend(event["id"] for event in post.events)
        await answer(post, writer)

    return record


async def _abort_connection(_post: Post, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _send_half_body(_post: Post, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf of it")
    await writer.drain()
    writer.close()


def test_the_position_is_written_only_every_few_seconds() -> None:
    """A busy webhook stores its position only every few seconds."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver() as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            before = harness.kv.version(BUCKET)
            for _ in range(100):
                harness.publish([sms] * 100)
                await harness.loop.passing(0.2)
            assert len(receiver.posts) >= 90
            assert harness.kv.version(BUCKET) - before <= 5

    run_with_harness(scenario)
