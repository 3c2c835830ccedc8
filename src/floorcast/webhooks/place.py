"""Where a webhook is in its client's log."""

from __future__ import annotations

from floorcast.feeds.cursors import REACH
from floorcast.model.errors import InvalidParameter
from floorcast.model.token import Now, decode, end_of_entry, entry_of
from floorcast.webhooks.batches import Reading
from floorcast.webhooks.floors import Floors

__all__ = ["Place"]


class Place:
    """A cursor that tokens make durable. ``cursor`` is None until ``begin``.

    ``at_head``: nothing followed the cursor when it was set.
    """

    def __init__(self, reading: Reading, floors: Floors, now: Now) -> None:
        self.cursor: int | None = None
        self.at_head = False
        self._reading = reading
        self._floors = floors
        self._now = now

    async def begin(self, token: str) -> int:
        """Go to the place of a token, or to the present if it is empty; returns the cursor.

        Raises as the methods of ``Floors`` do.
        """
        if not token:
            self.cursor, self.at_head = self._reading.head(), True
            return self.cursor
        try:
            self.cursor = await self._floors.cursor_of(self._reading.client, token)
        except InvalidParameter:  # it is old, but perhaps nothing has come since
            self.cursor = self.position(token)
        return self.cursor

    def token(self) -> str:
        """The token of the cursor, of which there must be one."""
        assert self.cursor is not None
        client = self._reading.client
        return self._floors.token_now(client, self.cursor, at_head=self.at_head)

    def position(self, token: str) -> int:
        """The position in a token of our own."""
        return decode(self._reading.client, token, self._floors.token_secret).position

    def since(self, token: str) -> int:
        """The time of a token of our own, in ticks."""
        return decode(self._reading.client, token, self._floors.token_secret).ticks

    def is_complete(self) -> bool:
        """Whether the feeds still have everything after the cursor."""
        assert self.cursor is not None
        log, client = self._floors.log, self._reading.client
        entry, head = entry_of(self.cursor), log.head(client).number
        needed = entry + 1 if self.cursor in {0, end_of_entry(entry)} else entry
        if needed > head:
            return needed == head + 1
        recorded_at = log.recorded_at(client, needed)
        return recorded_at is not None and self._now() - recorded_at <= REACH
