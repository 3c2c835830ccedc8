"""Reading a site file: TOML, of the right shape, whose parts fit together."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from floorcast.model.errors import SettingError
from floorcast.site.check import problems
from floorcast.site.file_errors import convert
from floorcast.site.file_schema import FileClient, SiteTables

__all__ = ["SiteFile", "parse", "read"]

MOST = 20  # problems told at once


class SiteFile(NamedTuple):
    """A site file that fits together; ``digest`` is the SHA-256 of its text."""

    clients: tuple[FileClient, ...]
    digest: str


def read(path: Path) -> SiteFile:
    """Read and check a site file; raises ``SettingError``, a line for everything wrong."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise SettingError(f"{path} cannot be read: {error}") from error
    try:
        return parse(text)
    except SettingError as error:
        lines = "\n".join(f"{path}: {line}" for line in str(error).splitlines())
        raise SettingError(lines) from error


def parse(text: str) -> SiteFile:
    """Like ``read``, for a text; the messages do not name a file."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"this is not TOML: {error}") from error
    tables, mistakes = convert(raw, SiteTables, MOST)
    if tables is None:
        raise SettingError("\n".join(mistakes))
    if found := problems(tables.client):
        more = [f"… and {len(found) - MOST} more"] if len(found) > MOST else []
        raise SettingError("\n".join(found[:MOST] + more))
    return SiteFile(tables.client, sha256(text.encode()).hexdigest())
