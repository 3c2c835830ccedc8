"""Describes errors of the system and of libraries in words instead of error numbers."""

from __future__ import annotations

import os
import re

__all__ = ["describe_error"]

_NUMBER = re.compile(r"\[errno -?\d+\] ?", re.IGNORECASE)  # pyarrow has it in the middle, too


def describe_error(error: BaseException) -> str:
    """Return the error's message without error numbers, or its type if it has no message."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        # asyncio's text has the address again, and not what happened
        is_connection = bool(error.errno) and error.strerror.startswith("Connect call failed")
        text = os.strerror(error.errno or 0) if is_connection else error.strerror
    return _NUMBER.sub("", text).replace(". Detail: ", ": ") or type(error).__name__
