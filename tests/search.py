"""The number of examples per property test, which ``SEARCH`` multiplies.

A nightly run sets ``SEARCH=10``. CI always uses the same examples, so it uses only half as many.
"""

from __future__ import annotations

import os

__all__ = ["TIMES", "tries"]

FEW = 10  # up to this many examples are not halved
REPEATED = "CI" in os.environ and "SEARCH" not in os.environ
TIMES = int(os.environ.get("SEARCH", "1"))


def tries(number: int) -> int:
    """Return the number of examples for a property that has ``number`` examples in a local run."""
    if REPEATED and number > FEW:
        return max(FEW, number // 2)
    return number * TIMES
