"""Tests of a node's webhooks: leases, takeover and metrics."""

from __future__ import annotations

from floorcast.kv.lease import BUCKET as LEASES
from floorcast.kv.port import Item
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from floorcast.webhooks.delivery_resources import DeliveryResources
from floorcast.webhooks.http_client import tls_context
from floorcast.webhooks.progress import BUCKET, webhook_id
from floorcast.webhooks.service import Webhooks
from tests.http.feed_events import sms
from tests.http.servers import ACME, SITE, ApiHarness, run_with_harness
from tests.site.sites import CHEAP
from tests.webhooks.receiver import SECRET, running_receiver, status

TABLE = """
[[client.webhook]]
name = "ops"
url = "{url}"
secret = "{secret}"
send = ["interaction"]
allow_private = true

[[client]]
id = 4199"""


async def apply_webhook(harness: ApiHarness, url: str) -> None:
    """Apply a site in which ACME has a webhook with this URL, or no webhook if it is empty."""
    table = TABLE.format(url=url, secret=SECRET) if url else "[[client]]\nid = 4199"
    text = SITE.replace("[[client]]\nid = 4199", table, 1)
    await apply(harness.kv, parse(text), CHEAP)
    await harness.server.site.refresh()


def start_node(harness: ApiHarness, clients: frozenset[int] = frozenset()) -> Webhooks:
    """Start a node's webhooks."""
    webhooks = Webhooks(
        harness.server.site,
        harness.kv,
        DeliveryResources(harness.server, harness.loop.now, tls_context, chance=lambda: 1.0),
        lambda client: not clients or client in clients,
        clock=lambda: harness.loop.elapsed,
    )
    webhooks.start()
    return webhooks


def test_one_node_sends_and_another_takes_over() -> None:
    """Only one node sends. If it stops, another node sends the next events."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            await apply_webhook(harness, receiver.url)
            first = start_node(harness)
            await harness.loop.passing(1)
            second = start_node(harness)
            ids = []
            for _ in range(20):
                ids += harness.publish([sms])
                await harness.loop.passing(1)
            assert receiver.ids() == ids
            assert len([*first.states(), *second.states()]) == 1
            await first.close()
            ids += harness.publish([sms])
            await harness.loop.passing(10)
            assert receiver.ids() == ids
            await second.close()

    run_with_harness(scenario)


def test_a_new_webhook_starts_with_the_first_event_after_it_is_declared() -> None:
    """A webhook's first events may be recorded before its sender has seen the webhook.

    It also keeps its start if another node takes over before the first event.
    """

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            first, second = start_node(harness), start_node(harness)
            harness.publish([sms])
            await apply_webhook(harness, receiver.url)
            ids = harness.publish([sms] * 2)
            await harness.loop.passing(10)
            assert receiver.ids() == ids
            await apply_webhook(harness, "")
            await harness.loop.passing(10)
            harness.publish([sms])
            await apply_webhook(harness, receiver.url)
            ids += harness.publish([sms])
            await first.close()
            await harness.loop.passing(30)
            assert receiver.ids() == ids
            await second.close()

    run_with_harness(scenario)


def test_a_dead_node_is_replaced_within_30_seconds() -> None:
    """After a dead node's lease expires, another node takes over and sends the next events."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            await apply_webhook(harness, receiver.url)
            first = start_node(harness)
            await harness.loop.passing(10)
            dead = harness.kv.get(LEASES, f"webhooks.{ACME}")
            kept = dict(harness.kv.items(BUCKET))
            await first.close()
            await harness.kv.write([Item(LEASES, f"webhooks.{ACME}", dead)])
            await harness.kv.write([Item(BUCKET, key, raw) for key, raw in kept.items()])
            ids = harness.publish([sms] * 3)
            second = start_node(harness)
            await harness.loop.passing(30)
            assert receiver.ids() == ids
            await second.close()

    run_with_harness(scenario)


def test_a_removed_webhook_leaves_no_position_or_sender() -> None:
    """After a webhook is removed, its position and its sender no longer exist.

    A node has no senders for clients that it does not serve.
    """

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver() as receiver:
            await apply_webhook(harness, receiver.url)
            one, other = start_node(harness), start_node(harness, frozenset({4199}))
            await harness.loop.passing(10)
            assert len(list(one.states())) == 1
            assert list(other.states()) == []
            await apply_webhook(harness, "")
            await harness.loop.passing(10)
            assert list(one.states()) == []
            assert harness.kv.items(BUCKET) == {}
            await apply(harness.kv, parse(SITE.replace("ACME", "ACME Ltd")), CHEAP)
            await harness.server.site.refresh()
            await harness.loop.passing(1)
            assert harness.kv.get(LEASES, f"webhooks.{ACME}") is None
            await one.close()
            await other.close()

    run_with_harness(scenario)


def test_metrics_have_lag_and_failures_by_webhook_id() -> None:
    """The metrics show a lag that grows during failures. Labels contain only a webhook's id."""

    async def scenario(harness: ApiHarness) -> None:
        async with running_receiver(status(500)) as receiver:
            await apply_webhook(harness, receiver.url)
            webhooks = start_node(harness)
            harness.server.metrics.watch_webhooks(webhooks.states)
            await harness.loop.passing(2)
            harness.publish([sms])
            await harness.loop.passing(100)
            text = harness.server.metrics.text().decode()
            label = f'{{webhook="{webhook_id(ACME, "ops", harness.server.token_secret)}"}}'
            values = dict(
                line.rsplit(" ", 1) for line in text.splitlines() if "floorcast_webhook" in line
            )
            assert 98 <= float(values[f"floorcast_webhook_lag_seconds{label}"]) <= 102
            assert float(values[f"floorcast_webhook_failures_total{label}"]) >= 6
            assert float(values[f"floorcast_webhook_suspended{label}"]) == 0
            assert "ops" not in text
            receiver.answer = status(410)
            await harness.loop.passing(300)
            (state,) = webhooks.states()
            assert (state.suspended, state.suspensions) == (True, 1)
            assert state.lag > 100
            await webhooks.close()

    run_with_harness(scenario)
