"""Tests that a projection starts from a usable snapshot or from the start of the log."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from floorcast.floor.state import SNAPSHOT_VERSION
from floorcast.projection.initial_state import initial_state
from tests.projection.test_runner import CLIENT, House, run


@pytest.mark.parametrize(
    ("version", "logged"), [(SNAPSHOT_VERSION, ["snapshot_unreadable"]), (999, [])]
)
def test_an_older_snapshot_is_used_if_the_newest_is_unusable(
    version: int, logged: list[str]
) -> None:
    """If the newest snapshot is damaged or has another version, the older one is used."""

    async def work(house: House) -> None:
        async with house.at_work(house.floor()) as floor:
            for _ in range(2):
                await floor.wait_until_folded(await house.take(house.sms()))
            await floor.snapshot()
            await floor.wait_until_folded(await house.take(house.sms()))
        house.store.write_snapshot(CLIENT, 3, version, b"\x00")
        with capture_logs() as lines:
            state = initial_state(CLIENT, house.store, house.log)
        assert [line["event"] for line in lines] == logged
        assert state.entry == 2
        async with house.at_work(house.floor()) as again:
            await again.wait_until_folded(3)
            assert again.floor.state.entry == 3

    run(work)
