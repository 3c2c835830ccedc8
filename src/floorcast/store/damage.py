"""Damage to derived data, which is found on reading and reported for rebuilding."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from floorcast.model.errors import Unavailable
from floorcast.sqlite.background_writer import DAMAGED

__all__ = ["UNREADABLE", "DamagedRow", "Report", "reading_derived"]

Report = Callable[[int | None], None]
"""Called with the client whose data is damaged, or None if the file is."""


class DamagedRow(Exception):
    """A damaged row."""


UNREADABLE = (DamagedRow, AttributeError, TypeError, UnicodeDecodeError, struct.error)
"""Errors of comparing a row with its checksum: a damaged value may have another type."""


@contextmanager
def reading_derived(client: int, report: Report) -> Iterator[None]:
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
