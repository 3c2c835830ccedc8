"""The number of examples per property test: small for every run, multiplied by ``SEARCH``.

A nightly run sets ``SEARCH=10``. CI repeats the same examples in every run, so it takes half of
them: the other half would find nothing new.
"""

from __future__ import annotations

import os

__all__ = ["TIMES", "tries"]

FEW = 10  # examples that are not halved
REPEATED = "CI" in os.environ and "SEARCH" not in os.environ
TIMES = int(os.environ.get("SEARCH", "1"))


def tries(number: int) -> int:
    """Hypothesis settings for a property with ``number`` examples in an ordinary run."""
    if REPEATED and number > FEW:
        return max(FEW, number // 2)
    return number * TIMES
