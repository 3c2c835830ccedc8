"""The queue's past, as the page has seen it."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.wallboard.screen import Screen

FILL = """async ([samples, now]) => {
    const {QueueHistory} = await import("/wallboard/history.js");
    sessionStorage.clear();
    const history = new QueueHistory("ACME");
    for (const [at, waiting] of samples) history.add(at, waiting);
    const again = new QueueHistory("ACME").samples;
    return [history.columns(now), history.samples, again, new QueueHistory("OTHER").samples];
}"""
SPAN, STEP, GAP = 1800, 5, 20


def model(samples: list[tuple[int, int]], now: int) -> list[list[Any]]:
    """The most in each step of the last half hour, a None in each gap, and the present."""
    steps: dict[int, int] = {}
    for at, waiting in samples:
        step = at - at % STEP
        steps[step] = max(steps.get(step, 0), waiting)
    times: list[int] = []
    calls: list[int | None] = []
    for step, waiting in steps.items():
        if step < samples[-1][0] - SPAN - STEP:
            continue
        if times and step - times[-1] > GAP:
            times.append(times[-1] + STEP)
            calls.append(None)
        times.append(step)
        calls.append(waiting)
    return [[*times, now], [*calls, samples[-1][1]]]


def test_it_is_the_last_half_hour_with_its_gaps(wall: Screen) -> None:
    """It outlives a reload, and is nobody else's."""
    wall.open()
    for seed in range(20):
        random, at = Random(seed), 1_795_000_000
        samples = []
        for _ in range(random.choice((1, 30, 900))):
            at += random.choice((1, 1, 2, 3, 3, 30, 200 * (seed % 2)))
            samples.append((at, random.randrange(20)))
        now = at + random.randrange(3)
        columns, own, again, others = wall.page.evaluate(FILL, [samples, now])
        assert columns == model(samples, now)
        assert (again, others) == (own, [])
