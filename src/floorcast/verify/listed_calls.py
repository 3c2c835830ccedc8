"""Lists the calls behind each figure: their number, and a checksum that identifies them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from floorcast.floor.calls import Call
from floorcast.floor.counted_calls import counted
from floorcast.floor.floor import Floor
from floorcast.floor.view import FloorView
from floorcast.statistics.figure_calls import RESULTS, FigureCalls, FigureSelection
from floorcast.statistics.requests import FIGURES, Figure
from floorcast.statistics.visibility import Moment, Visibility
from floorcast.verify.sums import CallListDigest

__all__ = ["listed_calls"]

_NO_LIMIT = 2**62  # all on one page


def listed_calls(floor: Floor, evicted: Iterable[Call], moment: Moment) -> list[dict[str, Any]]:
    """Return a row for each service and figure that has calls.

    ``evicted`` has the calls that are no longer in memory.
    """
    view = FloorView(floor)
    today = view.day_of(moment.now).number
    found: dict[tuple[int, Figure], CallListDigest] = {}
    for call in evicted:
        for one in counted(call, floor.segment_days, today):
            if one.day == today:
                for figure in _figures(one.offered, one.result):
                    listed = found.setdefault((one.service, figure), CallListDigest())
                    listed.add((call.transaction, call.session))
    (scope,) = Visibility([view]).scopes()
    for service in view.services:
        own = scope._replace(services=(service,))
        for figure in FIGURES:
            page = FigureCalls(
                own, moment, FigureSelection(service, figure, today, limit=_NO_LIMIT), None
            )
            for _ in page:
                pass
            for row in page.calls:
                listed = found.setdefault((service, figure), CallListDigest())
                listed.add((row.transaction_id, row.session_id))
    return [
        {"name": f"{service} {figure}", "total": listed.total, "sum": listed.sum}
        for (service, figure), listed in found.items()
        if service in view.services
    ]


def _figures(offered: int | None, result: object) -> Iterable[Figure]:
    if offered is not None:
        yield "totalOffered"
    for figure, results in RESULTS.items():
        if result in results:
            yield figure
