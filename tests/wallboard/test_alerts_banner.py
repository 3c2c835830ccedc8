"""Tests of the banner with firing alerts, and of its dialog."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.real.sites import event, ndjson
from tests.wallboard.floors import Floors, waiting_call
from tests.wallboard.screen import Screen
from tests.wallboard.shifts import site_with_alert

SERVICE = 38049


def queue(*numbers: int) -> list[dict[str, object]]:
    """Return the events of waiting calls with these numbers."""
    return [one for number in numbers for one in waiting_call(number, SERVICE)]


def fires(wall: Screen) -> None:
    """Wait until the banner is shown."""
    wall.until_later("!document.getElementById('alerts').hidden")


def test_the_banner_shows_alerts_and_users_acknowledge_them(
    browser: Browser, floors: Floors
) -> None:
    """The banner appears and disappears with the alert, and screen readers announce it."""
    with floors.open(browser, queue(1), site=site_with_alert()) as (wall, source):
        wall.page.wait_for_selector("#show-alerts:not([hidden])")
        assert wall.page.is_hidden("#alerts")
        source.take(ndjson(queue(2)))
        fires(wall)
        said = wall.page.inner_text("#alerts p")
        assert "Queue · Sales: in queue 2 since " in said
        assert "Queue · Sales" in wall.page.inner_text("#alert-announcement")
        assert wall.page.inner_text("#show-alerts") == "Alerts: 1"
        wall.page.focus("#alerts button")
        wall.page.keyboard.press("Enter")
        row = wall.page.locator("#alerts-dialog tbody tr")
        assert "2 (above 1)" in row.inner_text()
        row.get_by_role("button", name="Acknowledge").click()
        wall.until_text("#alerts-dialog tbody tr", "seen by sysadmin")
        wall.page.keyboard.press("Escape")
        assert wall.page.get_attribute("#alerts", "data-level") == "watch"
        assert "seen by sysadmin" in wall.page.inner_text("#alerts p")
        ended = [
            event("call.end", f"end {number}", transactionId=number, sessionId=f"S{number}")
            for number in (1, 2)
        ]
        source.take(ndjson(ended))
        wall.until_later("document.getElementById('alerts').hidden")
        assert wall.errors == []


def test_acknowledging_by_keyboard_never_loses_the_focus(browser: Browser, floors: Floors) -> None:
    """An acknowledged alert passes the focus to the next, and the last to the dialog's button.

    The dialog returns the focus to the header if the banner is gone.
    """
    events = [one for number in range(4) for one in waiting_call(number, 38049 + number % 2)]
    with floors.open(browser, events, site=site_with_alert()) as (wall, source):
        wall.until_later("document.getElementById('show-alerts').textContent === 'Alerts: 2'")
        wall.page.focus("#alerts button")
        wall.page.keyboard.press("Enter")
        wall.page.focus("#alerts-dialog tr:first-child button")
        focused = "document.activeElement.ariaLabel || document.activeElement.textContent"
        first = wall.page.evaluate(focused)
        wall.page.keyboard.press("Enter")
        wall.until_text("#alerts-dialog tbody", "seen by sysadmin")
        second = wall.page.evaluate(focused)
        assert {first, second} == {f"Acknowledge Queue · {name}" for name in ("Sales", "Help")}
        wall.page.keyboard.press("Enter")
        wall.page.wait_for_selector("#alerts-dialog tr[data-level=act]", state="detached")
        assert wall.page.evaluate(focused) == "Done"
        ended = [
            event("call.end", f"end {number}", transactionId=number, sessionId=f"S{number}")
            for number in range(4)
        ]
        source.take(ndjson(ended))
        wall.until_later("document.getElementById('alerts').hidden")
        wall.page.keyboard.press("Enter")
        wall.page.wait_for_selector("#alerts-dialog", state="hidden")
        wall.until("document.activeElement.id === 'show-alerts'")


def test_sound_and_notifications_are_off_by_default(browser: Browser, floors: Floors) -> None:
    """The user's choice is stored. A message explains that the browser blocks notifications."""
    with floors.open(browser, queue(1, 2), site=site_with_alert()) as (wall, _):
        fires(wall)
        wall.page.click("#show-alerts")
        boxes = {name: f"#alerts-dialog [name={name}]" for name in ("sound", "notices")}
        assert not any(map(wall.page.is_checked, boxes.values()))
        wall.page.check(boxes["sound"])
        wall.page.click(boxes["notices"])
        wall.until_text("#alerts-failure", "does not allow notifications")
        assert not wall.page.is_checked(boxes["notices"])
        wall.page.reload()
        fires(wall)
        wall.page.click("#show-alerts")
        assert wall.page.is_checked(boxes["sound"])
        assert not wall.page.is_checked(boxes["notices"])


def test_a_view_shows_the_alerts_of_its_services(browser: Browser, floors: Floors) -> None:
    """A view that shows only another service has no alerts."""
    events = [*queue(1, 2), *waiting_call(3, 38050)]
    view = "#service=38050"
    with floors.open(browser, events, site=site_with_alert(), view=view) as (wall, _):
        wall.page.wait_for_selector("#show-alerts:not([hidden])")
        assert wall.page.is_hidden("#alerts")
        assert wall.page.inner_text("#show-alerts") == "Alerts"
