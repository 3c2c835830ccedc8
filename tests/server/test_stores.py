"""Tests of the stores that the settings select, and of the errors for missing stores."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from floorcast.config.settings import Settings
from floorcast.kv.folder import IN_MEMORY
from floorcast.log.appender import CommitObserver
from floorcast.model.errors import SettingError
from floorcast.model.token import system_now
from floorcast.server import stores
from floorcast.server.stores import Stores, open_stores


async def opened(settings: Settings) -> Stores:
    """Open the stores, and close them at the end."""
    async with AsyncExitStack() as stack:
        return await open_stores(
            stack, settings, system_now, CommitObserver(lambda _: None, lambda _: None)
        )


@pytest.mark.parametrize("keeps", [True, False])
def test_embedded_stores_are_not_shared(tmp_path: Path, keeps: bool) -> None:
    """The stores use the machine's clock, and no other process writes to the log."""
    found = asyncio.run(opened(Settings(data=tmp_path if keeps else IN_MEMORY)))
    assert not found.shared
    assert found.now is system_now
    assert found.counts is not found.kv
    assert (tmp_path / "log.db").exists() == keeps


def test_a_cluster_node_requires_a_data_folder() -> None:
    """A copy of the log in memory could not be resumed."""
    with pytest.raises(SettingError, match="data: must be a folder, because a cluster node keeps"):
        asyncio.run(opened(Settings(data=IN_MEMORY, log="nats://127.0.0.1")))


def test_a_cluster_requires_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to install it."""
    monkeypatch.setattr(stores, "find_spec", lambda _name: None)
    with pytest.raises(SettingError, match=r"pip install 'floorcast\[cluster\]'"):
        asyncio.run(opened(Settings(data=tmp_path, log="nats://127.0.0.1")))
