"""Sends the example request of ``floorcast webhook test``."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from floorcast.model.errors import SettingError, Unavailable
from floorcast.model.token import system_now
from floorcast.site.body_template import EXAMPLES, TemplateError, render
from floorcast.site.webhooks import Webhook, split_url
from floorcast.webhooks.addresses import AddressRefused
from floorcast.webhooks.cloud_events import MEDIA_TYPE
from floorcast.webhooks.connection import Reply, RequestFailed
from floorcast.webhooks.http_client import HttpClient, tls_context
from floorcast.webhooks.signatures import signature_headers, signing_key

__all__ = ["send_example"]


async def send_example(webhook: Webhook) -> Reply:
    """Send an example from this machine and return the response.

    Raises SettingError if the template cannot produce a body, and Unavailable if no response
    arrives.
    """
    kind, body = _example(webhook)
    keys = [signing_key(secret) for secret in webhook.secrets]
    http = HttpClient(split_url(webhook), tls_context, allow_private=webhook.allow_private)
    message = f"msg_test_{uuid4().hex}"
    headers = signature_headers(keys, message, system_now(), body) | {"content-type": kind}
    try:
        return await http.post(headers, body)
    except (AddressRefused, RequestFailed) as error:
        raise Unavailable(f"webhook {webhook.name}: {error}") from error
    finally:
        http.close()


def _example(webhook: Webhook) -> tuple[str, bytes]:
    if webhook.template is None:
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": "/floorcast",
            "type": "floorcast.test",
            "time": datetime.now(UTC).isoformat(),
            "data": {"webhook": webhook.name},
        }
        return MEDIA_TYPE, msgspec.json.encode([event])
    try:
        for sent in webhook.send:
            if body := render(webhook.template, webhook.content_type, EXAMPLES[sent]):
                return webhook.content_type, body
    except TemplateError as error:
        raise SettingError(f"webhook {webhook.name}: template: {error}") from error
    raise SettingError(
        f"webhook {webhook.name}: the template produces nothing for any example event"
    )
