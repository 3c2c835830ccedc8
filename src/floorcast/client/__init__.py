"""A typed client of the Real-Time Reporting API: this server's, and any other's (LiveVox).

``AsyncClient`` for asyncio, ``Client`` for everything else; docs/client.md shows both. What a
server refuses is raised as the exceptions of ``floorcast.model.errors``.
"""

from floorcast.client.async_client import AsyncClient, AsyncFeed
from floorcast.client.conversation import Credentials, Timing
from floorcast.client.filters import Filter
from floorcast.client.following import TokenStore
from floorcast.client.sync_client import Client, Feed
from floorcast.client.token_file import TokenFile

__all__ = [
    "AsyncClient",
    "AsyncFeed",
    "Client",
    "Credentials",
    "Feed",
    "Filter",
    "Timing",
    "TokenFile",
    "TokenStore",
]
