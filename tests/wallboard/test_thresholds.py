"""Tests of thresholds, which users set on the page and which are not marked by color alone."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.wallboard.screen import Screen

ARE_MARKED = """[...document.querySelectorAll("#services tbody td:nth-child(3)")].every((cell) => {
    const level = { 0: "", 1: "watch" }[cell.innerText.trim()] ?? "act";
    const mark = { "": "none", watch: '"▲" / "watch: "', act: '"■" / "act: "' }[level];
    const marked = cell.querySelector(".opens") ?? cell;
    return (cell.dataset.level ?? "") === level
        && getComputedStyle(marked, "::before").content === mark;
})"""


def test_thresholds_mark_figures_and_are_stored(wall: Screen) -> None:
    """A user sets thresholds by keyboard. A figure's mark is a shape and has a word."""
    wall.sign_in()
    wall.page.wait_for_selector("#services tbody tr")
    wall.page.focus("#show-thresholds")
    wall.page.keyboard.press("Enter")
    for label, value in (("watch", "1"), ("act", "2")):
        wall.page.focus(f"[aria-label='In queue, calls: {label}']")
        wall.page.keyboard.press("ControlOrMeta+A")
        wall.page.keyboard.type(value)
    wall.page.keyboard.press("Escape")
    wall.until("!document.getElementById('thresholds').open")
    assert any(int(row[2]) > 1 for row in wall.rows("services").values())
    wall.until(ARE_MARKED)
    wall.page.reload()
    wall.page.wait_for_selector("#services tbody tr")
    wall.until(ARE_MARKED)
    wall.page.click("#show-thresholds")
    wall.page.click("[value=defaults]")
    assert wall.page.evaluate("localStorage.getItem('floorcast.thresholds')") == "{}"


def test_invalid_stored_thresholds_are_ignored(scripts: Page) -> None:
    """The defaults replace invalid values, which another release or a user may have stored."""
    kept = '{"inQueue": [1], "hold": ["a", "b"], "gone": [1, 2], "wrapUp": [1, 2]}'
    scripts.evaluate("(kept) => localStorage.setItem('floorcast.thresholds', kept)", kept)
    limits = """async () => {
        const {Thresholds} = await import("/wallboard/thresholds.js");
        const one = new Thresholds();
        return ["inQueue", "hold", "wrapUp"].map((measure) => one.of(measure));
    }"""
    assert scripts.evaluate(limits) == [[5, 10], [3, 6], [1, 2]]


def test_inverted_thresholds_are_rejected(wall: Screen) -> None:
    """Thresholds in the wrong order are not stored, and a message explains why.

    The order is reversed for the service level, which is worse if it is lower.
    """
    wall.sign_in()
    wall.page.click("#show-thresholds")
    wall.page.fill("[aria-label='In queue, calls: act']", "3")
    wall.until_text("#thresholds-failure", "“act” must not be below “watch”. Not saved.")
    wall.page.fill("[aria-label='In queue, calls: act']", "7")
    wall.until("document.getElementById('thresholds-failure').textContent === ''")
    wall.page.fill("[aria-label='Service level below, %: act']", "90")
    wall.until_text("#thresholds-failure", "“act” must not be above “watch”. Not saved.")
    kept = wall.page.evaluate("localStorage.getItem('floorcast.thresholds')")
    assert kept == '{"inQueue":[5,7]}'
