"""The type of the tables that ``--check`` prints."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["MISSING_RIGHTS", "CheckTable"]

CheckTable = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""A title, the headings and the rows."""

MISSING_RIGHTS = "Missing rights"
"""The title of the last table, which is printed only if the connector lacks rights."""
