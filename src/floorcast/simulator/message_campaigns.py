"""Simulates a campaign's SMS and emails. Each message is attempted, then delivered or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from floorcast.simulator.people import HOURS_FROM_EASTERN, Person, random_person
from floorcast.simulator.scenario import CampaignPlan
from floorcast.simulator.world import Process, World

__all__ = ["emails", "texts"]

DELIVERED_SHARE = 0.96
SENDER = "service@example.com"
DELIVERY_SECONDS = 6.0  # seconds, mean


def texts(world: World, campaign: CampaignPlan) -> Process:
    """Send SMS messages as a Poisson process at the campaign's rate."""
    return _send(world, campaign, "sms", campaign.texts_per_hour, _text)


def emails(world: World, campaign: CampaignPlan) -> Process:
    """Send emails as a Poisson process at the campaign's rate."""
    return _send(world, campaign, "email", campaign.emails_per_hour, _email)


def _send(
    world: World,
    campaign: CampaignPlan,
    kind: str,
    per_hour: float,
    address: Callable[[Person], dict[str, object]],
) -> Process:
    zones = list(HOURS_FROM_EASTERN)
    number = 0
    while True:
        yield world.pause(world.chance.expovariate(per_hour / 3_600))
        number += 1
        recipient = random_person(world.chance, world.chance.choice(zones))
        data = address(recipient) | {
            "sessionId": f"{world.run}-{kind}-{number}",
            "acctTransactionId": world.first_transaction + number,
            "accountNumber": recipient.account,
        }
        world.recorder.message(kind, campaign, "Attempt", data)
        outcome = "Delivered" if world.happens(DELIVERED_SHARE) else "Failed"
        then = partial(world.recorder.message, kind, campaign, outcome, data)
        world.after(world.chance.expovariate(1 / DELIVERY_SECONDS), then)


def _text(recipient: Person) -> dict[str, object]:
    return {"phoneNumber": recipient.phone, "smsCode": "555555", "carrier": "example"}


def _email(recipient: Person) -> dict[str, object]:
    return {"fromEmail": SENDER, "toEmail": recipient.email, "carrier": "example"}
