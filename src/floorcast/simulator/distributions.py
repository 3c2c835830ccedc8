"""Probability distributions of durations, in seconds."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist
from typing import NamedTuple, Protocol

__all__ = ["Distribution", "Exponential", "Fixed", "Lognormal"]


class Distribution(Protocol):
    """A probability distribution of durations."""

    @property
    def mean(self) -> float:
        """The mean, in seconds."""

    def draw(self, chance: Random) -> float:
        """Draw a duration, in seconds."""


class Exponential(NamedTuple):
    """The exponential distribution, which Erlang's model assumes. Used for patience."""

    mean: float

    def draw(self, chance: Random) -> float:
        """Draw a duration, in seconds."""
        return chance.expovariate(1 / self.mean)


class Lognormal(NamedTuple):
    """A lognormal distribution, truncated at ``maximum``.

    The logarithm of a duration has mean ``mu`` and standard deviation ``sigma``.
    """

    mu: float
    sigma: float
    maximum: float = math.inf

    @property
    def mean(self) -> float:
        """The mean of the truncated distribution, in seconds."""
        untruncated = math.exp(self.mu + self.sigma**2 / 2)
        if self.maximum == math.inf:
            return untruncated
        normal, log_maximum = NormalDist(self.mu, self.sigma), math.log(self.maximum)
        below = NormalDist(self.mu + self.sigma**2, self.sigma).cdf(log_maximum)
        return untruncated * below + self.maximum * (1 - normal.cdf(log_maximum))

    def draw(self, chance: Random) -> float:
        """Draw a duration, in seconds."""
        return min(chance.lognormvariate(self.mu, self.sigma), self.maximum)


class Fixed(NamedTuple):
    """A constant duration. It is infinite for an event that never happens."""

    mean: float

    def draw(self, chance: Random) -> float:  # noqa: ARG002 — part of the protocol
        """Return the constant."""
        return self.mean
