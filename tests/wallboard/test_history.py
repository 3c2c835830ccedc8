"""Tests of the queue's history, as seen by the page."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from playwright.sync_api import Page

# Playwright passes on text much faster than nested lists
FILL = """async (text) => {
    const [samples, now] = JSON.parse(text);
    const {QueueHistory} = await import("/wallboard/history.js");
    sessionStorage.clear();
    const history = new QueueHistory("ACME");
    for (const [at, waiting] of samples) history.add(at, waiting);
    const again = new QueueHistory("ACME").samples;
    const others = new QueueHistory("OTHER").samples;
    return JSON.stringify([history.columns(now), history.samples, again, others]);
}"""
SPAN, STEP, GAP = 1800, 5, 20


def model(samples: list[tuple[int, int]], now: int) -> list[list[Any]]:
    """Return the expected times and values: each step's maximum, None in gaps, and the present."""
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


def test_the_history_covers_half_an_hour_with_gaps(scripts: Page) -> None:
    """The history covers half an hour and survives a reload. Each user has a separate history."""
    for seed in range(20):
        random, at = Random(seed), 1_795_000_000
        samples = []
        for _ in range(random.choice((1, 30, 900))):
            at += random.choice((1, 1, 2, 3, 3, 30, 200 * (seed % 2)))
            samples.append((at, random.randrange(20)))
        now = at + random.randrange(3)
        text = scripts.evaluate(FILL, json.dumps([samples, now]))
        columns, own, again, others = json.loads(text)
        assert columns == model(samples, now)
        assert (again, others) == (own, [])


FILL_PAST = """async ([intervals, timeStamp, samples]) => {
    const {Past, QueueHistory} = await import("/wallboard/history.js");
    sessionStorage.clear();
    const history = new QueueHistory("ACME");
    for (const [at, waiting] of samples) history.add(at, waiting);
    history.fill(new Past({intervals, timeStamp}));
    return history.columns(timeStamp / 1000);
}"""


def interval(service: str, start: int, most: int) -> dict[str, Any]:
    """Return a row of service/stats/intervals with the necessary members. ``start`` is in s."""
    ends = (start + 300) * 1000
    return {"serviceId": service, "start": start * 1000, "end": ends, "queueMax": most}


def test_the_history_is_complete_at_the_first_sign_in(scripts: Page) -> None:
    """Intervals fill the history without a gap, up to the first sample of the page itself."""
    begin = 1_795_000_200
    rows = [interval(one, begin + 300 * n, n) for n in range(6) for one in ("1", "2")]
    now = begin + SPAN
    times, calls = scripts.evaluate(FILL_PAST, [rows, now * 1000, [(now - 10, 50), (now, 3)]])
    assert times == [*range(begin, now - 10, STEP), now - 10, now, now]
    assert calls[:: 300 // STEP][:6] == [0, 2, 4, 6, 8, 10]
    assert calls[-3:] == [50, 3, 3]
