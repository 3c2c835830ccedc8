"""Tests of a webhook's position, and of the check that the feeds have all later events."""

from __future__ import annotations

from floorcast.model.token import TICKS_PER_SECOND, end_of_entry, position
from floorcast.webhooks.batches import batch_reader
from floorcast.webhooks.position import WebhookPosition
from tests.http.feed_events import sms
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.webhooks.receiver import make_webhook

HOUR = 3_600


def webhook_position(harness: ApiHarness) -> WebhookPosition:
    """Return a new webhook's position in ACME's feeds."""
    reader = batch_reader(ACME, make_webhook("http://a.test/"), harness.server)
    return WebhookPosition(reader, harness.server)


def test_a_webhook_begins_at_its_token_or_at_the_present() -> None:
    """A webhook without a token begins at the present. Otherwise, it begins at the token."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms] * 3)
        one, again = webhook_position(harness), webhook_position(harness)
        assert await one.begin("") == end_of_entry(1)
        harness.publish([sms])
        assert await again.begin(one.token()) == end_of_entry(1)
        assert again.position(one.token()) == end_of_entry(1)
        assert one.ticks(one.token()) <= harness.loop.now() + TICKS_PER_SECOND

    run_with_harness(scenario)


def test_a_position_is_complete_while_later_events_are_within_24_hours() -> None:
    """A position is complete if the feeds have all later events, however old the position is."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms] * 3)
        await harness.loop.passing(30 * HOUR)
        harness.publish([sms])
        one = webhook_position(harness)
        for cursor, complete in (
            (0, False),
            (position(1, 1), False),
            (end_of_entry(1), True),
            (position(2, 0), True),
            (end_of_entry(2), True),
            (end_of_entry(9), False),
        ):
            one.cursor = cursor
            assert one.is_complete() is complete, cursor
        await harness.loop.passing(25 * HOUR)
        one.cursor = end_of_entry(1)
        assert not one.is_complete()
        harness.log.forgotten = 2
        one.cursor = end_of_entry(2)
        assert one.is_complete()

    run_with_harness(scenario)


def test_an_old_token_is_complete_if_no_events_were_missed() -> None:
    """An old token is complete unless events after its position are too old."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms])
        one = webhook_position(harness)
        await one.begin("")
        token = one.token()
        await harness.loop.passing(30 * HOUR)
        again = webhook_position(harness)
        assert await again.begin(token) == end_of_entry(1)
        assert again.is_complete()

    run_with_harness(scenario)
