"""The site as it counts at one moment, arranged for looking things up."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from floorcast.site.client_tree import children_of, family
from floorcast.site.configuration import Client, User

__all__ = ["Directory"]


class Directory:
    """Every client of a site, with its users and keys. Never changes."""

    def __init__(self, clients: Iterable[Client] = ()) -> None:
        by_id = {client.id: client for client in sorted(clients, key=lambda one: one.id)}
        self.clients = MappingProxyType(by_id)
        self.by_name = MappingProxyType({client.name: client for client in by_id.values()})
        self._children = children_of({client.id: client.parent for client in by_id.values()})
        self._users = {
            (client.id, user.agent, user.name): user
            for client in by_id.values()
            for user in client.users
        }
        self._ingest_keys = {
            key: client.id for client in by_id.values() for key in client.ingest_keys
        }

    def children(self, client: int) -> tuple[int, ...]:
        """The clients right below a client, by id."""
        return self._children.get(client, ())

    def family(self, client: int) -> tuple[int, ...]:
        """The client, then every client below it, at whatever depth."""
        return family(client, self._children)

    def user(self, client: int, name: str, *, agent: bool = False) -> User | None:
        """The user (or the agent who may log in) of that name."""
        return self._users.get((client, agent, name))

    def client_of_ingest_key(self, digest: str) -> int | None:
        """The client that the ingest key with this digest belongs to."""
        return self._ingest_keys.get(digest)
