"""The resources shared by the deliveries of a node."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from floorcast.model.token import Now
from floorcast.webhooks.floors import Floors
from floorcast.webhooks.http_client import HttpTuning

__all__ = ["DeliveryResources", "DeliveryTuning"]


@dataclass(frozen=True)
class DeliveryTuning:
    """Times of a delivery, in seconds."""

    send_interval: float = 1.0  # between two requests, unless 100 events are waiting
    max_wait: float = 60.0  # maximum wait for an event before the next check
    refresh_interval: float = 600.0  # between two writes of a position that does not change
    retry_interval: float = 2.0  # after the floor or the store was unavailable
    check_interval: float = 1.0  # between two checks for commands and changes to the site
    http: HttpTuning = field(default_factory=HttpTuning)


@dataclass(frozen=True)
class DeliveryResources:
    """The resources shared by the deliveries of a node.

    ``chance`` returns random numbers from 0 to 1. ``tls`` is called only for webhooks over HTTPS.
    """

    floors: Floors
    now: Now
    tls: Callable[[], ssl.SSLContext]
    tuning: DeliveryTuning = field(default_factory=DeliveryTuning)
    chance: Callable[[], float] = random.random
