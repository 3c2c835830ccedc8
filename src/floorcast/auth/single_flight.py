"""Runs work once for all concurrent callers that ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight"]

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work in progress, by key. Concurrent callers with the same key share one result or error.

    The work continues even if its callers are cancelled.
    """

    def __init__(self) -> None:
        self._in_progress: dict[object, asyncio.Task[T]] = {}

    async def do(self, key: object, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Start ``work`` unless the key's work is in progress, and return the result."""
        task = self._in_progress.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._in_progress[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        try:
            return await asyncio.shield(task)
        finally:
            del task  # whose error refers to this frame: a cycle for each refused login

    def _finish(self, key: object, task: asyncio.Task[T]) -> None:
        del self._in_progress[key]
        if not task.cancelled():
            task.exception()  # otherwise asyncio would report an error that no caller waits for
