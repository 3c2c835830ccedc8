"""A screen that shows the wallboard in a real browser."""

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

__all__ = ["Screen", "screen", "undo"]

WIDTH, HEIGHT = 1440, 900  # pixels
PATIENCE = 60_000  # ms until a condition must be true, on a busy machine
LOOK = 50  # ms between two checks of a condition, which slow down the page

_CELLS = """(section) => Object.fromEntries(
    [...document.querySelectorAll(`#${section} tbody:not(.space) tr`)].map((row) => [
        row.dataset.id ?? row.dataset.login ?? row.rowIndex,
        [...row.children].map((cell) => cell.dataset.value ?? cell.textContent),
    ]))"""


_UNDO = """() => {
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    document.querySelector("#past-bar:not([hidden]) [value=live]")?.click();
    document.querySelector("#show-menu[aria-expanded=true]")?.click();
    document.querySelector(".states [aria-pressed=true]")?.click();
    for (const field of document.querySelectorAll("#board [type=search]")) {
        field.value = "";
        field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    location.hash = "";
    document.activeElement.blur();
}"""


class Screen:
    """A page, its errors and, if it records them, its requests and responses."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.url = url
        self.errors: list[str] = []
        self._requested_urls: list[str] | None = None
        self._responses: list[Response] = []
        self.page.on("console", self._add_console_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _add_console_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def record(self) -> None:
        """Record the requests and responses from now on.

        Few tests need them, and they take a tenth of the time of all tests.
        """
        self._requested_urls = []
        self.page.on("request", lambda request: self.requested_urls.append(request.url))
        self.page.on("response", self._add_response)

    def _add_response(self, response: Response) -> None:
        self._responses.append(response)

    @property
    def requested_urls(self) -> list[str]:
        """The requested URLs since ``record``."""
        assert self._requested_urls is not None, "the screen does not record its requests"
        return self._requested_urls

    @property
    def responses(self) -> list[Response]:
        """The responses since ``record``."""
        assert self._requested_urls is not None, "the screen does not record its requests"
        return self._responses

    def until_current(self) -> None:
        """Wait until the board follows the present, even if the floor has long been quiet."""
        state = "document.getElementById('freshness-state').textContent"
        self.until(f"['Live', 'No events'].includes({state})")

    def pass_time(self, seconds: float) -> None:
        """Advance the page's clock. The test must call ``page.clock.install()`` first."""
        self.page.clock.fast_forward(round(seconds * 1000))

    def until_later(self, condition: str, argument: object = None) -> None:
        """Advance the page's clock by seconds until a JavaScript condition is true.

        Use this for what the page only requests again after some time.
        """

        def advanced() -> object:
            self.pass_time(1)
            return self.page.evaluate(condition, argument)

        self.until_true(advanced, condition)

    def open(self, view: str = "") -> None:
        """Load the page with a view, which is the fragment of the address."""
        self.page.goto(f"{self.url}/wallboard{view}")

    def fill(self, client: str = "ACME", user: str = "sysadmin", password: str = PASSWORD) -> None:
        """Fill in the sign-in form and submit it."""
        for name, value in (
            ("clientName", client),
            ("userName", user),
            ("password", password),
            ("apiToken", TOKENS[client]),
        ):
            self.page.fill(f"[name={name}]", value)
        self.page.click("#sign-in button")

    def sign_in(self, client: str = "ACME", user: str = "sysadmin", view: str = "") -> None:
        """Load the page, sign in, and wait for the board."""
        self.open(view)
        self.fill(client, user)
        self.page.wait_for_selector("#board:not([hidden])")

    def tool(self, selector: str) -> None:
        """Click a tool in the header. On a narrow screen, open the menu with the tools first."""
        menu = self.page.locator("#show-menu")
        if menu.is_visible() and menu.get_attribute("aria-expanded") == "false":
            menu.click()
        self.page.click(selector)

    def until(self, condition: str, argument: object = None) -> None:
        """Wait until a JavaScript condition is true.

        Playwright's own method would evaluate text in the page, which the page's policy forbids.
        """
        self.until_true(lambda: self.page.evaluate(condition, argument), condition)

    def until_focused(self, selector: str) -> None:
        """Wait until an element that the selector matches has the focus.

        A dialog is hidden a moment before its ``close`` event, which may move the focus.
        """
        self.until("(one) => document.activeElement.matches(one)", selector)

    def until_true(self, condition: Callable[[], object], description: str) -> None:
        """Wait until ``condition`` returns a true value. The page continues to run."""
        deadline = time.monotonic() + PATIENCE / 1000
        while not condition():
            assert time.monotonic() < deadline, f"timed out waiting: {description}"
            self.page.wait_for_timeout(LOOK)

    def until_text(self, selector: str, text: str) -> None:
        """Wait until an element contains the text."""
        self.page.locator(selector, has_text=text).first.wait_for()

    def rows(self, section: str) -> dict[str, list[str]]:
        """Return a panel's rows by id. A cell is its figure's exact value, or else its text."""
        rows: dict[str, list[str]] = self.page.evaluate(_CELLS, section)
        return rows

    def texts(self, selector: str) -> list[str]:
        """Return the texts of the elements that a selector finds."""
        return self.page.locator(selector).all_inner_texts()

    def token(self, section: str) -> str:
        """Return the token of the position that a panel shows."""
        return self.page.get_attribute(f"#{section}", "data-feed-token") or ""

    def response(self, path: str, token: str) -> dict[str, Any]:
        """Return the API's response that the page received with a token."""
        for response in reversed(self.responses):
            if response.url.endswith(path) and response.headers.get("feed-token") == token:
                found: dict[str, Any] = response.json()
                return found
        raise AssertionError(f"no answer of {path} has the token {token!r}")


def undo(wall: Screen) -> None:
    """Show the board as it was after the sign-in: all of the present floor, without any dialog."""
    wall.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    wall.page.evaluate(_UNDO)
    wall.until("document.documentElement.dataset.view === 'desk'")
    wall.page.wait_for_selector("#past-bar", state="hidden")
    wall.errors.clear()


@contextmanager
def screen(
    browser: Browser,
    url: str,
    width: int = WIDTH,
    height: int = HEIGHT,
    *,
    dark: bool = False,
    shared: bool = False,
    touch: bool = False,
) -> Iterator[Screen]:
    """Open a screen with its own cookies and storage until the end of the block.

    By default, its page follows the floor itself, so that tests can see and delay the requests. If
    ``shared`` is true, the browser's worker follows the floor. If ``touch`` is true, the screen has
    touch input.
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
