"""Tests of a webhook's position: its token, and whether the feeds have all later events."""

from __future__ import annotations

from floorcast.model.token import TICKS_PER_SECOND, end_of_entry, position
from floorcast.webhooks.batches import reading_of
from floorcast.webhooks.position import WebhookPosition
from tests.http.feed_events import sms
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.webhooks.receiver import hook

HOUR = 3_600


def place(house: ApiHarness) -> WebhookPosition:
    """Return a position in ACME's feeds."""
    reading = reading_of(ACME, hook("http://a.test/"), house.server)
    return WebhookPosition(reading, house.server, house.loop.now)


def test_a_position_is_the_present_or_that_of_its_token() -> None:
    """Without a token, the position is the present. A cursor's token leads back to the cursor."""

    async def story(house: ApiHarness) -> None:
        house.publish([sms] * 3)
        one, again = place(house), place(house)
        assert await one.begin("") == end_of_entry(1)
        house.publish([sms])
        assert await again.begin(one.token()) == end_of_entry(1)
        assert again.position(one.token()) == end_of_entry(1)
        assert one.since(one.token()) <= house.loop.now() + TICKS_PER_SECOND

    run_with_harness(story)


def test_a_position_is_complete_while_later_events_are_within_24_hours() -> None:
    """The age of a position does not matter if all events up to it have been read."""

    async def story(house: ApiHarness) -> None:
        house.publish([sms] * 3)
        await house.loop.passing(30 * HOUR)
        house.publish([sms])
        one = place(house)
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
        await house.loop.passing(25 * HOUR)
        one.cursor = end_of_entry(1)
        assert not one.is_complete()
        house.log.forgotten = 2
        one.cursor = end_of_entry(2)
        assert one.is_complete()

    run_with_harness(story)


def test_an_old_token_gives_its_own_position() -> None:
    """An old token is judged by the events after its position, not by its age."""

    async def story(house: ApiHarness) -> None:
        house.publish([sms])
        one = place(house)
        await one.begin("")
        token = one.token()
        await house.loop.passing(30 * HOUR)
        again = place(house)
        assert await again.begin(token) == end_of_entry(1)
        assert again.is_complete()

    run_with_harness(story)
