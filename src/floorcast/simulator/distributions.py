"""How long things take: distributions of seconds, drawn from one source of chance."""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist
from typing import NamedTuple, Protocol

__all__ = ["Distribution", "Exponential", "Fixed", "Lognormal"]


class Distribution(Protocol):
    """Seconds that differ from case to case."""

    @property
    def mean(self) -> float:
        """The mean, in seconds."""

    def draw(self, chance: Random) -> float:
        """One case, in seconds."""


class Exponential(NamedTuple):
    """The memoryless distribution, as Erlang assumed; used for patience."""

    mean: float

    def draw(self, chance: Random) -> float:
        """One case, in seconds."""
        return chance.expovariate(1 / self.mean)


class Lognormal(NamedTuple):
    """The logarithm is normal, with mean ``mu`` and deviation ``sigma``; cut off at ``most``."""

    mu: float
    sigma: float
    most: float = math.inf

    @property
    def mean(self) -> float:
        """The mean, in seconds, of what is left by the cut."""
        whole = math.exp(self.mu + self.sigma**2 / 2)
        if self.most == math.inf:
            return whole
        normal, cut = NormalDist(self.mu, self.sigma), math.log(self.most)
        below = NormalDist(self.mu + self.sigma**2, self.sigma).cdf(cut)
        return whole * below + self.most * (1 - normal.cdf(cut))

    def draw(self, chance: Random) -> float:
        """One case, in seconds."""
        return min(chance.lognormvariate(self.mu, self.sigma), self.most)


class Fixed(NamedTuple):
    """Always the same; infinite for what never happens."""

    mean: float

    def draw(self, chance: Random) -> float:  # noqa: ARG002 — the protocol's
        """The seconds."""
        return self.mean
