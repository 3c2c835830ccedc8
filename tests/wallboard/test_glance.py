"""Tests of the tiles: their combined figures, names and links."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.real.server import Caller
from tests.wallboard.floors import open_wallboard
from tests.wallboard.screen import Screen
from tests.wallboard.shifts import WALL_SITE, shift


def tile(wall: Screen, name: str) -> tuple[str, str]:
    """Return a tile's value and note."""
    return (
        wall.page.inner_text(f"[data-tile={name}] .value"),
        wall.page.inner_text(f"[data-tile={name}] .note"),
    )


def test_tiles_combine_the_services(board: Screen, source: Caller) -> None:
    """The service level and the speed of answer are weighted by the services' calls."""
    board.page.wait_for_selector("#services tbody tr")
    rows = source.http.post("/realtime/service/stats").json()["stats"]
    handled = sum(one["totalHandled"] for one in rows)
    abandoned = sum(one["totalAbandoned"] for one in rows)
    decided = handled + abandoned
    level = sum(one["serviceLevel"] * (one["totalHandled"] + one["totalAbandoned"]) for one in rows)
    wait = sum(one["averageSpeedOfAnswer"] * one["totalHandled"] for one in rows)
    first = board.page.get_attribute("#glance li:first-child button", "data-tile")
    assert first == "level"
    assert tile(board, "level") == (f"{level / decided:.1f}%", "target 80%")
    assert tile(board, "handled")[0] == f"{handled:,}"
    assert tile(board, "abandoned")[0] == f"{100 * abandoned / decided:.1f}%"
    assert tile(board, "speed") == (f"0:{int(wait / handled):02}", "average")
    busiest = max(one["totalCallsInQueue"] for one in rows)
    most = {f"most: {one['serviceName']} {busiest}" for one in rows}
    assert tile(board, "waiting")[1] in most


def test_the_abandoned_tile_names_the_highest_abandon_rate(board: Screen, source: Caller) -> None:
    """The rate stands beside the service's name, so it is not read as the combined rate."""
    board.page.wait_for_selector("#services tbody tr")
    rows = source.http.post("/realtime/service/stats").json()["stats"]
    worst = max(rows, key=lambda one: one["abandonRate"])
    note = f"worst: {worst['serviceName']} {worst['abandonRate']:.1f}%"
    board.until_text("[data-tile=abandoned] .note", note)
    board.page.click("[data-tile=abandoned]")
    found = board.page.evaluate("document.activeElement.querySelector('.name').textContent")
    assert found == worst["serviceName"]
    board.page.evaluate("() => { location.hash = 'service=38049'; }")
    board.until_text("[data-tile=abandoned] .note", "today")


def test_tiles_link_to_the_named_service_or_agent(board: Screen) -> None:
    """A click or a key moves the focus to the service's row, or lists the ready agents."""
    board.page.wait_for_selector("#services tbody tr")
    board.page.wait_for_selector("#agents [data-login]")
    longest = tile(board, "longest")[1]
    board.page.fill("#services input", "nothing")
    board.page.click("[data-tile=longest]")
    found = board.page.evaluate("document.activeElement.querySelector('.name').textContent")
    assert found == longest == board.texts("#services tbody .name")[0]
    board.page.focus("[data-tile=ready]")
    board.page.keyboard.press("Enter")
    board.until(
        "[...document.querySelectorAll('#agents td[data-state]')].every("
        "(cell) => cell.dataset.state === '2')"
    )
    assert board.page.get_attribute(".states [data-state='2']", "aria-pressed") == "true"


@pytest.mark.parametrize(("target", "levels"), [(1, {""}), (99, {"watch", "act"})])
def test_site_targets_override_the_browser_thresholds(
    tmp_path: Path, browser: Browser, target: int, levels: set[str]
) -> None:
    """The services' targets, weighted by their calls, give the overall target."""
    site = WALL_SITE.replace("sla_seconds = ", f"target_service_level = {target}, sla_seconds = ")
    with open_wallboard(tmp_path, browser, shift(agents=10, calls=60, waiting=0), site=site) as (
        wall,
        _,
    ):
        limits = '{"serviceLevel": [50, 40]}'
        keep = "(kept) => localStorage.setItem('floorcast.thresholds', kept)"
        wall.page.evaluate(keep, limits)
        wall.page.reload()
        wall.page.wait_for_selector("#services tbody tr")
        wall.until_text("[data-tile=level] .note", f"target {target}%")
        assert (wall.page.get_attribute("[data-tile=level]", "data-level") or "") in levels
        cells = wall.page.locator("#services td.level").all()
        assert {cell.get_attribute("data-level") or "" for cell in cells} & levels


CUT = """[...document.querySelectorAll("#glance :is(.label, .value, .note)")]
    .filter((one) => one.scrollWidth > one.clientWidth || one.scrollHeight > one.clientHeight + 1)
    .map((one) => one.textContent)"""


def test_tiles_show_long_names_in_full(tmp_path: Path, browser: Browser) -> None:
    """A tile does not cut off a long name at any usual width of the screen."""
    site = WALL_SITE
    for number, name in enumerate(("Sales", "Help", "Claims", "Collections"), 11):
        site = site.replace(f'"{name}"', f'"Warranty registration {number}"')
    with open_wallboard(tmp_path, browser, shift(agents=120, calls=300, waiting=9), site=site) as (
        wall,
        _,
    ):
        wall.page.wait_for_selector("#agents [data-login]")
        assert "Warranty" in tile(wall, "needs")[1]
        for width in (360, 1024, 1280, 1366, 1440, 1920):
            wall.page.set_viewport_size({"width": width, "height": 800})
            assert (width, wall.page.evaluate(CUT)) == (width, [])
