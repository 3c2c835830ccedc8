"""Damage to derived data. It is found when the data is read, and reported so it can be rebuilt."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from floorcast.model.errors import Unavailable
from floorcast.sqlite.background_writer import DAMAGED

__all__ = ["UNREADABLE", "DamagedRow", "ReportDamage", "reading_derived"]

ReportDamage = Callable[[int | None], None]
"""A callback that receives the client whose data is damaged, or None if the file is damaged."""


class DamagedRow(Exception):
    """A row is damaged."""


UNREADABLE = (DamagedRow, AttributeError, TypeError, UnicodeDecodeError, struct.error)
"""Errors that comparing a row with its checksum can raise.

A damaged value may have the wrong type.
"""


@contextmanager
def reading_derived(client: int, report: ReportDamage) -> Iterator[None]:
    """Raise Unavailable for any read error, and report damage."""
    try:
        yield
    except UNREADABLE as error:
        report(client)
        raise Unavailable("derived data is damaged and is being rebuilt") from error
    except DAMAGED as error:
        report(None)
        raise Unavailable("derived data is damaged and is being rebuilt") from error
    except apsw.Error as error:
        raise Unavailable("derived data cannot be read") from error
