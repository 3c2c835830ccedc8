"""Passwords: Argon2id, in a few threads beside the event loop.

Hashing releases the interpreter, so two threads keep two processors busy and the loop free.
The queue is bounded: beyond it the answer is 503, rather than memory without end.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import argon2
from argon2.exceptions import Argon2Error

from floorcast.model.errors import Unavailable
from floorcast.site.secret_rules import MAX_PASSWORD_CHARS

__all__ = ["Hasher", "Passwords"]

T = TypeVar("T")

THREADS = 2
WAITING = 64  # at some 30 ms a verification, a second's worth


class Hasher:
    """Argon2id with OWASP's least: 19 MiB, 2 passes, 1 lane. Tests take far less."""

    def __init__(self, memory_kib: int = 19_456, passes: int = 2, lanes: int = 1) -> None:
        self._argon2 = argon2.PasswordHasher(
            time_cost=passes, memory_cost=memory_kib, parallelism=lanes, type=argon2.Type.ID
        )

    def hash(self, password: str) -> str:
        """The encoded hash, with its salt and parameters."""
        return self._argon2.hash(_bytes(password))

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether the hash is this password's; a damaged hash is nobody's."""
        if len(password) > MAX_PASSWORD_CHARS:
            return False
        try:
            return self._argon2.verify(password_hash, _bytes(password))
        except (Argon2Error, ValueError):
            return False


class Passwords:
    """Hashing and verifying off the event loop, at most ``THREADS`` at a time."""

    def __init__(self, hasher: Hasher | None = None, waiting: int = WAITING) -> None:
        self._hasher = hasher or Hasher()
        self._dummy = self._hasher.hash(secrets.token_hex())
        self._threads = ThreadPoolExecutor(THREADS, "passwords")
        self._room = THREADS + waiting

    async def hash(self, password: str) -> str:
        """The encoded hash; raises ``Unavailable`` when too many wait."""
        return await self._run(partial(self._hasher.hash, password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the hash is this password's; raises ``Unavailable`` when too many wait.

        None, for somebody who does not exist, is never right and takes just as long.
        """
        right = await self._run(
            partial(self._hasher.verify, password_hash or self._dummy, password)
        )
        return right and bool(password_hash)

    def close(self) -> None:
        """Let go of the threads; what waits is not done any more."""
        self._threads.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room <= 0:
            raise Unavailable("too many logins at once; try again in a second")
        self._room -= 1
        loop = asyncio.get_running_loop()
        try:
            future = self._threads.submit(work)
        except RuntimeError as error:
            self._room += 1
            raise Unavailable("the server is stopping") from error
        # counted until the thread is done with it, even if the caller has gone away
        future.add_done_callback(partial(self._done, loop))
        return await asyncio.wrap_future(future)

    def _done(self, loop: asyncio.AbstractEventLoop, _: Future[T]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._free)

    def _free(self) -> None:
        self._room += 1


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
