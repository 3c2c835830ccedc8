"""Hashes and verifies passwords with Argon2id, in two threads.

Hashing releases the interpreter's lock, so two threads use two cores and the event loop stays free.
Queues are bounded: a request that finds its queue full gets 503.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

import argon2
from argon2.exceptions import Argon2Error

from floorcast.model.errors import Unavailable
from floorcast.site.secret_rules import MAX_PASSWORD_CHARS

__all__ = ["FairQueue", "Hasher", "Passwords", "QueueKey"]


T = TypeVar("T")

MAX_CLIENT_WAITING = 1024  # items from all of a client's addresses together


class FairQueue(Generic[T]):
    """A queue of items in which clients, and the addresses of each client, take turns.

    Holds at most ``per_address`` items for each address of a client, and ``per_client`` items for
    each client.
    """

    def __init__(self, per_address: int, per_client: int = MAX_CLIENT_WAITING) -> None:
        self._per_address = per_address
        self._per_client = per_client
        self._clients: dict[int, dict[str, deque[T]]] = {}  # next client first
        self._sizes: dict[int, int] = {}

    def push(self, queue: tuple[int, str], item: T) -> bool:
        """Add an item, or return False if the address or the client has reached its limit."""
        client, address = queue
        size = self._sizes.get(client, 0)
        waiting = self._clients.get(client, {}).get(address, ())
        if len(waiting) >= self._per_address or size >= self._per_client:
            return False
        self._clients.setdefault(client, {}).setdefault(address, deque()).append(item)
        self._sizes[client] = size + 1
        return True

    def pop(self) -> T | None:
        """Remove and return the next item, or return None."""
        if not self._clients:
            return None
        client = next(iter(self._clients))
        addresses = self._clients.pop(client)
        address = next(iter(addresses))
        items = addresses.pop(address)
        item = items.popleft()
        if items:
            addresses[address] = items  # after the client's other addresses
        if addresses:
            self._clients[client] = addresses  # after the other clients
            self._sizes[client] -= 1
        else:
            del self._sizes[client]
        return item


THREADS = 2
MAX_WAITING = 64  # per client and address: a second of work in two threads, at 30 ms each

QueueKey = tuple[int, str]
"""A client's id, and the network that the request came from."""

DEFAULT_QUEUE: QueueKey = (-1, "")


class Hasher:
    """Argon2id with OWASP's minimum parameters: 19 MiB, 2 passes, 1 lane.

    Tests use much smaller ones.
    """

    def __init__(self, memory_kib: int = 19_456, passes: int = 2, lanes: int = 1) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=lanes, type=argon2.Type.ID
        )

    def hash(self, password: str) -> str:
        """Return the encoded hash, which includes its salt and parameters."""
        return self._argon2.hash(_bytes(password))

    def verify(self, password_hash: str, password: str) -> bool:
        """Return whether the hash matches the password. A damaged hash matches no password."""
        if len(password) > MAX_PASSWORD_CHARS:
            return False
        try:
            return self._argon2.verify(password_hash, _bytes(password))
        except (Argon2Error, ValueError):
            return False


class Passwords:
    """Hashes and verifies passwords outside the event loop, at most ``THREADS`` at a time.

    Work waits in one queue per client and address. Clients take turns, and so do the addresses of
    each client, so none of them can delay the others by more than its share. If a queue is full,
    Unavailable (503) is raised.
    """

    def __init__(self, hasher: Hasher | None = None, waiting: int = MAX_WAITING) -> None:
        self._hasher = hasher or Hasher()
        self._dummy = self._hasher.hash(secrets.token_hex())
        self._threads = ThreadPoolExecutor(THREADS, "passwords")
        self._free = THREADS
        self._waiting = FairQueue[asyncio.Future[None]](waiting)
        self._closed = False

    async def hash(self, password: str, queue: QueueKey = DEFAULT_QUEUE) -> str:
        """Return the encoded hash. Raises ``Unavailable`` if too many requests are waiting."""
        return await self._run(partial(self._hasher.hash, password), queue)

    async def verify(
        self, password_hash: str | None, password: str, queue: QueueKey = DEFAULT_QUEUE
    ) -> bool:
        """Return whether the hash matches the password.

        None, which stands for an unknown user, matches no password and takes just as long. Raises
        ``Unavailable`` if too many requests are waiting.
        """
        work = partial(self._hasher.verify, password_hash or self._dummy, password)
        return await self._run(work, queue) and bool(password_hash)

    def close(self) -> None:
        """Stop the threads. Work that is still waiting is refused."""
        self._closed = True
        self._threads.shutdown(cancel_futures=True)
        while (turn := self._waiting.pop()) is not None:
            turn.cancel()

    async def _run(self, work: Callable[[], T], queue: QueueKey) -> T:
        if self._free > 0 and not self._closed:
            self._free -= 1
        else:
            await self._wait_for_thread(queue)
        loop = asyncio.get_running_loop()
        try:
            future = self._threads.submit(work)
        except RuntimeError as error:
            self._hand_over_thread()
            raise Unavailable("the server is stopping") from error
        # the thread stays in use until the work is done, even if the caller is gone
        future.add_done_callback(partial(self._release, loop))
        return await asyncio.wrap_future(future)

    async def _wait_for_thread(self, queue: QueueKey) -> None:
        """Wait for a thread, and reserve it."""
        if self._closed:
            raise Unavailable("the server is stopping")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._waiting.push(queue, turn):
            raise Unavailable("too many logins at once; try again in a second")
        try:
            await turn
        except asyncio.CancelledError:
            if self._closed:
                raise Unavailable("the server is stopping") from None
            if turn.done() and not turn.cancelled():
                # the caller was cancelled after it had reserved the thread
                self._hand_over_thread()
            raise

    def _release(self, loop: asyncio.AbstractEventLoop, _: Future[T]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._hand_over_thread)

    def _hand_over_thread(self) -> None:
        """Give a free thread to the next caller that waits."""
        while (turn := self._waiting.pop()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
