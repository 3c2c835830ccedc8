"""Tests of a feed's CloudEvents, which the CloudEvents library decodes."""

from __future__ import annotations

import json
from datetime import UTC

from cloudevents.core.formats.json import JSONFormat

from floorcast.feeds.filters import EVERYTHING
from floorcast.model.token import TICKS_PER_SECOND
from floorcast.webhooks.cloud_events import batch_body, cloud_events, is_alert_for
from tests.http.feed_events import sms
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.webhooks.receiver import add_alerts, publish_alert


def test_the_cloudevents_library_decodes_each_event_of_a_batch() -> None:
    """An event has the feed's id and the log's time. Its source names the client and the feed."""

    async def scenario(harness: ApiHarness) -> None:
        ids = harness.publish([sms, sms])
        await harness.loop.passing(1.25)
        ids += harness.publish([sms])
        page = await harness.floors[ACME].feeds["interaction"].page(0, EVERYTHING, 10)
        made = cloud_events(ACME, "interaction", page, harness.server)
        raw = json.loads(batch_body(made))
        events = [JSONFormat().read(None, json.dumps(one)) for one in raw]
        assert [one.get_id() for one in events] == ids == [one.id for one in made]
        for event, one in zip(events, made, strict=True):
            assert event.get_source() == f"/clients/{ACME}/interaction"
            assert event.get_type() == "floorcast.interaction"
            assert event.get_datacontenttype() == "application/json"
            time = event.get_time()
            assert time is not None
            assert time.astimezone(UTC).timestamp() == one.recorded_at // 10_000 / 1_000
        assert made[2].recorded_at - made[0].recorded_at >= 1.25 * TICKS_PER_SECOND

    run_with_harness(scenario)


def test_readers_of_a_page_share_its_events() -> None:
    """A page's events are created once and shared by all readers."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms] * 3)
        page = await harness.floors[ACME].feeds["interaction"].page(0, EVERYTHING, 10)
        first = cloud_events(ACME, "interaction", page, harness.server)
        assert cloud_events(ACME, "interaction", page, harness.server) is first

    run_with_harness(scenario)


def test_an_alert_names_its_webhooks() -> None:
    """An alert is for the webhooks that it names."""

    async def scenario(harness: ApiHarness) -> None:
        add_alerts(harness)
        publish_alert(harness, ["ops"])
        publish_alert(harness, [])
        page = await harness.floors[ACME].feeds["alerts"].page(0, EVERYTHING, 10)
        named, unnamed = cloud_events(ACME, "alerts", page, harness.server)
        assert is_alert_for(named, "ops")
        assert not is_alert_for(named, "op")
        assert not is_alert_for(unnamed, "ops")

    run_with_harness(scenario)
