"""The number of examples per property test: small for every run, multiplied by ``SEARCH``.

A nightly run sets ``SEARCH=10``.
"""

from __future__ import annotations

import os

__all__ = ["TIMES", "tries"]

TIMES = int(os.environ.get("SEARCH", "1"))


def tries(number: int) -> int:
    """Hypothesis settings for a property with ``number`` examples in an ordinary run."""
    return number * TIMES
