"""Tests that a projection starts from a usable snapshot or from the start of the log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from floorcast.floor.state import SNAPSHOT_VERSION
from floorcast.projection.initial_state import initial_state
from tests.projection.test_runner import CLIENT, ProjectionHarness, run


@pytest.mark.parametrize(
    ("version", "blob", "logged"),
    [
        (SNAPSHOT_VERSION, b"\x00", ["snapshot_unreadable"]),
        (SNAPSHOT_VERSION, b"\x91\x81\xa1\xff\x00", ["snapshot_unreadable"]),  # not UTF-8
        (999, b"\x00", []),
    ],
)
def test_an_older_snapshot_is_used_if_the_newest_is_unusable(
    version: int, blob: bytes, logged: list[str]
) -> None:
    """If the newest snapshot is damaged or has another version, the older one is used."""

    async def work(harness: ProjectionHarness) -> None:
        async with harness.running(harness.floor()) as floor:
            for _ in range(2):
                await floor.wait_until_folded(await harness.take(harness.sms()))
            await floor.snapshot()
            await floor.wait_until_folded(await harness.take(harness.sms()))
        harness.store.write_snapshot(CLIENT, 3, version, blob)
        with capture_logs() as lines:
            state = initial_state(CLIENT, harness.store, harness.log)
        assert [line["event"] for line in lines] == logged
        assert state.entry == 2
        async with harness.running(harness.floor()) as again:
            await again.wait_until_folded(3)
            assert again.floor.state.entry == 3

    run(work)
