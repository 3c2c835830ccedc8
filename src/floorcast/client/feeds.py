"""The feeds that a client can follow, with their pages and streams."""

from __future__ import annotations

from functools import partial

from floorcast.client import methods
from floorcast.client.conversation import Conversation
from floorcast.client.events import AgentEvent, Interaction, read_agent_event, read_interaction
from floorcast.client.filters import EVERYTHING, Filter
from floorcast.client.following import Following, Source, TokenStore

__all__ = ["agent_events", "call_events", "interaction_events"]


def agent_events(
    conversation: Conversation,
    token: str | None = None,
    *,
    store: TokenStore | None = None,
    stream: bool = True,
) -> Following[AgentEvent]:
    """Follow agents' state changes from a token, from the store's token, or from now on.

    Uses a stream if the server has one, and long polls otherwise. The reference API has no stream
    for agents.
    """
    source = Source(methods.agent_page, read_agent_event, methods.agent_stream if stream else None)
    return Following(conversation, source, token, store)


def interaction_events(
    conversation: Conversation,
    token: str | None = None,
    *,
    filter: Filter = EVERYTHING,
    store: TokenStore | None = None,
    stream: bool = True,
) -> Following[Interaction]:
    """Follow calls, emails and SMS from a token, from the store's token, or from now on."""
    source = Source(
        partial(methods.interaction_page, filter=filter),
        read_interaction,
        partial(methods.interaction_stream, filter=filter) if stream else None,
        ids_are_tokens=True,
    )
    return Following(conversation, source, token, store)


def call_events(
    conversation: Conversation,
    token: str | None = None,
    *,
    filter: Filter = EVERYTHING,
    store: TokenStore | None = None,
) -> Following[Interaction]:
    """Follow only calls, by long polls. Deprecated: use ``interaction_events``."""
    source = Source(partial(methods.call_page, filter=filter), read_interaction)
    return Following(conversation, source, token, store)
