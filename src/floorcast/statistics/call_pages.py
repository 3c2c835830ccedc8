"""Picks one page from a long list whose rows arrive in any order, and counts all rows."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["CallPage", "CallSortKey"]

R = TypeVar("R")

CallSortKey = tuple[int, int, str]
"""The sort key of a call in a list: a time in ms, then the call's transaction and session."""

_PAGES_IN_MEMORY = 4  # pages of rows to keep before dropping all rows beyond the first page


class CallPage(Generic[R]):
    """The first ``limit`` rows after a sort key. ``total`` counts the rows of all pages.

    The running time grows almost linearly with the number of rows added. Only a few pages of rows
    are in memory at a time.
    """

    def __init__(self, after: CallSortKey | None, limit: int) -> None:
        self._after = after
        self._limit = limit
        self._kept: dict[CallSortKey, R] = {}
        self._until: CallSortKey | None = None
        self._seen_more = False
        self.total = 0

    def may_contain(self, sort_key: CallSortKey) -> bool:
        """Return whether a row with this sort key can be on the page."""
        if self._after is not None and sort_key <= self._after:
            return False
        return self._until is None or sort_key <= self._until

    def add(self, sort_key: CallSortKey, row: R) -> None:
        """Count a row, and keep it if it can be on the page."""
        self.total += 1
        if self._after is not None and sort_key <= self._after:
            return
        if self._until is not None and sort_key > self._until:
            self._seen_more = True
            return
        self._kept[sort_key] = row
        if len(self._kept) > _PAGES_IN_MEMORY * self._limit:
            self._trim()

    def rows(self) -> list[tuple[CallSortKey, R]]:
        """Return the page's rows in order, with their sort keys."""
        self._trim()
        return list(self._kept.items())

    @property
    def last(self) -> CallSortKey | None:
        """The sort key of the page's last row, or None if no rows follow it.

        Call ``rows`` before you read it.
        """
        return next(reversed(self._kept)) if self._seen_more and self._kept else None

    def _trim(self) -> None:
        ordered = sorted(self._kept)
        if len(ordered) > self._limit:
            del ordered[self._limit :]
            self._seen_more = True
            self._until = ordered[-1]
        self._kept = {sort_key: self._kept[sort_key] for sort_key in ordered}
