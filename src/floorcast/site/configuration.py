"""The data types of a site (section 10 of the contract).

Only a client's ``FloorConfig`` affects its figures and feeds. Every change to it is an entry in the
log, so folding the log again produces the same floor. Users, tokens, keys and passwords are not in
the log. Except for webhook secrets, secrets are stored as hashes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from floorcast.site.webhooks import Webhook

__all__ = [
    "DEFAULT_INTERVAL",
    "DEFAULT_TERM_CODES",
    "INTERVALS",
    "MAX_ID",
    "MAX_NAME_CHARS",
    "Agent",
    "AlertRule",
    "CallCenter",
    "CallCenterRef",
    "Category",
    "ClientCallCenter",
    "DeclaredFeed",
    "ExitOutcome",
    "FeedName",
    "FloorConfig",
    "Formula",
    "Limits",
    "NotReadyReason",
    "Role",
    "ScreenKey",
    "Service",
    "SiteClient",
    "TermCode",
    "User",
    "sort_call_centers",
]

MAX_ID = 2**53  # the largest number up to which JSON's readers agree
MAX_NAME_CHARS = 256

Id = Annotated[int, Meta(ge=0, le=MAX_ID)]
Seconds = Annotated[int, Meta(ge=0, le=86_400)]
Limit = Annotated[int, Meta(ge=0, le=10_000_000)]
Bytes = Annotated[int, Meta(ge=0, le=1 << 40)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
EchoedText = Annotated[str, Meta(max_length=256)]

DeclaredFeed = Literal["agent", "interaction"]
FeedName = Literal["agent", "interaction", "alerts"]
"""The names of the feeds. Every client has ``alerts``, and the site enables the others."""
INTERVALS = (300, 900, 1800, 3600)
"""The possible interval lengths, in seconds (section 11 of ``beyond.md``)."""

DEFAULT_INTERVAL = 900

Category = Literal["rpcComplete", "rpcIncomplete", "wpc", "nonContacts"]
Formula = Literal[
    "excluding_abandons_within_sla",
    "answered_of_offered",
    "with_abandons_within_sla",
    "answered_of_answered",
]
ExitOutcome = Literal["moved_on", "abandoned"]
CountedReason = Literal[
    "LUNCH", "TRAINING", "BREAK", "MEETING", "TECH_DIFFICULTIES", "VOICE_MAIL", "OTHER"
]
Role = Literal["Sysadmin", "Superuser", "Manager", "Report Admin", "IT User", "Auditor", "Agent"]


class _SiteStruct(
    Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    pass


class CallCenter(_SiteStruct, frozen=True):
    """A group of services."""

    id: Id
    name: Name


class ClientCallCenter(_SiteStruct, frozen=True):
    """A call center, identified by its client and its id within that client."""

    client: Id
    id: Id

    def __str__(self) -> str:
        """Return ``2/10``, for example, as on the command line."""
        return f"{self.client}/{self.id}"


CallCenterRef = Id | ClientCallCenter
"""A call center that a user may see.

An id alone means a call center of the user's own client. If that client has no call center with
this id, it means those of the clients below.
"""


def sort_call_centers(centers: Iterable[CallCenterRef]) -> tuple[CallCenterRef, ...]:
    """Return the call centers sorted and without duplicates. Plain ids come first."""
    found = set(centers)
    plain = [one for one in found if not isinstance(one, ClientCallCenter)]
    others = [one for one in found if isinstance(one, ClientCallCenter)]
    return (*sorted(plain), *sorted(others, key=lambda one: (one.client, one.id)))


class Service(_SiteStruct, frozen=True):
    """A service, such as a queue or a skill group.

    The API returns members that no figure uses unchanged. The targets do not affect figures:
    ``target_service_level`` is the percentage that the service level should reach, and
    ``target_seconds`` is the longest acceptable wait.
    """

    id: Id
    name: Name
    call_center: Id | None = None
    sla_seconds: Seconds = 20
    service_level: Formula = "excluding_abandons_within_sla"
    short_abandon_seconds: Seconds | None = None
    count_exits_as: ExitOutcome = "moved_on"
    target_service_level: Annotated[int, Meta(ge=1, le=100)] | None = None
    target_seconds: Seconds | None = None
    pacing_method: EchoedText | None = None
    throttle: EchoedText | None = None
    units: EchoedText | None = None
    max_hold_time: Annotated[int, Meta(ge=-(2**53), le=2**53)] | None = None


class Agent(_SiteStruct, frozen=True):
    """A declared agent. ``login`` is the agent's login name."""

    id: Id
    login: Name
    name: Name | None = None
    team: Id | None = None


class TermCode(_SiteStruct, frozen=True):
    """A term code and its category."""

    code: Name
    category: Category


DEFAULT_TERM_CODES = (
    TermCode(code="RPC", category="rpcComplete"),
    TermCode(code="RPC_INCOMPLETE", category="rpcIncomplete"),
    TermCode(code="WPC", category="wpc"),
)


class NotReadyReason(_SiteStruct, frozen=True):
    """A client's own Not Ready reason, and the standard reason that it counts as."""

    reason: Name
    counts_as: CountedReason


class AlertRule(_SiteStruct, frozen=True):
    """An alert rule for services or, if the figure is ``silence``, for the client.

    The alert fires after the figure has been above (or below) ``threshold`` for ``hold`` seconds,
    and clears when the figure is back at ``clear``. ``services`` and ``call_centers`` are ids.
    Without either, the rule applies to every service of the client. ``min_calls`` applies to rates
    and averages. ``interval`` is the interval length, in seconds, for an ``interval.…`` figure.
    """

    name: Name
    figure: Name
    threshold: float
    clear: float
    above: bool = True
    hold: Seconds = 0
    min_calls: Limit = 0
    hours: str = ""
    services: tuple[Id, ...] = ()
    call_centers: tuple[Id, ...] = ()
    interval: int = DEFAULT_INTERVAL
    to: tuple[Name, ...] = ()


class FloorConfig(_SiteStruct, frozen=True):
    """The configuration of a client's floor, without secrets.

    If ``term_codes`` is empty, the default term codes apply.
    """

    time_zone: Name = "UTC"
    feeds: tuple[DeclaredFeed, ...] = ()
    call_centers: tuple[CallCenter, ...] = ()
    services: tuple[Service, ...] = ()
    agents: tuple[Agent, ...] = ()
    term_codes: tuple[TermCode, ...] = ()
    not_ready_reasons: tuple[NotReadyReason, ...] = ()
    alerts: tuple[AlertRule, ...] = ()


class Limits(_SiteStruct, frozen=True):
    """The limits on a client's open calls and on its names, including those that it declares.

    ``agent_services`` limits the services at which agents are logged in or counted, summed over all
    agents and two days. ``agent_bytes`` limits what the agents' texts of more than 128 characters
    take, and ``call_bytes`` what the open calls take beyond 3 KiB each.
    """

    agents: Limit = 100_000
    agent_services: Limit = 1_000_000
    agent_bytes: Bytes = 64 << 20
    services: Limit = 20_000
    campaigns: Limit = 20_000
    teams: Limit = 20_000
    open_calls: Limit = 200_000
    call_bytes: Bytes = 64 << 20


class User(_SiteStruct, frozen=True):
    """A user or agent who can log in.

    If ``agent`` is true, this is an agent. Agents and users have separate logins, so both can have
    the same name.
    """

    id: Id
    name: Name
    password_hash: str
    role: Role
    call_centers: tuple[CallCenterRef, ...] | None = None
    agent: bool = False


class ScreenKey(_SiteStruct, frozen=True):
    """A key that opens the wallboard without a login, stored as its SHA-256 in hexadecimal.

    The wallboard shows the given services and the services of the given call centers. If neither is
    given, it shows everything.
    """

    digest: str
    call_centers: tuple[Id, ...] = ()
    services: tuple[Id, ...] = ()


class SiteClient(_SiteStruct, frozen=True):
    """A client in its stored form, with tokens and keys as SHA-256 in hexadecimal.

    Webhook secrets are stored as declared, because signing requires them.
    """

    id: Id
    name: Name
    parent: Id | None = None
    api_tokens: tuple[str, ...] = ()
    ingest_keys: tuple[str, ...] = ()
    screens: tuple[ScreenKey, ...] = ()
    metrics_keys: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    floor_config: FloorConfig = field(default=FloorConfig(), name="plan")
    limits: Limits = Limits()
    webhooks: tuple[Webhook, ...] = ()
