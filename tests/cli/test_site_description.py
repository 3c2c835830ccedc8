"""Tests of the description of a client that ``floorcast site show`` prints."""

from __future__ import annotations

from floorcast.cli.site_description import describe_client
from floorcast.site.configuration import (
    AlertRule,
    FloorConfig,
    Service,
    SiteClient,
    TermCode,
    User,
)

SALES = Service(id=101, name="Sales", call_center=11, sla_seconds=30, target_service_level=80)
WAIT = AlertRule(
    name="Wait", figure="longestCallInQueue", threshold=60, clear=10, hold=15, services=(101,)
)
SILENCE = AlertRule(name="Silence", figure="silence", threshold=60, clear=60, hours="Mon-Fri 8-20")
CODES = (TermCode(code="Promise to pay", category="rpcComplete"),) * 2
MANAGER = User(id=302, name="north", password_hash="$argon2", role="Manager", call_centers=(11, 12))
AGENT = User(id=201, name="ANN", password_hash="$argon2", role="Agent", agent=True)


def test_services_alerts_and_users_are_listed() -> None:
    """A service has its call center and its SLA, and a user the call centers that it sees."""
    client = SiteClient(
        id=1,
        name="ACME",
        users=(MANAGER, AGENT),
        floor_config=FloorConfig(services=(SALES,), alerts=(WAIT, SILENCE), term_codes=CODES),
    )
    lines = [" ".join(line.split()) for line in describe_client(client)]
    assert {
        "users 1",
        "term codes Promise to pay, Promise to pay",
        "service 101 Sales call center 11 SLA 30 s, excluding_abandons_within_sla, target 80%",
        "alert Wait longestCallInQueue above 60 for 15 s service 101",
        "alert Silence silence above 60 everything Mon-Fri 8-20",
        "user 302 north Manager call center 11, 12",
    } <= set(lines)
    assert "argon2" not in "".join(lines)


def test_missing_parts_are_named() -> None:
    """A client without services is different from an output that ends early."""
    lines = [*describe_client(SiteClient(id=1, name="ACME", floor_config=FloorConfig()))]
    assert lines[-4:] == ["  no call centers", "  no services", "  no alerts", "  no users"]
