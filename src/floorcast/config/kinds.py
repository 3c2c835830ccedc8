"""The kinds of values that settings can have. A kind reads and checks a value.

Values from the environment are text, values from the file have a TOML type, and values from flags
can be either. A reader returns the value, or raises ValueError or TypeError.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from floorcast.model import wording
from floorcast.model.wording import one_of, whole_number

__all__ = [
    "ARCHIVE",
    "CLIENTS",
    "HOST",
    "LOG",
    "PATH",
    "PORT",
    "PROXIES",
    "SIZE",
    "TEXT",
    "Kind",
    "choice",
    "integer",
    "number",
]

UNITS = {"": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30}
MIN_BUFFER_BYTES = 2**20  # a smaller buffer would be useless


class Kind(NamedTuple):
    """A kind of value. ``expected`` completes "must be …". ``metavar`` appears in the help."""

    expected: str
    read: Callable[[object], object]
    metavar: str


def integer(low: int, high: int) -> Kind:
    """Return a kind that accepts whole numbers from ``low`` to ``high``, inclusive."""

    def read(value: object) -> int:
        if isinstance(value, bool | float):
            raise TypeError(value)
        read_value = int(str(value))
        if not low <= read_value <= high:
            raise ValueError(value)
        return read_value

    return Kind(whole_number(low, high), read, "N")


def number(low: float, high: float) -> Kind:
    """Return the kind of numbers from ``low`` to ``high``, inclusive, with or without decimals."""

    def read(value: object) -> float:
        if isinstance(value, bool):
            raise TypeError(value)
        read_value = float(str(value))
        if not math.isfinite(read_value) or not low <= read_value <= high:
            raise ValueError(value)
        return read_value

    return Kind(wording.number(low, high), read, "N")


def choice(*words: str) -> Kind:
    """Return the kind of these lower-case words. Values can have any case."""

    def read(value: object) -> str:
        word = _text(value).lower()
        if word not in words:
            raise ValueError(value)
        return word

    return Kind(one_of(words), read, "|".join(words))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(value)
    return value.strip()


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _size(value: object) -> int:
    if isinstance(value, bool | float):
        raise TypeError(value)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower(), re.ASCII)
    if not found or found[2] not in UNITS:
        raise ValueError(value)
    size = int(float(found[1]) * UNITS[found[2]])
    if not MIN_BUFFER_BYTES <= size <= 2**50:
        raise ValueError(value)
    return size


def _log(value: object) -> str:
    log = _text(value)
    if log != "embedded" and not re.fullmatch(
        r"(?:nats|tls)://(?:[^\s/,@?]+@)?[^\s/,@?]+(?:,[^\s/,@?]+)*(?:\?\S+)?", log
    ):
        raise ValueError(value)
    return log


def _archive(value: object) -> str:
    archive = _text(value)
    # s3:/bucket would be a folder named s3: here
    is_url = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", archive)
    if is_url and not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]*(?:/[^?#]*)?", archive):
        raise ValueError(value)
    return archive


def _proxies(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, list | tuple) else str(value).split(",")
    proxies = tuple(_text(proxy) for proxy in given)
    for proxy in proxies:
        ipaddress.ip_network(proxy)
    return proxies


_client = integer(1, 2**63 - 1).read


def _clients(value: object) -> tuple[int, ...]:
    given = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(dict.fromkeys(int(str(_client(each))) for each in given))


TEXT = Kind("a string", _text, "NAME")
HOST = TEXT._replace(metavar="HOST")
PORT = integer(0, 65_535)._replace(metavar="PORT")
PATH = Kind("a path", _path, "PATH")
SIZE = Kind("a size in bytes, KiB, MiB or GiB (such as 256MiB) of at least 1MiB", _size, "SIZE")
LOG = Kind("embedded, or nats://[USER:PASSWORD@]HOST,HOST,… (tls:// for TLS)", _log, "embedded|URL")
ARCHIVE = Kind("a path or s3://bucket/PREFIX (lowercase bucket)", _archive, "PATH|URL")
CLIENTS = Kind("ids of clients, separated by commas", _clients, "ID,…")
PROXIES = Kind("IP addresses or networks (10.0.0.0/8), separated by commas", _proxies, "NETWORK,…")
