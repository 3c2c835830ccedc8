"""Runs the browser that tests control."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["chromium"]

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser")  # the fastest first


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium. Skips the test if no Chromium is installed.

    The headless shell has the same engine without the desktop parts, and is faster by a third.
    """
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # for root, in a container, without a graphics card
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        try:
            yield browser
        finally:
            browser.close()
