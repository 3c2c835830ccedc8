"""The site of a running server. It is reloaded when the key-value store changes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from floorcast.kv.port import KeyValueStore
from floorcast.model.errors import FloorcastError
from floorcast.site.client_tree import children_of, family
from floorcast.site.configuration import (
    CallCenterRef,
    ClientCallCenter,
    FloorConfig,
    ScreenKey,
    SiteClient,
    User,
)
from floorcast.site.manual_changes import with_manual_changes
from floorcast.site.store import DECLARED, MANUAL, read_client, read_manual_changes

__all__ = ["Site", "SiteChange", "SiteDirectory", "VisibleCallCenters"]


VisibleCallCenters = frozenset[tuple[int, int]] | None
"""The call centers, as pairs of client and id, that a user may see; None for no limit."""


class SiteDirectory:
    """All clients of a site, with their users and keys. A directory never changes."""

    def __init__(self, clients: Iterable[SiteClient] = ()) -> None:
        by_id = {client.id: client for client in sorted(clients, key=lambda one: one.id)}
        self.clients = MappingProxyType(by_id)
        self.by_name = MappingProxyType({client.name: client for client in by_id.values()})
        self._children = children_of({client.id: client.parent for client in by_id.values()})
        self._users = {
            (client.id, user.agent, user.name): user
            for client in by_id.values()
            for user in client.users
        }
        self._centers = {
            client.id: frozenset(center.id for center in client.floor_config.call_centers)
            for client in by_id.values()
        }
        self._ingest_keys = {
            key: client.id for client in by_id.values() for key in client.ingest_keys
        }
        self._metrics_keys = {
            key: client.id for client in by_id.values() for key in client.metrics_keys
        }
        self._screens = {
            screen.digest: (client.id, screen)
            for client in by_id.values()
            for screen in client.screens
        }

    def children(self, client: int) -> tuple[int, ...]:
        """Return the children of a client, sorted by id."""
        return self._children.get(client, ())

    def family(self, client: int) -> tuple[int, ...]:
        """Return the client, then all of its descendants."""
        return family(client, self._children)

    def find_client(self, name_or_id: str) -> SiteClient | None:
        """Return the client with that name, or else with that id."""
        found = self.by_name.get(name_or_id)
        if found is None and name_or_id.isascii() and name_or_id.isdigit():
            found = self.clients.get(int(name_or_id)) if len(name_or_id) < MAX_ID_DIGITS else None
        return found

    def user(self, client: int, name: str, *, agent: bool = False) -> User | None:
        """Return the user or, if ``agent`` is true, the agent who logs in with that name."""
        return self._users.get((client, agent, name))

    def call_centers_of(
        self, client: int, given: Iterable[CallCenterRef]
    ) -> frozenset[tuple[int, int]]:
        """Return the call centers of a client and its descendants that ``given`` refers to."""
        family = self.family(client)
        found: set[tuple[int, int]] = set()
        for center in given:
            if isinstance(center, ClientCallCenter):
                clients = [center.client] if center.client in family else []
                number = center.id
            else:
                number = center
                clients = [client] if number in self._centers.get(client, ()) else list(family)
            found.update((one, number) for one in clients if number in self._centers.get(one, ()))
        return frozenset(found)

    def services_of(self, client: int, ids: Iterable[int]) -> frozenset[tuple[int, int]]:
        """Resolve service ids to services of the client or else of clients below it.

        An undeclared id is taken for a service of the client, because events can name undeclared
        services.
        """
        declared = {
            one: {service.id for service in self.clients[one].floor_config.services}
            for one in (self.family(client) if ids else ())
            if one in self.clients
        }
        found: set[tuple[int, int]] = set()
        for number in ids:
            below = [one for one, services in declared.items() if number in services]
            clients = [client] if client in below or not below else below
            found.update((one, number) for one in clients)
        return frozenset(found)

    def client_of_ingest_key(self, digest: str) -> int | None:
        """Return the client to which the ingest key with this digest belongs."""
        return self._ingest_keys.get(digest)

    def client_of_metrics_key(self, digest: str) -> int | None:
        """Return the client to which the metrics key with this digest belongs."""
        return self._metrics_keys.get(digest)

    def screen(self, digest: str) -> tuple[int, ScreenKey] | None:
        """Return the screen key with this digest, and its client."""
        return self._screens.get(digest)


MAX_ID_DIGITS = 20  # a text of this length or more cannot be a client's id, and is slow to parse

StoredClient = tuple[bytes, bytes | None]


class SiteChange(NamedTuple):
    """The changes since the site was last read.

    ``floor_configs`` has the floor configurations of new and changed clients.
    ``removed`` has the removed clients.
    """

    floor_configs: Mapping[int, FloorConfig]
    removed: tuple[int, ...]


class _LoadedSite(NamedTuple):
    version: tuple[int, int]
    raw: Mapping[str, StoredClient]
    directory: SiteDirectory
    change: SiteChange


class Site:
    """The current site. A change becomes visible all at once.

    Raises ``SettingError`` if the stored site cannot be decoded, and ``Unavailable`` if the store
    cannot be read. In both cases, the previous site stays in effect.
    """

    def __init__(self, kv: KeyValueStore) -> None:
        self._kv = kv
        self._check_current = kv.check_current
        self._callbacks: list[Callable[[SiteChange], None]] = []
        self._loaded = _LoadedSite((-1, -1), {}, SiteDirectory(), SiteChange({}, ()))
        self._refresh_lock = asyncio.Lock()
        self.generation = 0
        self._reload_task: asyncio.Task[None] | None = None
        self.reload()
        for bucket in (DECLARED, MANUAL):
            kv.listen(bucket, self._on_write)

    @property
    def clients(self) -> Mapping[int, SiteClient]:
        """The clients by id."""
        return self._loaded.directory.clients

    @property
    def by_name(self) -> Mapping[str, SiteClient]:
        """The clients by name. The name is the client code in a login."""
        return self._loaded.directory.by_name

    def find_client(self, name_or_id: str) -> SiteClient | None:
        """Return the client with that name, or else with that id."""
        return self.directory.find_client(name_or_id)

    @property
    def directory(self) -> SiteDirectory:
        """The current site, for several look-ups that must be consistent."""
        return self._loaded.directory

    def check_current(self) -> None:
        """Raise ``Unavailable`` if the site may have been out of date for too long."""
        if self._check_current is not None:
            self._check_current()

    def children(self, client: int) -> tuple[int, ...]:
        """Return the children of a client, sorted by id."""
        return self.directory.children(client)

    def family(self, client: int) -> tuple[int, ...]:
        """Return the client, then all of its descendants."""
        return self.directory.family(client)

    def user(self, client: int, name: str, *, agent: bool = False) -> User | None:
        """Return the user or, if ``agent`` is true, the agent who logs in with that name."""
        return self.directory.user(client, name, agent=agent)

    def on_change(self, callback: Callable[[SiteChange], None]) -> None:
        """Call ``callback`` after each change, when the new site is in effect."""
        self._callbacks.append(callback)

    def reload(self) -> SiteChange | None:
        """Read the site if it has changed, and return the changes or None.

        Reading a large site blocks the event loop, so a running server uses ``refresh`` instead.
        """
        raw = self._read_if_changed()
        return None if raw is None else self._apply(_read(*raw, self._loaded))

    async def refresh(self) -> SiteChange | None:
        """Do the same as ``reload``, but in a thread. This is cheap if nothing has changed."""
        async with self._refresh_lock:
            raw = self._read_if_changed()
            if raw is None:
                return None
            return self._apply(await asyncio.to_thread(_read, *raw, self._loaded))

    def _on_write(self, _key: str, _value: bytes | None) -> None:
        """Reload after a write, for example after another node revokes a key."""
        if self._reload_task is None or self._reload_task.done():
            self._reload_task = asyncio.get_running_loop().create_task(self._catch_up())

    async def _catch_up(self) -> None:
        with contextlib.suppress(FloorcastError):  # the server's regular ``refresh`` reports it
            while await self.refresh() is not None:  # writes may arrive during the read
                pass

    def _read_if_changed(self) -> tuple[tuple[int, int], dict[str, StoredClient]] | None:
        # read the version first, so that a write in between is read again next time
        version = self._kv.version(DECLARED), self._kv.version(MANUAL)
        if version == self._loaded.version:
            return None
        declared, manual = self._kv.items(DECLARED), self._kv.items(MANUAL)
        return version, {key: (value, manual.get(key)) for key, value in declared.items()}

    def _apply(self, loaded: _LoadedSite) -> SiteChange:
        self._loaded = loaded
        self.generation += 1
        for callback in self._callbacks:
            callback(loaded.change)
        return loaded.change


def _read(
    version: tuple[int, int], raw: Mapping[str, StoredClient], old: _LoadedSite
) -> _LoadedSite:
    clients = [
        old.directory.clients[int(key)]
        if old.raw.get(key) == value
        else with_manual_changes(read_client(value[0]), read_manual_changes(value[1]))
        for key, value in raw.items()
    ]
    directory = SiteDirectory(clients)
    return _LoadedSite(version, raw, directory, _change(old.directory.clients, directory.clients))


def _change(before: Mapping[int, SiteClient], after: Mapping[int, SiteClient]) -> SiteChange:
    floor_configs = {
        client.id: client.floor_config
        for client in after.values()
        if client.id not in before or before[client.id].floor_config != client.floor_config
    }
    return SiteChange(floor_configs, tuple(client for client in before if client not in after))
