"""The responses of the reporting methods (section 14 of the contract)."""

from __future__ import annotations

from msgspec import Struct

from floorcast.statistics.agent_stats import ServiceFigures
from floorcast.statistics.interval_rows import ServiceInterval

__all__ = [
    "AgentInterval",
    "AgentReport",
    "ArchivedCall",
    "CallReport",
    "MissingHour",
    "ServiceReport",
]


class MissingHour(Struct, rename="camel"):
    """An hour that is not in the archive and no longer in the log. Its bounds are in ms."""

    client_id: int
    start: int
    end: int


class ServiceReport(Struct, rename="camel"):
    """The intervals with at least one count, sorted by start and service id."""

    intervals: list[ServiceInterval]
    missing: list[MissingHour]
    time_stamp: int


class AgentInterval(Struct, rename="camel"):
    """An agent's figures in one interval, for each service with at least one count."""

    start: int
    end: int
    complete: bool
    services: list[ServiceFigures]
    agent_name: str
    agent_login_id: str


class AgentReport(Struct, rename="camel"):
    """The intervals with at least one count, sorted by start and agent id."""

    intervals: list[AgentInterval]
    missing: list[MissingHour]
    time_stamp: int


class ArchivedCall(Struct, rename="camel"):
    """A call at one service. Times are in ms, and durations are in seconds.

    A time is null if the event did not happen. The setting ``archive_personal`` determines the form
    of ``phone`` and ``account``.
    """

    transaction_id: str
    session_id: str
    client_id: int
    service_id: int | None
    campaign_id: int | None
    direction: str | None
    phone: str | None
    account: str | None
    joined: int | None
    answered: int | None
    left: int | None
    ended: int | None
    expired: int | None
    outcome: str
    wait: int | None
    talk: int | None
    agent_login_id: str | None
    lv_result: str | None
    term_code: str | None


class CallReport(Struct, rename="camel"):
    """A page of the calls that ended or expired in the span, sorted by that time.

    The last page has no ``cursor``.
    """

    calls: list[ArchivedCall]
    cursor: str | None
    missing: list[MissingHour]
    time_stamp: int
