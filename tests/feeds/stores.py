"""A store for segments in memory, as the store is one on disk."""

from __future__ import annotations

from floorcast.store.projection_store import ProjectionStore
from floorcast.store.segment import Segment, SegmentHead

__all__ = ["MemoryStore"]


class MemoryStore(ProjectionStore):
    """Keeps everything. ``reads`` counts the segments that were asked for whole."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, str], list[Segment]] = {}
        self.reads = 0
        self.error: Exception | None = None

    def write_segment(self, client: int, feed: str, segment: Segment) -> None:
        """Keep the feed's next segment; it must be behind the last."""
        assert segment.first > self.covered(client, feed)
        self.kept.setdefault((client, feed), []).append(segment)

    def covered(self, client: int, feed: str) -> int:
        """The last place kept."""
        kept = self.kept.get((client, feed))
        return kept[-1].last if kept else 0

    def segments(self, client: int, feed: str, after_place: int, limit: int) -> list[SegmentHead]:
        """Heads behind a place."""
        if self.error is not None:
            raise self.error
        behind = [s for s in self.kept.get((client, feed), []) if s.last > after_place]
        return list(behind[:limit])

    def segment(self, client: int, feed: str, head: SegmentHead) -> Segment | None:
        """The whole segment."""
        self.reads += 1
        found = [s for s in self.kept[client, feed] if s.last == head.last]
        return found[0] if found else None
