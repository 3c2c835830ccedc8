"""Describes a client of the site for ``floorcast site show``, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from floorcast.cli.tables import table_lines

if TYPE_CHECKING:
    from floorcast.site.configuration import AlertRule, Service, SiteClient, User

__all__ = ["describe_client"]

Row = tuple[str, ...]


def describe_client(client: SiteClient) -> Iterator[str]:
    """Yield the lines about a client: a heading, its facts, and a table for each kind of part."""
    config = client.floor_config
    yield f"client {client.id} {client.name}"
    yield from table_lines(_facts(client), "  ")
    tables: dict[str, list[Row]] = {
        "call centers": [("call center", str(one.id), one.name) for one in config.call_centers],
        "services": [_service(one) for one in config.services],
        "alerts": [_alert(one) for one in config.alerts],
        "users": [_user(one) for one in client.users if not one.agent],
    }
    for parts, rows in tables.items():
        yield from table_lines(rows or [(f"no {parts}",)], "  ")


def _facts(client: SiteClient) -> list[Row]:
    config = client.floor_config
    agents = sum(user.agent for user in client.users)
    return [
        ("time zone", config.time_zone),
        ("feeds", _listed(config.feeds) or "none"),
        ("parent", "none" if client.parent is None else str(client.parent)),
        ("users", str(len(client.users) - agents)),
        ("agents", f"{len(config.agents)}, of whom {agents} may log in"),
        ("API tokens", str(len(client.api_tokens))),
        ("ingest keys", str(len(client.ingest_keys))),
        ("webhooks", _listed([one.name for one in client.webhooks]) or "none"),
        ("term codes", _listed([one.code for one in config.term_codes]) or "the default ones"),
    ]


def _service(service: Service) -> Row:
    center = "" if service.call_center is None else f"call center {service.call_center}"
    sla = f"SLA {service.sla_seconds} s, {service.service_level}"
    if service.target_service_level is not None:
        sla += f", target {service.target_service_level}%"
    return "service", str(service.id), service.name, center, sla


def _alert(rule: AlertRule) -> Row:
    condition = f"{rule.figure} {'above' if rule.above else 'below'} {rule.threshold:g}"
    held = f" for {rule.hold} s" if rule.hold else ""
    scope = _listed(
        [f"service {one}" for one in rule.services]
        + [f"call center {one}" for one in rule.call_centers]
    )
    return "alert", rule.name, condition + held, scope or "everything", rule.hours


def _user(user: User) -> Row:
    centers = user.call_centers
    seen = "all call centers" if centers is None else f"call center {_listed([*map(str, centers)])}"
    return "user", str(user.id), user.name, user.role, seen


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
