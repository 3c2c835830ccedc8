"""The parameters fitted to the bank's days: ``bank.toml``, made by ``fit.py``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

__all__ = ["HALF_HOURS", "Bank", "BankService", "bank"]

HALF_HOURS = 48  # per day


class BankService(msgspec.Struct, frozen=True):
    """One service, in seconds. ``talk_mu`` and ``talk_sigma`` describe the logarithm.

    ``calls`` is per day, ``gives_up_in_ivr`` the share that hangs up before the queue, ``patience``
    the mean of an exponential distribution, ``priorities`` the shares of priorities 0, 1 and 2.
    """

    calls: float
    ivr: float
    gives_up_in_ivr: float
    patience: float
    talk_mu: float
    talk_sigma: float
    priorities: tuple[float, float, float]


class Bank(msgspec.Struct, frozen=True):
    """All parameters: calls by half hour of the day, skills per agent, and each service."""

    half_hours: tuple[float, ...]
    skills: float
    services: dict[str, BankService]


@cache
def bank() -> Bank:
    """Return the parameters in the package."""
    text = (files("floorcast.simulator") / "bank.toml").read_bytes()
    return msgspec.toml.decode(text, type=Bank)
