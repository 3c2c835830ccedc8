"""The errors of msgspec for bytes that it cannot decode."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["UNDECODABLE"]

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""For bytes that do not match the type, that are not UTF-8, or that are nested too deeply."""
