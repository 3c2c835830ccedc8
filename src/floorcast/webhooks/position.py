"""A webhook's position in its client's log."""

from __future__ import annotations

from floorcast.feeds.cursors import FEED_REACH
from floorcast.model.errors import InvalidParameter
from floorcast.model.token import decode, end_of_entry, entry_of
from floorcast.webhooks.batches import BatchReader
from floorcast.webhooks.floors import Floors

__all__ = ["WebhookPosition"]


class WebhookPosition:
    """A cursor that can be stored as a token. ``cursor`` is None until ``begin`` is called.

    ``at_head`` is true if no event followed the cursor when it was set.
    """

    def __init__(self, reader: BatchReader, floors: Floors) -> None:
        self.cursor: int | None = None
        self.at_head = False
        self._reader = reader
        self._floors = floors

    async def begin(self, token: str) -> int:
        """Start at a token, or at the present if the token is empty. Returns the cursor.

        Raises the same errors as the methods of ``Floors``.
        """
        if not token:
            self.cursor, self.at_head = self._reader.head(), True
            return self.cursor
        try:
            self.cursor = await self._floors.cursor_of(self._reader.client, token)
        except InvalidParameter:  # the token is old, but perhaps no event has arrived since
            self.cursor = self.position(token)
        return self.cursor

    def token(self) -> str:
        """Return the token of the cursor. ``begin`` must have been called."""
        assert self.cursor is not None
        client = self._reader.client
        return self._floors.token_now(client, self.cursor, at_head=self.at_head)

    def position(self, token: str) -> int:
        """Return the position in a token. This server must have made the token."""
        return decode(self._reader.client, token, self._floors.token_secret).position

    def ticks(self, token: str) -> int:
        """Return the time of a token, in ticks. This server must have made the token."""
        return decode(self._reader.client, token, self._floors.token_secret).ticks

    def is_complete(self) -> bool:
        """Return whether the feeds still have every event after the cursor."""
        assert self.cursor is not None
        log, client = self._floors.log, self._reader.client
        entry, head = entry_of(self.cursor), log.head(client).number
        needed = entry + 1 if self.cursor in {0, end_of_entry(entry)} else entry
        if needed > head:
            return needed == head + 1
        recorded_at = log.recorded_at(client, needed)
        # a wall clock that is wrong for a moment must not suspend every webhook
        return recorded_at is not None and log.steady_now() - recorded_at <= FEED_REACH
