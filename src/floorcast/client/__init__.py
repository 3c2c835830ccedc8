"""A typed client for the Real-Time Reporting API of floorcast or another server, such as LiveVox.

``Client`` and ``AsyncClient`` read from a server. ``Sender`` and ``AsyncSender`` send events to a
floorcast server. docs/client.md shows all four. If the server refuses a request, an exception of
``floorcast.model.errors`` is raised.
"""

from floorcast.client.async_client import AsyncClient, AsyncFeed
from floorcast.client.async_sender import AsyncSender
from floorcast.client.client_protocol import Credentials
from floorcast.client.cloud_event import CloudEvent
from floorcast.client.feed_protocol import TokenStore
from floorcast.client.filters import Filter
from floorcast.client.sender_protocol import Rejected, Verdicts
from floorcast.client.sync_client import Client, Feed
from floorcast.client.sync_sender import Sender
from floorcast.client.timing import Timing
from floorcast.client.token_file import TokenFile

__all__ = [
    "AsyncClient",
    "AsyncFeed",
    "AsyncSender",
    "Client",
    "CloudEvent",
    "Credentials",
    "Feed",
    "Filter",
    "Rejected",
    "Sender",
    "Timing",
    "TokenFile",
    "TokenStore",
    "Verdicts",
]
