"""Tests of how the page compares tokens."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from playwright.sync_api import Page

from floorcast.model.token import TICKS_PER_MS, encode

READ = """async (tokens) => {
    const {isOlder, timeOf} = await import("/wallboard/tokens.js");
    return [tokens.map(timeOf), tokens.slice(1).map((one, index) => isOlder(tokens[index], one))];
}"""


def test_tokens_sort_by_time(scripts: Page) -> None:
    """Tokens sort by time over centuries and within a microsecond, whatever their positions."""
    random = Random(0)
    ticks = [random.randrange(10**17, 10**17 * 3) for _ in range(200)]
    ticks += [one + random.randrange(3) for one in ticks]
    random.shuffle(ticks)
    tokens = [encode(47415, one, random.randrange(1 << 62)) for one in ticks]
    times, older = scripts.evaluate(READ, tokens)
    assert times == [one // TICKS_PER_MS for one in ticks]
    assert older == [one < other for one, other in pairwise(ticks)]
