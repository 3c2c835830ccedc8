"""The reporting methods' answers, as tolerant types (see ``floorcast.client.answers``)."""

from __future__ import annotations

from msgspec import Struct, field

from floorcast.client.agent_answers import ServiceFigures
from floorcast.client.answers import Answer, ServiceInterval

__all__ = [
    "AgentInterval",
    "AgentReport",
    "ArchivedCall",
    "CallReport",
    "MissingHour",
    "ServiceReport",
]


class MissingHour(Struct, rename="camel", kw_only=True):
    """An hour that is missing from the report (floorcast only)."""

    client_id: int | None = None
    start: int | None = None
    end: int | None = None


class ServiceReport(Answer, kw_only=True):
    """A report on services by interval or day (floorcast only)."""

    intervals: list[ServiceInterval] = field(default_factory=list)
    missing: list[MissingHour] = field(default_factory=list)
    time_stamp: int | None = None


class ArchivedCall(Struct, rename="camel", kw_only=True):
    """A call at one service (floorcast only)."""

    transaction_id: int | None = None
    session_id: str | None = None
    client_id: int | None = None
    service_id: int | None = None
    campaign_id: int | None = None
    direction: str | None = None
    phone: str | None = None
    account: str | None = None
    joined: int | None = None
    answered: int | None = None
    left: int | None = None
    ended: int | None = None
    expired: int | None = None
    outcome: str | None = None
    wait: int | None = None
    talk: int | None = None
    agent_login_id: str | None = None
    lv_result: str | None = None
    term_code: str | None = None


class CallReport(Answer, kw_only=True):
    """A page of calls, and the next page's cursor (floorcast only)."""

    calls: list[ArchivedCall] = field(default_factory=list)
    cursor: str | None = None
    missing: list[MissingHour] = field(default_factory=list)
    time_stamp: int | None = None


class AgentInterval(Struct, rename="camel", kw_only=True):
    """An agent's figures in one interval (floorcast only)."""

    start: int | None = None
    end: int | None = None
    complete: bool | None = None
    services: list[ServiceFigures] = field(default_factory=list)
    agent_name: str | None = None
    agent_login_id: str | None = None


class AgentReport(Answer, kw_only=True):
    """A report on agents by interval or day (floorcast only)."""

    intervals: list[AgentInterval] = field(default_factory=list)
    missing: list[MissingHour] = field(default_factory=list)
    time_stamp: int | None = None
