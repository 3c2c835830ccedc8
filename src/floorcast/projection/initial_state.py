"""The state from which a client's projection begins to fold the log."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import msgspec

from floorcast.floor.state import (
    FloorState,
)
from floorcast.log.port import Entry, EventLog
from floorcast.site.configuration import FloorConfig
from floorcast.store.projection_store import ProjectionStore
from floorcast.store.snapshots import newest_state

__all__ = ["RemovedEntries", "config_decoder", "initial_state", "state_before_log"]

config_decoder = msgspec.json.Decoder(FloorConfig)
"""Decodes a site entry of the log."""


def initial_state(client: int, store: ProjectionStore, log: EventLog) -> FloorState:
    """Return the state to start from.

    It comes from the newest usable snapshot, or else is the floor before the oldest entry.
    """
    newest = partial(store.newest_snapshot, client)
    state = newest_state(client, newest, log.head(client).number, log.last_removed(client))
    return state_before_log(client, log) if state is None else state


class RemovedEntries(Protocol):
    """The log's information about the entries that it has removed. See ``EventLog``."""

    def last_removed(self, client: int) -> int:
        """Return the number of the last removed entry."""
        ...

    def last_removed_site(self, client: int) -> Entry | None:
        """Return the last removed site entry, if there is one."""
        ...


def state_before_log(client: int, log: RemovedEntries) -> FloorState:
    """Return the floor before the oldest entry of the log."""
    removed = log.last_removed(client)
    state = FloorState(client=client, entry=removed)
    site = log.last_removed_site(client)
    if site is not None:
        state.config = config_decoder.decode(site.payload)
        state.directory.apply(state.config)
    return state
