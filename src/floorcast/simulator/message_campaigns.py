"""Simulates a campaign's SMS and emails. Each message is attempted, then delivered or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from floorcast.simulator.people import HOURS_FROM_EASTERN, Person, person
from floorcast.simulator.scenario import CampaignPlan
from floorcast.simulator.world import Process, World

__all__ = ["emails", "texts"]

DELIVERED = 0.96
SENDER = "service@example.com"
ON_ITS_WAY = 6.0  # seconds, mean


def texts(world: World, campaign: CampaignPlan) -> Process:
    """Send SMS messages as a Poisson process at the campaign's rate."""
    return _sent(world, campaign, "sms", campaign.texts_an_hour, _text)


def emails(world: World, campaign: CampaignPlan) -> Process:
    """Send emails as a Poisson process at the campaign's rate."""
    return _sent(world, campaign, "email", campaign.emails_an_hour, _email)


def _sent(
    world: World,
    campaign: CampaignPlan,
    kind: str,
    an_hour: float,
    to: Callable[[Person], dict[str, object]],
) -> Process:
    zones = list(HOURS_FROM_EASTERN)
    number = 0
    while True:
        yield world.pause(world.chance.expovariate(an_hour / 3_600))
        number += 1
        whom = person(world.chance, world.chance.choice(zones))
        known = to(whom) | {
            "sessionId": f"{world.run}-{kind}-{number}",
            "acctTransactionId": world.first_transaction + number,
            "accountNumber": whom.account,
        }
        world.tell.message(kind, campaign, "Attempt", known)
        outcome = "Delivered" if world.happens(DELIVERED) else "Failed"
        then = partial(world.tell.message, kind, campaign, outcome, known)
        world.after(world.chance.expovariate(1 / ON_ITS_WAY), then)


def _text(whom: Person) -> dict[str, object]:
    return {"phoneNumber": whom.phone, "smsCode": "555555", "carrier": "example"}


def _email(whom: Person) -> dict[str, object]:
    return {"fromEmail": SENDER, "toEmail": whom.email, "carrier": "example"}
