"""Tests of a webhook's delivery: order, signatures, retries, suspension and templates."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import msgspec

from floorcast.model.token import TICKS_PER_SECOND
from floorcast.webhooks.progress import (
    MAX_DELIVERY_RETRY_SECONDS,
)
from tests.http.feed_events import agent_event, call_start, sms
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.webhooks.receiver import (
    Post,
    WebhookRunner,
    make_webhook,
    ok,
    running_receiver,
    status,
    stored_progress,
    write_command,
)

HOUR = 3_600


def test_events_are_sent_in_order_as_signed_cloudevents() -> None:
    """A webhook sends both feeds' new events in log order, with their ids."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms])
        async with (
            running_receiver() as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            ids = harness.publish([agent_event, sms, call_start])
            await harness.loop.passing(2)
            ids += harness.publish([sms])
            await harness.loop.passing(2)
            assert receiver.ids() == ids
            first = receiver.posts[0]
            first.verify()
            assert first.target == "/hook?a=1"
            assert first.headers["content-type"] == "application/cloudevents-batch+json"
            assert [one["type"] for one in first.events] == [
                "floorcast.agent",
                "floorcast.interaction",
                "floorcast.interaction",
            ]
            assert all(one["id"] == one["data"]["eventId"] for one in first.events)
            assert first.events[0]["source"] == f"/clients/{ACME}/agent"
            assert first.events[0]["time"].startswith("2023-11-14T22:13:")
            assert receiver.connections == 1

    run_with_harness(scenario)


def test_a_batch_has_at_most_100_events_of_one_second() -> None:
    """250 events are sent in three requests at once. Single events are sent once per second."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver() as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            ids = harness.publish([sms] * 250)
            await harness.loop.passing(0.2)
            assert [len(post.events) for post in receiver.posts] == [100, 100, 50]
            for _ in range(50):
                ids += harness.publish([sms])
                await harness.loop.passing(0.1)
            await harness.loop.passing(2)
            assert receiver.ids() == ids
            assert len(receiver.posts) <= 3 + 7

    run_with_harness(scenario)


def test_a_receiver_that_fails_for_an_hour_gets_all_events_in_order() -> None:
    """The retry delays grow to 5 minutes, and all retries of a batch have the same id and body."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(500)) as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            ids = harness.publish([sms] * 3)
            await harness.loop.passing(HOUR)
            ids += harness.publish([sms] * 150)
            tried = receiver.posts[:]
            assert {post.headers["webhook-id"] for post in tried} == {
                tried[0].headers["webhook-id"]
            }
            assert {post.body for post in tried} == {tried[0].body}
            times = [int(post.headers["webhook-timestamp"]) for post in tried]
            pauses = [after - before for before, after in pairwise(times)]
            assert max(pauses) <= MAX_DELIVERY_RETRY_SECONDS + 2
            assert pauses[:4] == [1, 2, 4, 8]
            assert 12 <= len(tried) <= 30
            assert stored_progress(harness).tries == len(tried)
            assert stored_progress(harness).reason == "the receiver responded with 500"
            receiver.posts.clear()
            receiver.answer = ok
            await harness.loop.passing(MAX_DELIVERY_RETRY_SECONDS + 5)
            assert receiver.ids() == ids
            assert stored_progress(harness).tries == 0
            for post in [*tried, *receiver.posts]:
                post.verify()

    run_with_harness(scenario)


def test_a_webhook_is_suspended_after_24_hours_and_keeps_its_position() -> None:
    """A suspended webhook can resume only at a position after which the feeds have all events."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(503)) as receiver,
            WebhookRunner(harness, make_webhook(receiver.url), check_interval=60),
        ):
            harness.publish([sms])
            await harness.loop.passing(25 * HOUR)
            assert stored_progress(harness).state == "suspended"
            assert stored_progress(harness).suspensions == 1
            assert "24 hours" in stored_progress(harness).reason
            sent = len(receiver.posts)
            receiver.answer = ok
            late = harness.publish([sms])
            await harness.loop.passing(HOUR)
            assert len(receiver.posts) == sent
            await write_command(harness, None)
            await harness.loop.passing(65)
            assert stored_progress(harness).state == "suspended"
            assert "older than the feeds" in stored_progress(harness).reason
            receiver.posts.clear()
            await write_command(harness, late[0])
            more = harness.publish([sms])
            await harness.loop.passing(65)
            assert receiver.ids() == more

    run_with_harness(scenario)


def test_a_clock_that_is_wrong_for_a_moment_neither_suspends_nor_delays_a_webhook() -> None:
    """A failing webhook is retried as usual after the clock was two days ahead or behind."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(503)) as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)) as runner,
        ):
            ids = harness.publish([sms] * 250)
            for hours in (48, -48):
                await harness.loop.passing(120)
                runner.clock_error = hours * HOUR
                await harness.loop.passing(600)
                runner.clock_error = 0
                assert stored_progress(harness).state == "active"
            assert stored_progress(harness).tries > 6
            receiver.posts.clear()
            receiver.answer = ok
            await harness.loop.passing(MAX_DELIVERY_RETRY_SECONDS + 5)
            assert receiver.ids() == ids

    run_with_harness(scenario)


def test_a_retry_that_a_wrong_clock_planned_is_made_within_an_hour() -> None:
    """A process that ended while the clock was ahead planned its next attempt for another day."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver(status(503)) as receiver:
            runner = WebhookRunner(harness, make_webhook(receiver.url))
            runner.clock_error = 48 * HOUR
            async with runner:
                ids = harness.publish([sms])
                await harness.loop.passing(10)
            receiver.posts.clear()
            receiver.answer = ok
            async with WebhookRunner(harness, make_webhook(receiver.url)):
                await harness.loop.passing(HOUR)
            assert receiver.ids() == ids

    run_with_harness(scenario)


def test_a_webhook_that_fails_before_and_after_a_restart_is_suspended_in_time() -> None:
    """Failures of 24 hours suspend a webhook, without the time in which no process tried."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver(status(503)) as receiver:
            async with WebhookRunner(harness, make_webhook(receiver.url), check_interval=60):
                harness.publish([sms])
                await harness.loop.passing(12 * HOUR)
            failed = stored_progress(harness).failing / TICKS_PER_SECOND
            assert 11.9 * HOUR < failed <= 12 * HOUR
            async with WebhookRunner(harness, make_webhook(receiver.url), check_interval=60):
                await harness.loop.passing(11 * HOUR)
                assert stored_progress(harness).state == "active"
                await harness.loop.passing(2 * HOUR)
                assert stored_progress(harness).state == "suspended"

    run_with_harness(scenario)


def test_410_suspends_at_once_and_resuming_keeps_the_position() -> None:
    """The status 410 suspends a webhook, as Standard Webhooks requires. No event is lost."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(410)) as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)),
        ):
            ids = harness.publish([sms] * 2)
            await harness.loop.passing(60)
            assert stored_progress(harness).state == "suspended"
            assert len(receiver.posts) == 1
            receiver.answer = ok
            receiver.posts.clear()
            await write_command(harness, None)
            await harness.loop.passing(5)
            assert receiver.ids() == ids

    run_with_harness(scenario)


def test_requests_have_both_signatures_during_a_rotation() -> None:
    """While a webhook has two secrets, receivers with either secret accept its requests."""
    old, new = "whsec_" + "b2xk" * 10, "whsec_" + "bmV3" * 10

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            async with WebhookRunner(
                harness, make_webhook(receiver.url, secret=new, previous_secret=old)
            ):
                harness.publish([sms])
                await harness.loop.passing(2)
            receiver.posts[0].verify(old)
            receiver.posts[0].verify(new)

    run_with_harness(scenario)


def test_a_template_produces_one_request_per_event() -> None:
    """A webhook with a template sends one request per event, in order, with the right media type.

    No request is sent if the template's result is empty.
    """
    template = (
        '{% if event.type == "floorcast.interaction" %}'
        '{"text": {{ event.data.eventId | json }} }{% endif %}'
    )

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver() as receiver,
            WebhookRunner(harness, make_webhook(receiver.url, template=template)),
        ):
            ids = harness.publish([sms, agent_event, call_start])
            await harness.loop.passing(3)
            said = [msgspec.json.decode(post.body)["text"] for post in receiver.posts]
            assert said == [ids[0], ids[2]]
            assert receiver.posts[0].headers["content-type"] == "application/json"
            receiver.posts[0].verify()
            await harness.loop.passing(10)
        async with WebhookRunner(harness, make_webhook(receiver.url, template=template)):
            await harness.loop.passing(3)
            assert len(receiver.posts) == 2

    run_with_harness(scenario)


def test_a_failing_template_suspends_the_webhook_and_names_the_event() -> None:
    """When the webhook resumes, it sends the event with the corrected template."""
    broken = '{"number": {{ event.data.transactionId }}, "text": "{{ event.data.timestamp }}"}'

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            runner = WebhookRunner(harness, make_webhook(receiver.url, template=broken))
            async with runner:
                ids = harness.publish([call_start, sms])
                await harness.loop.passing(5)
                assert len(receiver.posts) == 1
                assert ids[1] in stored_progress(harness).reason
                assert "not JSON" in stored_progress(harness).reason
                runner.webhooks = [make_webhook(receiver.url, template="{{ event.id | json }}")]
                await harness.loop.passing(2)
                await write_command(harness, None)
                await harness.loop.passing(5)
                assert msgspec.json.decode(receiver.posts[-1].body) == ids[1]
                assert len(receiver.posts) == 2

    run_with_harness(scenario)


def test_a_node_that_lost_its_lease_sends_nothing() -> None:
    """A node whose lease has expired sends nothing."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver() as receiver,
            WebhookRunner(harness, make_webhook(receiver.url)) as runner,
        ):
            runner.lease._until = 0.0  # noqa: SLF001 — as if the machine had been suspended
            harness.publish([sms])
            await harness.loop.passing(1)
            assert receiver.posts == []

    run_with_harness(scenario)


def test_a_position_stays_valid_without_events() -> None:
    """A webhook without pending events can continue after any length of time."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            async with WebhookRunner(harness, make_webhook(receiver.url)):
                harness.publish([sms])
                await harness.loop.passing(60)
            receiver.posts.clear()
            await harness.loop.passing(100 * HOUR)
            ids = harness.publish([sms] * 2)
            async with WebhookRunner(harness, make_webhook(receiver.url)):
                await harness.loop.passing(5)
            assert receiver.ids() == ids

    run_with_harness(scenario)


def test_a_position_that_is_too_old_suspends_the_webhook() -> None:
    """If the next events are no longer in the feeds, a webhook is suspended and skips none."""

    async def scenario(harness: ApiHarness) -> None:
        async with (
            running_receiver(status(500)) as receiver,
            WebhookRunner(harness, make_webhook(receiver.url), check_interval=60),
        ):

            async def once(post: Post, writer: asyncio.StreamWriter) -> None:
                receiver.answer = status(500)
                await ok(post, writer)

            harness.publish([sms] * 250)
            receiver.answer = status(500)
            await harness.loop.passing(23 * HOUR)
            receiver.answer = once
            await harness.loop.passing(2 * HOUR)
            assert stored_progress(harness).state == "suspended"
            assert "older than the feeds" in stored_progress(harness).reason
            assert stored_progress(harness).tries

    run_with_harness(scenario)
