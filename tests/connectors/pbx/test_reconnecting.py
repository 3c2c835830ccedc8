"""Tests of reconnecting to a source."""

from __future__ import annotations

import asyncio

import pytest

from floorcast.client.pacing import Backoff
from floorcast.connectors.pbx.reconnecting import keep_connected
from floorcast.model.errors import BadCredentials, Unavailable


def test_only_a_refusal_of_the_first_connection_is_fatal() -> None:
    """A refusal after the first connection is retried like any other failure."""
    ends: list[Exception | None] = [
        Unavailable("away"), None, BadCredentials("changed"), None, RuntimeError("the end"),
    ]  # fmt: skip

    async def connection(_backoff: Backoff) -> None:
        end = ends.pop(0)
        _backoff.reset()
        if end is not None:
            raise end

    with pytest.raises(RuntimeError, match="the end"):
        asyncio.run(keep_connected("PBX", connection))
    ends[:] = [BadCredentials("wrong")]
    with pytest.raises(BadCredentials):
        asyncio.run(keep_connected("PBX", connection))
