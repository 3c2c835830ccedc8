"""The feeds that a client can follow, with their pages and streams."""

from __future__ import annotations

from functools import partial

from floorcast.client import methods
from floorcast.client.client_protocol import ClientProtocol
from floorcast.client.events import AgentEvent, Interaction, read_agent_event, read_interaction
from floorcast.client.feed_protocol import FeedProtocol, FeedSource, TokenStore
from floorcast.client.filters import NO_FILTER, Filter

__all__ = ["agent_events", "call_events", "interaction_events"]


def agent_events(
    protocol: ClientProtocol,
    token: str | None = None,
    *,
    store: TokenStore | None = None,
    stream: bool = True,
) -> FeedProtocol[AgentEvent]:
    """Follow agents' state changes from a token, from the store's token, or from now on.

    Uses a stream if the server has one, and long polls otherwise. The reference API has no stream
    for agents.
    """
    source = FeedSource(
        methods.agent_page, read_agent_event, methods.agent_stream if stream else None
    )
    return FeedProtocol(protocol, source, token, store)


def interaction_events(
    protocol: ClientProtocol,
    token: str | None = None,
    *,
    filter: Filter = NO_FILTER,
    store: TokenStore | None = None,
    stream: bool = True,
) -> FeedProtocol[Interaction]:
    """Follow calls, emails and SMS from a token, from the store's token, or from now on."""
    source = FeedSource(
        partial(methods.interaction_page, filter=filter),
        read_interaction,
        partial(methods.interaction_stream, filter=filter) if stream else None,
        ids_are_tokens=True,
    )
    return FeedProtocol(protocol, source, token, store)


def call_events(
    protocol: ClientProtocol,
    token: str | None = None,
    *,
    filter: Filter = NO_FILTER,
    store: TokenStore | None = None,
) -> FeedProtocol[Interaction]:
    """Follow only calls, by long polls. Deprecated: use ``interaction_events``."""
    source = FeedSource(partial(methods.call_page, filter=filter), read_interaction)
    return FeedProtocol(protocol, source, token, store)
