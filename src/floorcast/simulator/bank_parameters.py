"""Reads ``bank.toml``, the parameters that ``fit.py`` fitted to days of the bank."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

__all__ = ["HALF_HOURS", "BankParameters", "BankService", "load_parameters"]

HALF_HOURS = 48  # per day


class BankService(msgspec.Struct, frozen=True):
    """The parameters of one service. Durations are in seconds.

    ``calls`` is the number of calls per day, and ``gives_up_in_ivr`` is the share of callers who
    hang up before the queue. ``ivr`` and ``patience`` are means of exponential distributions.
    ``talk_mu`` and ``talk_sigma`` describe the logarithm of the talk time. ``priorities`` has the
    shares of priorities 0, 1 and 2.
    """

    calls: float
    ivr: float
    gives_up_in_ivr: float
    patience: float
    talk_mu: float
    talk_sigma: float
    priorities: tuple[float, float, float]


class BankParameters(msgspec.Struct, frozen=True):
    """All parameters: calls per half hour of the day, skills per agent, and services."""

    half_hours: tuple[float, ...]
    skills: float
    services: dict[str, BankService]


@cache
def load_parameters() -> BankParameters:
    """Return the parameters that are part of the package."""
    text = (files("floorcast.simulator") / "bank.toml").read_bytes()
    return msgspec.toml.decode(text, type=BankParameters)
