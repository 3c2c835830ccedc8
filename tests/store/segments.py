"""Makes segments with a few events."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate

from floorcast.store.segment import Facets, Segment
from tests.log.batches import START

FACETS: tuple[Facets, ...] = (("VOICE", 1, 10), ("SMS", 2, None), ("", None, None))


def segment(positions: Sequence[int], recorded_at: int = START) -> Segment:
    bodies = [b'{"place":%d}' % position for position in positions]
    classes = [position % len(FACETS) for position in positions]
    sizes = (len(body) + 1 for body in bodies[:-1])
    return Segment(
        first=positions[0],
        last=positions[-1],
        first_recorded_at=recorded_at,
        last_recorded_at=recorded_at,
        count=len(positions),
        table=FACETS,
        positions=array("Q", positions).tobytes(),
        classes=array("H", classes).tobytes(),
        offsets=array("I", accumulate(sizes, initial=0)).tobytes(),
        body=b"\n".join(bodies),
    )
