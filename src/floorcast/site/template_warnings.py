"""Warnings about webhook templates that fail for events without optional members.

The examples with which a template is checked have every member. An event that lacks some of them
would suspend the webhook, perhaps days later: an alert has no value if its rule's hours end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from floorcast.model.outbound import AgentEvent, AlertEvent, CallStartEvent
from floorcast.site.body_template import EXAMPLES, TemplateError, render
from floorcast.site.file_reader import SiteFile
from floorcast.site.webhooks import Webhook

__all__ = ["template_warnings"]

_ID = "5a3c8e00-1a2b-11f0-8000-000000000001"
_SPARSE: Mapping[str, tuple[str, object]] = {
    "agent": (
        "an agent event without optional members",
        AgentEvent(
            timestamp=1_770_000_000_000,
            client_id=1,
            agent_id=12,
            line_number="",
            event_type="READY",
            seq_num=1,
            event_id=_ID,
        ),
    ),
    "interaction": (
        "an interaction without a service and an agent",
        CallStartEvent(
            event_id=_ID,
            call_event_type="CALL_START",
            interaction_type="VOICE",
            transaction_id=1,
            client_id=1,
            service_id=None,
            call_center_id=None,
            session_id="s",
            campaign_id=None,
            phone_dialed=None,
            account=None,
            operator_phone=None,
            area_code_state=None,
            call_direction=None,
            campaign_type=None,
            agent_login_id=None,
            agent_id=None,
            start="2026-01-31 12:00:00",
            timestamp="2026-01-31 12:00:00",
        ),
    ),
    "alerts": (
        "the end of an alert without a service and a value",
        AlertEvent(
            event_id=_ID,
            timestamp=1_770_000_000_000,
            client_id=1,
            alert_id="silent",
            name="Silent",
            status="ok",
            figure="silence",
            service_id=None,
            service_name=None,
            call_center_id=None,
            condition="above",
            threshold=120,
            value=None,
            acknowledged_by=None,
            to=("ops",),
        ),
    ),
}


def template_warnings(site_file: SiteFile) -> Iterator[str]:
    """Yield a warning for each template that fails for such an event of a feed that it is sent."""
    for client in site_file.clients:
        for webhook in client.webhook:
            for problem in _problems(webhook):
                yield (
                    f"client {client.id}, webhook {webhook.name}: the template would suspend the"
                    f" webhook, because it fails for {problem}"
                )


def _problems(webhook: Webhook) -> Iterator[str]:
    if webhook.template is None:
        return
    for name in webhook.send:
        what, data = _SPARSE[name]
        event = {**EXAMPLES[name], "data": msgspec.to_builtins(data)}
        try:
            render(webhook.template, webhook.content_type, event)
        except TemplateError as error:
            yield f"{what}: {error}"
