"""Tests that the search in ``slow_inputs`` finds no request that blocks the event loop."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from typing import cast

import pytest

from tests.real.slow_inputs import Measured, Search, search, search_full_floor
from tests.real.slow_recipes import MOST_BYTES, SEEDS
from tests.search import TIMES

SECONDS = 5.0 * TIMES  # to search longer: python -m tests.real.slow_inputs --seconds 1800


@pytest.fixture(autouse=True)
def freeze_again() -> Iterator[None]:
    """Exclude the collected tests from garbage collections again, which the search undoes."""
    yield
    gc.collect()
    gc.freeze()


@pytest.mark.long
def test_no_request_blocks_the_loop_for_100_ms() -> None:
    """No request of at most 16 MiB takes more than 100 ms of CPU time in one turn."""
    found = search(SECONDS, seed=20261128, at_least=len(SEEDS))
    assert [str(finding) for finding in found.findings] == []


@pytest.mark.long
def test_no_request_to_a_full_floor_blocks_the_loop_for_100_ms() -> None:
    """No request that reads a day with 20,000 calls takes more than 100 ms in one turn."""
    found = search_full_floor(SECONDS, seed=20261128)
    assert [str(finding) for finding in found.findings] == []


class Quadratic(Measured):
    """A server that takes quadratic time for backslashes, and little time for other input."""

    def __init__(self) -> None:
        self.largest = 0

    def seconds(self, request: bytes) -> float:
        self.largest = max(self.largest, len(request))
        return request.count(b"\\") ** 2 * 1e-9 + len(request) * 1e-12


def test_the_search_finds_slow_inputs() -> None:
    """The search finds a slow input, and its requests do not become much larger than the limit."""
    found, measured = Search(seed=1), Quadratic()
    while not found.findings and found.tried < 5_000:
        found.try_next(cast("Measured", measured))
    assert found.findings
    assert "\\" in found.findings[0].recipe.unit
    assert measured.largest < MOST_BYTES * 2


def test_a_recipe_has_the_requested_size() -> None:
    """A recipe's request has about the requested size, and each repetition has a new number."""
    chance = random.Random(1)
    for recipe in SEEDS:
        if not recipe.gzip:
            assert len(recipe.make(100_000, chance)) < 300_000
    made = SEEDS[0].make(10_000, chance)
    assert made.count(b'"service":"q1"') == 1
