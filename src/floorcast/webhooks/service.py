"""Sends all webhooks of a node, with one lease for each client that has webhooks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from floorcast.kv.lease import Lease, LeaseTuning
from floorcast.kv.port import KeyValueStore
from floorcast.model.cancellation import cancel_all
from floorcast.model.errors import FloorcastError
from floorcast.model.token import TICKS_PER_SECOND, boot_seconds
from floorcast.site.live_site import Site, SiteChange
from floorcast.site.webhooks import Webhook
from floorcast.webhooks.batches import batch_reader
from floorcast.webhooks.delivery_resources import DeliveryResources
from floorcast.webhooks.progress import BUCKET, progress_key, webhook_id
from floorcast.webhooks.sender import ClientSender

__all__ = ["WebhookState", "Webhooks"]


class WebhookState(NamedTuple):
    """The state of a webhook that this node sends, for ``/metrics``. ``lag`` is in seconds."""

    id: str
    lag: float
    events: int
    failures: int
    suspensions: int
    suspended: bool


class Webhooks:
    """Sends the webhooks of the clients for which ``serves`` returns true.

    ``holder`` names this node in leases, as described in ``Lease``.
    """

    def __init__(
        self,
        site: Site,
        kv: KeyValueStore,
        resources: DeliveryResources,
        serves: Callable[[int], bool],
        holder: str = "",
        clock: Callable[[], float] = boot_seconds,
        lease_tuning: LeaseTuning | None = None,
    ) -> None:
        self._site = site
        self._kv = kv
        self._resources = resources
        self._serves = serves
        self._holder = holder
        self._clock = clock
        self._lease_tuning = lease_tuning
        self._senders: dict[int, ClientSender] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._first_tokens: dict[str, str] = {}

    def start(self) -> None:
        """Start sending, and follow changes to the site."""
        self._site.on_change(self._on_site_change)
        self._update_senders()

    async def close(self) -> None:
        """Stop sending and release the leases."""
        await cancel_all([*self._tasks.values(), *self._ending])
        self._tasks.clear()
        self._senders.clear()

    def states(self) -> Iterator[WebhookState]:
        """Yield the state of each webhook that this node sends now."""
        now, secret = self._resources.now(), self._resources.floors.token_secret
        for client, sender in self._senders.items():
            for name, delivery in sender.deliveries.items():
                progress, since = delivery.progress, delivery.waiting_since
                yield WebhookState(
                    id=webhook_id(client, name, secret),
                    lag=max(0.0, (now - since) / TICKS_PER_SECOND) if since else 0.0,
                    events=progress.events,
                    failures=progress.failures,
                    suspensions=progress.suspensions,
                    suspended=progress.state == "suspended",
                )

    def _on_site_change(self, _change: SiteChange) -> None:
        self._update_senders()

    def _update_senders(self) -> None:
        """Run one sender for each client that has webhooks or still has stored progress."""
        clients = {one.id for one in self._site.clients.values() if one.webhooks}
        # or else removed webhooks' progress is deleted later, and new ones start with their sender
        with contextlib.suppress(FloorcastError):
            stored = self._kv.items(BUCKET)
            clients |= {int(key.partition(".")[0]) for key in stored}
            self._note_new_webhooks(stored)
        for client in self._tasks.keys() - clients:
            self._stop_sender(client)
        for client in sorted(clients - self._tasks.keys()):
            if self._serves(client):
                self._start_sender(client)

    def _note_new_webhooks(self, stored: Collection[str]) -> None:
        """Note the present as the start of webhooks whose progress is not ``stored``.

        A sender starts them later, and the first alerts for a new webhook may come before that.
        """
        noted, self._first_tokens = self._first_tokens, {}
        for client in self._site.clients.values():
            for webhook in client.webhooks if self._serves(client.id) else ():
                key = progress_key(client.id, webhook.name)
                if key not in stored:
                    token = noted.get(key) or self._token_now(client.id, webhook)
                    self._first_tokens[key] = token

    def _token_now(self, client: int, webhook: Webhook) -> str:
        floors = self._resources.floors
        with contextlib.suppress(FloorcastError):  # the floor is new, or is being rebuilt
            return floors.token_now(client, batch_reader(client, webhook, floors).head())
        return ""

    def _stop_sender(self, client: int) -> None:
        task = self._tasks.pop(client)
        self._senders.pop(client)
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _start_sender(self, client: int) -> None:
        def declared() -> tuple[Webhook, ...]:
            found = self._site.clients.get(client)
            return () if found is None else found.webhooks

        def first_token(webhook: str) -> str:
            return self._first_tokens.get(progress_key(client, webhook), "")

        name = f"webhooks.{client}"
        lease = Lease(self._kv, name, self._holder, self._clock, self._lease_tuning)
        sender = ClientSender(client, self._kv, lease, self._resources, declared, first_token)
        self._senders[client] = sender
        self._tasks[client] = asyncio.create_task(lease.run(sender.run))
