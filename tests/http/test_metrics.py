"""Tests of how often the metrics are rendered."""

from __future__ import annotations

from floorcast.http.metrics import PAGES_PER_SECOND, Metrics


def test_the_page_is_rendered_a_few_times_a_second() -> None:
    """Anyone may request it, as often as they like, and rendering delays everybody else."""
    seconds = [100.0]
    metrics = Metrics(lambda: seconds[0])
    pages = []
    for _ in range(PAGES_PER_SECOND + 3):
        metrics.log_failures.inc()
        pages.append(metrics.page())
    assert len(set(map(id, pages))) == PAGES_PER_SECOND
    assert b"floorcast_log_failures_total 5.0" in pages[-1].plain
    seconds[0] += 1.0
    assert b"floorcast_log_failures_total 8.0" in metrics.page().plain
