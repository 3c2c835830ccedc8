"""Reads the wallboard page's files, with their paths, media types and security headers."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable

__all__ = ["PATH", "SECURITY_HEADERS", "PageFile", "page_files"]

PATH = "/wallboard"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LICENSE_TYPE = "text/plain; charset=utf-8"
_SPECIAL_PATHS = {"index.html": PATH, "landing.html": "/"}

_CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "floorcast-worker",
}

SECURITY_HEADERS = (
    (
        "content-security-policy",
        "; ".join(f"{name} {value}" for name, value in _CONTENT_SECURITY_POLICY.items()),
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("referrer-policy", "no-referrer"),
)
"""The headers of every file, which forbid foreign content, inline code and frames.

The only trusted type is the address of the page's own worker.
"""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page, with the path that serves it, its media type, content and tag."""

    path: str
    media_type: str
    content: bytes
    etag: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that do not describe the body. Browsers revalidate the file on each use."""
        return (("etag", self.etag), ("cache-control", "no-cache"), *SECURITY_HEADERS)

    def matches(self, if_none_match: str) -> bool:
        """Return whether a browser with this ``If-None-Match`` has the current version."""
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        return "*" in tags or self.etag.removeprefix("W/") in tags


def page_files() -> tuple[PageFile, ...]:
    """Read all files of the page from the package.

    The wallboard itself is at ``PATH``. The landing page at ``/`` links to it.
    """
    return tuple(_read(files("floorcast.wallboard") / "page", PATH))


def _read(folder: Traversable, path: str) -> list[PageFile]:
    found = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            found += _read(entry, f"{path}/{entry.name}")
        else:
            found.append(_file(entry, path))
    return found


def _file(entry: Traversable, path: str) -> PageFile:
    content = entry.read_bytes()
    kind = "." + entry.name.rpartition(".")[2]
    return PageFile(
        _SPECIAL_PATHS.get(entry.name, f"{path}/{entry.name}"),
        _LICENSE_TYPE if entry.name == "LICENSE" else _TYPES[kind],
        content,
        # weak, because the same file is sent both with and without compression
        f'W/"{blake2b(content, digest_size=12).hexdigest()}"',
    )
