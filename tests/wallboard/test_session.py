"""Tests of the session of a screen, which has a key instead of a password."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright.sync_api import Browser

from floorcast.site.digests import digest
from tests.real.server import Caller, Server, command, environment, running
from tests.real.sites import ndjson
from tests.wallboard.screen import Screen, screen
from tests.wallboard.shifts import WALL_SITE, shift

NAMES = "#services tbody .name"


def key(server: Server, *words: str) -> str:
    """Run ``floorcast key`` while the server is running. Returns the output."""
    arguments = command("key", *words, "--client", "ACME", "--data", server.data)
    done = subprocess.run(
        arguments, env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def until_status(wall: Screen, caller: Caller, secret: str, status: int) -> None:
    """Wait until the server accepts or refuses a screen's key with this status."""
    headers = {"Authorization": f"Bearer {secret}"}

    def is_answered() -> bool:
        reply = caller.http.post("/session/screen", headers=headers)
        wall.page.wait_for_timeout(200)  # only twenty attempts with a wrong key are allowed
        return reply.status_code == status

    wall.until_true(is_answered, f"the key gets {status}")


def test_a_screen_reconnects_automatically(tmp_path: Path, browser: Browser) -> None:
    """A screen reconnects after a restart without a user, until its key is revoked."""
    with (
        running(tmp_path, site=WALL_SITE) as server,
        Caller(server.url) as caller,
        screen(browser, server.url) as wall,
    ):
        caller.take(ndjson(shift(agents=20, calls=40, waiting=3)))
        link = key(server, "new", "--screen", "--call-center", "North", "--url", server.url)
        secret = link.partition("#key=")[2]
        until_status(wall, caller, secret, 200)
        wall.record()
        wall.page.goto(link)
        wall.page.wait_for_selector(NAMES)
        assert wall.page.evaluate("location.hash") == "#wall"
        assert wall.page.get_attribute("html", "data-view") == "wall"
        assert set(wall.texts(NAMES)) == {"Sales", "Claims"}
        wall.page.wait_for_selector("#agents [data-login]")
        assert not [url for url in wall.requested_urls[1:] if secret in url]
        wall.page.evaluate("sessionStorage.clear()")
        wall.page.context.clear_cookies()
        wall.open("#desk")
        wall.page.wait_for_selector(NAMES)
        # A screen cannot list calls.
        assert wall.page.locator("#services tbody button").count() == 0
        key(server, "revoke", digest(secret)[:12])
        until_status(wall, caller, secret, 401)
        wall.until_text("#sign-in-why", "This screen's key is no longer accepted.")


def test_a_screen_that_starts_before_its_server_waits_for_it(
    tmp_path: Path, browser: Browser
) -> None:
    """The screen retries, and shows the reason instead of a sign-in form."""
    with running(tmp_path, site=WALL_SITE) as server, screen(browser, server.url) as wall:
        wall.page.clock.install()
        away = "**/session/screen*"
        wall.page.route(away, lambda route: route.abort())
        wall.open("#key=a-key-that-nobody-knows")
        wall.until_text("#sign-in-waiting", "This screen retries automatically.")
        assert wall.page.is_hidden("#sign-in form")
        wall.page.unroute(away)
        wall.pass_time(6)
        wall.until_text("#sign-in-why", "no longer accepted")
