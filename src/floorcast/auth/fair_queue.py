"""A bounded queue that serves clients in turn, and within a client its addresses in turn."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

__all__ = ["FairQueue"]

T = TypeVar("T")

MAX_PER_CLIENT = 1024  # from all of a client's addresses together


class FairQueue(Generic[T]):
    """Items by client and address. Each address of a client may hold ``per_address``."""

    def __init__(self, per_address: int, per_client: int = MAX_PER_CLIENT) -> None:
        self._per_address = per_address
        self._per_client = per_client
        self._clients: dict[int, dict[str, deque[T]]] = {}  # the one to be served next is first
        self._sizes: dict[int, int] = {}

    def push(self, queue: tuple[int, str], item: T) -> bool:
        """Add an item; False if the address or the client holds as many as it may."""
        client, address = queue
        size = self._sizes.get(client, 0)
        waiting = self._clients.get(client, {}).get(address, ())
        if len(waiting) >= self._per_address or size >= self._per_client:
            return False
        self._clients.setdefault(client, {}).setdefault(address, deque()).append(item)
        self._sizes[client] = size + 1
        return True

    def pop(self) -> T | None:
        """The next item; None if there is none."""
        if not self._clients:
            return None
        client = next(iter(self._clients))
        addresses = self._clients.pop(client)
        address = next(iter(addresses))
        items = addresses.pop(address)
        item = items.popleft()
        if items:
            addresses[address] = items  # behind the client's other addresses
        if addresses:
            self._clients[client] = addresses  # behind the other clients
            self._sizes[client] -= 1
        else:
            del self._sizes[client]
        return item
