"""Tests of the dialog that shows the last hours by interval."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, open_wallboard, waiting_call
from tests.wallboard.screen import Screen

SALES, HELP = 38049, 38050


def told(wall: Screen) -> list[int]:
    """Return the numbers of offered, handled and abandoned calls in all intervals together."""
    wall.page.wait_for_selector("#intervals[open] tbody tr")
    rows = wall.page.eval_on_selector_all(
        "#intervals tbody tr",
        "rows => rows.map((row) => [...row.children].slice(1, 4).map((one) => +one.textContent))",
    )
    return [sum(column) for column in zip(*rows, strict=True)]


def test_intervals_match_the_api(browser: Browser, floors: Floors) -> None:
    """The sums are right for every interval length, and new calls appear."""
    events = [*waiting_call(1, SALES), *waiting_call(2, SALES), *waiting_call(3, HELP)]
    events.append(event("call.end", "end 1", transactionId=1, sessionId="S1"))
    with floors.open(browser, events) as (wall, source):
        wall.page.focus("#show-intervals")
        wall.page.keyboard.press("Enter")
        assert told(wall) == [3, 0, 1]
        fields = [
            one.bounding_box() for one in wall.page.locator("#intervals .chosen [name]").all()
        ]
        assert len({(box["y"], box["height"]) for box in fields if box}) == 1, "not aligned"
        for length in ("900", "3600"):
            wall.page.select_option("#intervals [name=interval]", length)
            wall.until("document.querySelectorAll('#intervals tbody tr').length > 0")
            assert told(wall) == [3, 0, 1]
        wall.page.select_option("#intervals [name=service]", str(HELP))
        wall.until_true(lambda: told(wall) == [1, 0, 0], "one call of Help is offered")
        source.take(ndjson(waiting_call(4, HELP)))
        wall.pass_time(20)
        wall.until_true(lambda: told(wall) == [2, 0, 0], "the new call is offered")
        wall.page.focus("#intervals [name=day]")
        wall.page.keyboard.press("Enter")
        assert wall.page.is_visible("#intervals"), "Enter in the day closes the dialog"
        wall.page.keyboard.press("Escape")
        wall.page.wait_for_selector("#intervals", state="hidden")
        assert wall.errors == []


def test_a_day_comes_from_the_archive(browser: Browser, tmp_path: Path) -> None:
    """The dialog shows a day from the archive. Without a day, it shows the last hours again."""
    pytest.importorskip("pyarrow")
    events = [*waiting_call(1, SALES), *waiting_call(2, SALES)]
    options = ("--archive", str(tmp_path / "archive"))
    with open_wallboard(tmp_path, browser, events, options=options) as (wall, _):
        wall.page.click("#show-intervals")
        assert told(wall) == [2, 0, 0]
        day = datetime.now(ZoneInfo("America/New_York")).date().isoformat()
        wall.page.fill("#intervals [name=day]", day)
        wall.until_text("#intervals-note", day)
        assert told(wall) == [2, 0, 0]
        wall.page.fill("#intervals [name=day]", "2020-01-01")
        wall.until_text("#intervals-note", "No calls on 2020-01-01")
        assert wall.page.locator("#intervals tbody tr").count() == 0
        wall.page.fill("#intervals [name=day]", "")
        assert told(wall) == [2, 0, 0]
        assert wall.errors == []


def test_a_day_without_an_archive_is_explained(browser: Browser, floors: Floors) -> None:
    """Without an archive, the dialog explains the reason and shows no figures."""
    with floors.open(browser, waiting_call(1, SALES)) as (wall, _):
        wall.page.click("#show-intervals")
        told(wall)
        wall.page.fill("#intervals [name=day]", "2020-01-01")
        wall.until_text("#intervals-failure", "keeps no archive")
        assert wall.page.locator("#intervals tbody tr").count() == 0


def test_a_day_that_is_typed_is_requested_once(browser: Browser, floors: Floors) -> None:
    """The first digits of a year are a year to the browser, but not to the user."""
    with floors.open(browser, waiting_call(1, SALES)) as (wall, _):
        wall.page.click("#show-intervals")
        told(wall)
        wall.record()
        wall.page.focus("#intervals [name=day]")
        wall.page.keyboard.type("11292020")
        wall.until_text("#intervals-failure", "keeps no archive")
        assert sum(url.endswith("/reporting/service/stats") for url in wall.requested_urls) == 1
        wall.page.keyboard.press("Backspace")
        wall.page.click("#intervals .primary")
        assert wall.page.is_hidden("#intervals")


def test_a_day_is_requested_again_if_the_server_is_busy(browser: Browser, tmp_path: Path) -> None:
    """Until the response arrives, the dialog shows the server's reason and no figures."""
    pytest.importorskip("pyarrow")
    options = ("--archive", str(tmp_path / "archive"))
    with open_wallboard(tmp_path, browser, waiting_call(1, SALES), options=options) as (wall, _):
        busy = {"code": 503, "message": "try again in a moment"}
        report = f"{wall.url}/reporting/service/stats"
        wall.page.route(
            report, lambda route: route.fulfill(status=503, json=busy, headers={"Retry-After": "2"})
        )
        wall.page.click("#show-intervals")
        assert told(wall) == [1, 0, 0]
        day = datetime.now(ZoneInfo("America/New_York")).date().isoformat()
        wall.page.fill("#intervals [name=day]", day)
        wall.until_text("#intervals-failure", "try again in a moment")
        assert wall.page.text_content("#intervals-note") == ""
        assert wall.page.locator("#intervals tbody tr").count() == 0
        wall.page.unroute(report)
        wall.pass_time(2)
        assert told(wall) == [1, 0, 0]
        assert wall.page.text_content("#intervals-note") == day
        assert wall.page.text_content("#intervals-failure") == ""


def test_the_table_fits_on_a_phone(browser: Browser, floors: Floors) -> None:
    """The table is not wider than the dialog."""
    with floors.open(browser, waiting_call(1, SALES), size=(390, 844)) as (wall, _):
        wall.page.click("#show-intervals")
        told(wall)
        assert wall.page.evaluate(
            "(() => { const one = document.querySelector('#intervals .scroll');"
            " return one.scrollWidth <= one.clientWidth; })()"
        )
