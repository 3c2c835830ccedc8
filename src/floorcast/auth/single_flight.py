"""Doing a thing once for everybody who asks for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work by key: who asks while it is under way gets the same outcome, error or not.

    The work goes on when those who asked for it have gone away.
    """

    def __init__(self) -> None:
        self._under_way: dict[object, asyncio.Task[T]] = {}

    async def do(self, key: object, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` gives, begun now unless the key's is under way."""
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._over(key, done))
        return await asyncio.shield(task)

    def _over(self, key: object, task: asyncio.Task[T]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not report it where nobody waits
