"""Checks the address of a server that a user has entered."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from floorcast.model.errors import SettingError

__all__ = ["check_address"]


def check_address(url: str) -> str:
    """Return the address without a trailing slash.

    Raises SettingError if the address is invalid, because no retry would help.
    """
    try:
        parts = urlsplit(url)
        # Otherwise, each connection would fail, and not with an httpx error.
        httpx.URL(url).host.encode("idna")
        known = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except (ValueError, httpx.InvalidURL):
        known = False
    if not known or parts.query or parts.fragment or parts.username is not None:
        shown = f", not {url!r}" if url.strip() else ", and is empty"
        shown = "" if "@" in url else shown  # it may hold a password
        raise SettingError(f"the server's address must be like https://HOST:PORT{shown}")
    return url.rstrip("/")
