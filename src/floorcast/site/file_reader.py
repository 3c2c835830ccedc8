"""Reads a site file: parses the TOML, and checks the types and the consistency of the parts."""

from __future__ import annotations

import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from floorcast.model.errors import SettingError
from floorcast.model.text import decode_text
from floorcast.site.consistency import problems
from floorcast.site.file_errors import convert
from floorcast.site.file_schema import FileClient, SiteTables

__all__ = ["SiteFile", "parse", "read"]

MAX_PROBLEMS = 20  # problems reported at once


MAX_FILE_BYTES = 64 << 20  # a site file with 100,000 agents and 5,000 clients is smaller
MAX_KEY_PARTS = 16  # no setting has more than 3
# tomllib takes quadratic time for a key with many parts, and recurses once or twice per part
_PART = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*"""
_LONG_KEY = re.compile(
    rf"(?:^[ \t]*\[{{0,2}}|[{{,])[ \t]*(?:{_PART}\.[ \t]*){{{MAX_KEY_PARTS}}}", re.MULTILINE
)


class SiteFile(NamedTuple):
    """A consistent site file. ``digest`` is the SHA-256 of its text."""

    clients: tuple[FileClient, ...]
    digest: str


def read(path: Path) -> SiteFile:
    """Read and check a site file. Raises ``SettingError`` with a line for each mistake."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = decode_text(raw)
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SettingError(f"{path} cannot be read: {error}") from error
    if len(raw) > MAX_FILE_BYTES:
        raise SettingError(f"{path} cannot be read: it has more than {MAX_FILE_BYTES >> 20} MiB")
    try:
        return parse(text)
    except SettingError as error:
        first, *more = str(error).splitlines()
        if not more:
            raise SettingError(f"{path}: {first}") from error
        lines = "\n".join(f"  {line}" for line in (first, *more))
        raise SettingError(f"{path} has these mistakes:\n{lines}") from error


def parse(text: str) -> SiteFile:
    """Parse and check the text of a site file. Like ``read``, but messages do not name a file."""
    if _LONG_KEY.search(text):
        raise SettingError(f"this is not a site file: a key has more than {MAX_KEY_PARTS} parts")
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"this is not TOML: {error}") from error
    tables, mistakes = convert(raw, SiteTables)
    if found := [*mistakes.lines, *mistakes.independent(problems(tables.client))]:
        more = [f"… and {len(found) - MAX_PROBLEMS} more"] if len(found) > MAX_PROBLEMS else []
        raise SettingError("\n".join(found[:MAX_PROBLEMS] + more))
    return SiteFile(tables.client, sha256(text.encode()).hexdigest())
