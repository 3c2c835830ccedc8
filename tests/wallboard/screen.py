"""A screen that shows the wallboard: a page in a real browser, and what can be read on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Response,
)

from tests.real.sites import PASSWORD, TOKENS

__all__ = ["Screen", "screen"]

PATIENCE = 60_000  # ms that something may take to come about, on a busy machine

_CELLS = """(section) => Object.fromEntries(
    [...document.querySelectorAll(`#${section} tbody:not(.space) tr`)].map((row) => [
        row.dataset.id ?? row.dataset.login ?? row.rowIndex,
        [...row.children].map((cell) => cell.dataset.value ?? cell.textContent),
    ]))"""


class Screen:
    """A page, what it has asked for, and what it has complained about."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.url = url
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.answers: list[Response] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("response", self._answered)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _answered(self, response: Response) -> None:
        self.answers.append(response)

    def pass_time(self, seconds: float) -> None:
        """Let the page believe that time has passed; ``page.clock.install()`` was called before."""
        self.page.clock.fast_forward(round(seconds * 1000))

    def open(self, view: str = "") -> None:
        """Load the page."""
        self.page.goto(f"{self.url}/wallboard{view}")

    def fill(self, client: str = "ACME", user: str = "sysadmin", password: str = PASSWORD) -> None:
        """Fill the form in, and send it."""
        for name, value in (
            ("clientName", client),
            ("userName", user),
            ("password", password),
            ("apiToken", TOKENS[client]),
        ):
            self.page.fill(f"[name={name}]", value)
        self.page.click("#sign-in button")

    def sign_in(self, client: str = "ACME", user: str = "sysadmin", view: str = "") -> None:
        """Load the page, sign in, and wait until the board is there."""
        self.open(view)
        self.fill(client, user)
        self.page.wait_for_selector("#board:not([hidden])")

    def tool(self, selector: str) -> None:
        """Click a tool of the header, which is behind the menu on a narrow screen."""
        menu = self.page.locator("#show-menu")
        if menu.is_visible() and menu.get_attribute("aria-expanded") == "false":
            menu.click()
        self.page.click(selector)

    def until(self, condition: str, argument: object = None) -> None:
        """Wait until a JavaScript condition holds.

        Playwright's own waiting evaluates text within the page, which the page's policy forbids.
        """
        self.until_so(lambda: self.page.evaluate(condition, argument), condition)

    def until_so(self, so: Callable[[], object], condition: str) -> None:
        """Wait until something is so, on the page or beside it; the page goes on meanwhile."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not so():
            assert time.monotonic() < deadline, f"it never came about that {condition}"
            self.page.wait_for_timeout(20)

    def until_text(self, selector: str, text: str) -> None:
        """Wait until an element says so somewhere."""
        self.page.locator(selector, has_text=text).first.wait_for()

    def rows(self, section: str) -> dict[str, list[str]]:
        """The rows of a panel by their ids: a figure's exact value, else the text of the cell."""
        rows: dict[str, list[str]] = self.page.evaluate(_CELLS, section)
        return rows

    def texts(self, selector: str) -> list[str]:
        """What elements say."""
        return self.page.locator(selector).all_inner_texts()

    def token(self, section: str) -> str:
        """The place in the feeds at which a panel is true."""
        return self.page.get_attribute(f"#{section}", "data-feed-token") or ""

    def answer(self, path: str, token: str) -> dict[str, Any]:
        """What the API answered to the page at a place."""
        for response in reversed(self.answers):
            if response.url.endswith(path) and response.headers.get("feed-token") == token:
                found: dict[str, Any] = response.json()
                return found
        raise AssertionError(f"no answer of {path} has the token {token!r}")


@contextmanager
def screen(
    browser: Browser,
    url: str,
    width: int = 1440,
    height: int = 900,
    *,
    dark: bool = False,
    shared: bool = False,
    touch: bool = False,
) -> Iterator[Screen]:
    """A screen with cookies and storage of its own.

    Its page follows the floor by itself, where the test can see and hold its requests, or by the
    browser's worker, if ``shared``. With ``touch``, fingers point on it.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        has_touch=touch,
    )
    if not shared:
        context.add_init_script("delete globalThis.SharedWorker")
    try:
        yield Screen(context, url)
    finally:
        context.close()
