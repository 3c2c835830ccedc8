"""Checks text from outside: bytes may not be UTF-8, and characters may not be printable."""

from __future__ import annotations

import codecs
from pathlib import Path

__all__ = ["decode_text", "is_utf8", "printable", "read_text"]


def read_text(path: Path) -> str:
    """Return a file's text. Raises OSError, or ValueError if it is not UTF-8."""
    return decode_text(path.read_bytes())


def decode_text(raw: bytes) -> str:
    """Decode a file's bytes without the byte order mark that some editors write.

    Raises ValueError, which names the line, if the bytes are not UTF-8.
    """
    text = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8") from None


def is_utf8(text: str) -> bool:
    """Return whether a text can be encoded.

    Python decodes other bytes on the command line and in the environment to surrogates, which
    requests, databases and host names cannot contain.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Replace unprintable characters with ``?``, because anybody may have written the text."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
