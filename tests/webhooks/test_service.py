"""Tests of all webhooks of a node: leases, takeover and metrics."""

from __future__ import annotations

from floorcast.kv.lease import BUCKET as LEASES
from floorcast.kv.port import Item
from floorcast.site.apply import apply
from floorcast.site.file_reader import parse
from floorcast.webhooks.http_client import tls_context
from floorcast.webhooks.progress import BUCKET, webhook_id
from floorcast.webhooks.service import Webhooks
from floorcast.webhooks.surroundings import Surroundings
from tests.http.feed_events import sms
from tests.http.servers import ACME, SITE, ApiHarness, run_with_harness
from tests.site.sites import CHEAP
from tests.webhooks.receiver import SECRET, receiving, status

TABLE = """
[[client.webhook]]
name = "ops"
url = "{url}"
secret = "{secret}"
send = ["interaction"]
allow_private = true

[[client]]
id = 4199"""


async def declare(house: ApiHarness, url: str) -> None:
    """Apply a site in which ACME has a webhook or has none."""
    table = TABLE.format(url=url, secret=SECRET) if url else "[[client]]\nid = 4199"
    text = SITE.replace("[[client]]\nid = 4199", table, 1)
    await apply(house.kv, parse(text), CHEAP)
    await house.server.site.refresh()


def node(house: ApiHarness, clients: frozenset[int] = frozenset()) -> Webhooks:
    """Run the webhooks of a node."""
    webhooks = Webhooks(
        house.server.site,
        house.kv,
        Surroundings(house.server, house.loop.now, tls_context, chance=lambda: 1.0),
        lambda client: not clients or client in clients,
        clock=lambda: house.loop.elapsed,
    )
    webhooks.start()
    return webhooks


def test_one_node_sends_and_another_takes_over() -> None:
    """When the sending node stops, the other node continues with the same ids."""

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver:
            await declare(house, receiver.url)
            first = node(house)
            await house.loop.passing(1)
            second = node(house)
            ids = []
            for _ in range(20):
                ids += house.publish([sms])
                await house.loop.passing(1)
            assert receiver.ids() == ids
            assert len([*first.states(), *second.states()]) == 1
            await first.close()
            ids += house.publish([sms])
            await house.loop.passing(10)
            assert receiver.ids() == ids
            await second.close()

    run_with_harness(story)


def test_a_dead_node_is_replaced_within_30_seconds() -> None:
    """A dead node's lease expires and is taken over. Later events arrive in order."""

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver:
            await declare(house, receiver.url)
            first = node(house)
            await house.loop.passing(10)
            dead = house.kv.get(LEASES, f"webhooks.{ACME}")
            place = dict(house.kv.items(BUCKET))
            await first.close()
            await house.kv.write([Item(LEASES, f"webhooks.{ACME}", dead)])
            await house.kv.write([Item(BUCKET, key, raw) for key, raw in place.items()])
            ids = house.publish([sms] * 3)
            second = node(house)
            await house.loop.passing(30)
            assert receiver.ids() == ids
            await second.close()

    run_with_harness(story)


def test_a_removed_webhook_leaves_no_position_or_sender() -> None:
    """A removed webhook's position and sender are gone.

    A client of another node has no sender here.
    """

    async def story(house: ApiHarness) -> None:
        async with receiving() as receiver:
            await declare(house, receiver.url)
            one, other = node(house), node(house, frozenset({4199}))
            await house.loop.passing(10)
            assert len(list(one.states())) == 1
            assert list(other.states()) == []
            await declare(house, "")
            await house.loop.passing(10)
            assert list(one.states()) == []
            assert house.kv.items(BUCKET) == {}
            await apply(house.kv, parse(SITE.replace("ACME", "ACME Ltd")), CHEAP)
            await house.server.site.refresh()
            await house.loop.passing(1)
            assert house.kv.get(LEASES, f"webhooks.{ACME}") is None
            await one.close()
            await other.close()

    run_with_harness(story)


def test_metrics_have_lag_and_failures_by_id() -> None:
    """The lag grows during failures, and no label contains a client or a name."""

    async def story(house: ApiHarness) -> None:
        async with receiving(status(500)) as receiver:
            await declare(house, receiver.url)
            webhooks = node(house)
            house.server.metrics.watch_webhooks(webhooks.states)
            await house.loop.passing(2)
            house.publish([sms])
            await house.loop.passing(100)
            text = house.server.metrics.text().decode()
            label = f'{{webhook="{webhook_id(ACME, "ops", house.server.token_secret)}"}}'
            values = dict(
                line.rsplit(" ", 1) for line in text.splitlines() if "floorcast_webhook" in line
            )
            assert 98 <= float(values[f"floorcast_webhook_lag_seconds{label}"]) <= 102
            assert float(values[f"floorcast_webhook_failures_total{label}"]) >= 6
            assert float(values[f"floorcast_webhook_suspended{label}"]) == 0
            assert "ops" not in text
            receiver.answer = status(410)
            await house.loop.passing(300)
            (state,) = webhooks.states()
            assert (state.suspended, state.suspensions) == (True, 1)
            assert state.lag > 100
            await webhooks.close()

    run_with_harness(story)
