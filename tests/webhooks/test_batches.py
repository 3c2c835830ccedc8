"""Tests that every reader of batches gets each event once, in log order."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from floorcast.model.outbound import CallStartEvent
from floorcast.model.token import decode, end_of_entry
from floorcast.site.webhooks import WebhookFilter
from floorcast.webhooks.batches import KEPT_BATCHES, MAX_BATCH_EVENTS, BatchReader, batch_reader
from tests.http.feed_events import agent_event, call_start, sms
from tests.http.servers import ACME, ApiHarness, run_with_harness
from tests.search import tries
from tests.webhooks.receiver import add_alerts, make_webhook, publish_alert

FACETS = (("VOICE", 1, 10), ("SMS", 2, 10), ("SMS", 2, None))
MAKERS = (agent_event, call_start, sms)

ENTRIES = st.lists(
    st.tuples(
        st.lists(st.sampled_from([0, 1, 2]), max_size=40),
        st.integers(1, 8),
        st.sampled_from(range(len(FACETS))),
    ),
    max_size=12,
)
FILTERS = st.builds(
    WebhookFilter,
    service=st.none() | st.sampled_from([(1,), (2,), (1, 2), (9,)]),
    call_center=st.none() | st.just((10,)),
    interaction_type=st.none() | st.sampled_from([("VOICE",), ("SMS",)]),
)


def is_sent(chosen: WebhookFilter, maker: int, facets: tuple[str, int | None, int | None]) -> bool:
    """Return whether, according to the model, a webhook with this filter gets an event."""
    kind, service, center = facets
    return (
        (chosen.service is None or service in chosen.service)
        and (chosen.call_center is None or center in chosen.call_center)
        and (maker == 0 or chosen.interaction_type is None or kind in chosen.interaction_type)
    )


async def read_all(reader: BatchReader, cursor: int) -> list[str]:
    """Read batches from a cursor to the end. Returns the ids of their events."""
    found: list[str] = []
    while True:
        batch = await reader.batch(cursor)
        assert len(batch.events) <= MAX_BATCH_EVENTS
        assert batch.through > cursor or not batch.events
        found += [one["id"] for one in msgspec.json.decode(batch.body)]
        if not batch.events and batch.at_head:
            return found
        cursor = batch.through


@settings(max_examples=tries(40))
@given(
    entries=ENTRIES,
    chosen=FILTERS,
    send=st.sampled_from([("agent",), ("interaction",), ("agent", "interaction")]),
    starts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
)
def test_every_reader_gets_later_events_once_and_in_order(
    entries: list[tuple[list[int], int, int]],
    chosen: WebhookFilter,
    send: tuple[str, ...],
    starts: list[int],
) -> None:
    """Each reader gets the later events, for any filter, any feeds and any position."""

    async def scenario(harness: ApiHarness) -> None:
        want: list[tuple[int, str]] = []
        for number, (makers, times, index) in enumerate(entries, 1):
            events = makers * times
            ids = harness.publish([MAKERS[one] for one in events], facets=FACETS[index])
            for one, event_id in zip(events, ids, strict=True):
                name = "agent" if one == 0 else "interaction"
                if name in send and is_sent(chosen, one, FACETS[index]):
                    want.append((number, event_id))
        webhook = make_webhook("http://a.test/", send=send, filter=chosen)
        reader = batch_reader(ACME, webhook, harness.server)
        reader.webhooks = len(starts)
        for start in starts:
            cursor = end_of_entry(start) if start else 0
            assert await read_all(reader, cursor) == [one for at, one in want if at > start]

    run_with_harness(scenario)


def test_readers_at_different_positions_soon_share_batches() -> None:
    """A batch ends where another reader's batch has ended.

    From there, both readers get the same batches.
    """

    async def scenario(harness: ApiHarness) -> None:
        ids = harness.publish([sms] * 50)
        harness.publish([sms] * 350)
        reader = batch_reader(ACME, make_webhook("http://a.test/"), harness.server)
        reader.webhooks = 2
        first = await reader.batch(0)
        second = await reader.batch(first.through)
        later = decode(ACME, ids[29]).position
        third = await reader.batch(later)
        assert len(third.events) == 70
        assert third.through == first.through
        assert await reader.batch(third.through) is second

    run_with_harness(scenario)


def test_cached_batches_are_bounded_and_only_for_shared_feeds() -> None:
    """A limited number of batches is cached if webhooks share them. A single webhook has none."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms] * 100 * (KEPT_BATCHES + 10))
        reader = batch_reader(ACME, make_webhook("http://a.test/"), harness.server)
        for webhooks, kept in ((1, 0), (2, KEPT_BATCHES)):
            reader.webhooks = webhooks
            await read_all(reader, 0)
            assert len(reader.kept) == kept

    run_with_harness(scenario)


def test_a_retried_batch_keeps_its_end() -> None:
    """A retry after a restart has the same events, even if others have arrived in the meantime."""

    async def scenario(harness: ApiHarness) -> None:
        harness.publish([sms] * 30)
        reader = batch_reader(ACME, make_webhook("http://a.test/"), harness.server)
        batch = await reader.batch(0)
        harness.publish([sms] * 30)
        again = batch_reader(ACME, make_webhook("http://a.test/"), harness.server)
        made = await again.batch(0, batch.events[-1].position)
        assert made.body == batch.body
        assert len((await again.batch(0)).events) == 60

    run_with_harness(scenario)


def test_large_events_produce_smaller_batches() -> None:
    """Batches of large events have fewer events."""

    async def scenario(harness: ApiHarness) -> None:
        big = call_start("x")
        big.account = "a" * 100_000

        def large(event_id: str) -> CallStartEvent:
            big.event_id = event_id
            return big

        harness.publish([large] * 5)
        reader = batch_reader(
            ACME, make_webhook("http://a.test/", send=("interaction",)), harness.server
        )
        sizes, cursor = [], 0
        while (batch := await reader.batch(cursor)).events:
            sizes.append(len(batch.events))
            cursor = batch.through
        assert sizes == [2, 2, 1]

    run_with_harness(scenario)


def test_a_webhook_gets_the_alerts_that_name_it() -> None:
    """A webhook gets the alerts that name it, regardless of its filter, and no other alerts."""

    async def scenario(harness: ApiHarness) -> None:
        add_alerts(harness)
        for_ops = publish_alert(harness, ["ops", "boss"])
        publish_alert(harness, ["boss"])
        publish_alert(harness, [])
        call = harness.publish([sms], facets=("SMS", 2, 10))
        harness.publish([sms], facets=("SMS", 9, 10))
        last = publish_alert(harness, ["ops"])
        only = WebhookFilter(service=(2,))
        webhook = make_webhook("http://a.test/", send=("alerts", "interaction"), filter=only)
        batch = await batch_reader(ACME, webhook, harness.server).batch(0)
        events = msgspec.json.decode(batch.body)
        assert [one["id"] for one in events] == [for_ops, *call, last]
        assert [one["type"] for one in events][:2] == ["floorcast.alert", "floorcast.interaction"]
        assert events[0]["data"]["to"] == ["ops", "boss"]
        other = batch_reader(
            ACME, make_webhook("http://a.test/", name="boss", send=("alerts",)), harness.server
        )
        assert len((await other.batch(0)).events) == 2

    run_with_harness(scenario)
