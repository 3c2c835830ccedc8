"""Implements ``floorcast connect livevox --check``.

It shows what the connector would see, and which rights are missing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from floorcast.client import AsyncClient, Timing
from floorcast.client.agent_answers import AgentDetails
from floorcast.client.answers import CampaignStatistics, ServiceStatistics, WaitingCall
from floorcast.connectors.livevox.connector import FollowedServer
from floorcast.connectors.pbx.check_tables import MISSING_RIGHTS, CheckTable
from floorcast.model.errors import BadCredentials, Refusal, Unavailable, UnexpectedAnswer
from floorcast.model.text import printable

__all__ = ["check_server"]

Row = Sequence[str]

# Seconds for one retry, because a node of a cluster may not know the new session yet.
PATIENCE_SECONDS = 0.25


async def check_server(
    server: FollowedServer, transport: httpx.AsyncBaseTransport | None = None
) -> list[CheckTable]:
    """Query the server and return the tables to print.

    If rights are missing, the last table lists them. Raises BadCredentials, or Unavailable after a
    second attempt.
    """
    try:
        return await _query(server, transport)
    except Unavailable as error:
        raise Unavailable(f"{error.message}; check --from") from None


async def _query(
    server: FollowedServer, transport: httpx.AsyncBaseTransport | None
) -> list[CheckTable]:
    missing: list[Row] = []

    async def rows_of(
        method: Callable[[], Awaitable[Any]], rows: str, right: str, without: str
    ) -> Sequence[Any]:
        try:
            found: Sequence[Any] = getattr(await method(), rows)
        except BadCredentials:
            raise
        except (Refusal, UnexpectedAnswer) as error:
            missing.append((right, without, str(error)))
            return ()
        return found

    timing = Timing(patience=PATIENCE_SECONDS)
    async with AsyncClient(
        server.url, server.credentials, timing=timing, transport=transport
    ) as client:
        await client.log_in()
        await rows_of(client.agent_event_feed, "events", "agent feed", "no events are sent")
        await rows_of(
            client.interaction_event_feed, "events", "interaction feed", "no events are sent"
        )
        services = await rows_of(
            client.service_statistics, "stats", "service statistics", "only this list is empty"
        )
        agents = await rows_of(
            client.agent_status,
            "agent_details",
            "agent status",
            "after events are lost, an agent's state is unknown until the agent's next event",
        )
        waiting = await rows_of(
            client.waiting_calls,
            "calls_details",
            "waiting calls",
            "a call's wait is known only after the call has ended",
        )
        campaigns = await rows_of(
            client.campaign_statistics,
            "stats",
            "campaign statistics",
            "campaigns have no counts",
        )
    found: list[CheckTable] = [
        (
            "Services",
            ("id", "service", "call center", "agents", "in queue", "offered today"),
            [_service(one) for one in services],
        ),
        (
            "Agents",
            ("login", "name", "service", "state", "reason"),
            [_agent(one) for one in agents],
        ),
        (
            "Waiting calls",
            ("service", "phone", "account", "since (epoch)"),
            [_call(one) for one in waiting],
        ),
        (
            "Campaigns",
            ("id", "service id", "loaded", "remaining"),
            [_campaign(one) for one in campaigns],
        ),
    ]
    return (
        [*found, (MISSING_RIGHTS, ("right", "without it", "the server says"), missing)]
        if missing
        else found
    )


def _service(one: ServiceStatistics) -> Row:
    return _texts(
        one.service_id,
        one.service_name,
        one.call_center_name,
        one.total_agents,
        one.total_calls_in_queue,
        one.total_offered,
    )


def _agent(one: AgentDetails) -> Row:
    return _texts(one.agent_login_id, one.agent_name, one.service_name, one.state, one.reason_code)


def _call(one: WaitingCall) -> Row:
    return _texts(one.service_name, one.phone, one.account, one.time_stamp)


def _campaign(one: CampaignStatistics) -> Row:
    return _texts(one.campaign_id, one.service_id, one.loaded, one.remaining)


def _texts(*values: object) -> Row:
    return tuple("" if value is None else printable(str(value)) for value in values)
