"""Segments of a few events."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate

from floorcast.store.segment import Klass, Segment
from tests.log.batches import START

KLASSES: tuple[Klass, ...] = (("VOICE", 1, 10), ("SMS", 2, None), ("", None, None))


def segment(places: Sequence[int], taken: int = START) -> Segment:
    bodies = [b'{"place":%d}' % place for place in places]
    classes = [place % len(KLASSES) for place in places]
    sizes = (len(body) + 1 for body in bodies[:-1])
    return Segment(
        first=places[0],
        last=places[-1],
        first_taken=taken,
        last_taken=taken,
        count=len(places),
        table=KLASSES,
        places=array("Q", places).tobytes(),
        classes=array("H", classes).tobytes(),
        offsets=array("I", accumulate(sizes, initial=0)).tobytes(),
        body=b"\n".join(bodies),
    )
