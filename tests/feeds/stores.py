"""A store that keeps segments in memory instead of on disk."""

from __future__ import annotations

from floorcast.store.projection_store import ProjectionStore
from floorcast.store.segment import Segment, SegmentHead

__all__ = ["MemoryStore"]


class MemoryStore(ProjectionStore):
    """Keeps every segment. ``reads`` counts the segments that were read completely."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, str], list[Segment]] = {}
        self.reads = 0
        self.error: Exception | None = None

    def write_segment(self, client: int, feed: str, segment: Segment) -> None:
        """Keep the feed's next segment, which must follow the last one."""
        assert segment.first > self.covered(client, feed)
        self.kept.setdefault((client, feed), []).append(segment)

    def covered(self, client: int, feed: str) -> int:
        """Return the last stored position."""
        kept = self.kept.get((client, feed))
        return kept[-1].last if kept else 0

    def segments(
        self, client: int, feed: str, after_position: int, limit: int
    ) -> list[SegmentHead]:
        """Return the heads of the segments after a position."""
        if self.error is not None:
            raise self.error
        behind = [s for s in self.kept.get((client, feed), []) if s.last > after_position]
        return list(behind[:limit])

    def segment(self, client: int, feed: str, head: SegmentHead) -> Segment | None:
        """Read a whole segment."""
        self.reads += 1
        found = [s for s in self.kept[client, feed] if s.last == head.last]
        return found[0] if found else None
