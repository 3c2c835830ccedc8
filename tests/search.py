"""How long tests search for a counterexample: as long as fits every run, or ``SEARCH`` times that.

A nightly run takes ``SEARCH=10``.
"""

from __future__ import annotations

import os

__all__ = ["TIMES", "tries"]

TIMES = int(os.environ.get("SEARCH", "1"))


def tries(number: int) -> int:
    """Hypothesis's examples of a property, where every run takes ``number``."""
    return number * TIMES
