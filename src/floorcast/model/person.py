"""Finds a person's values in events and removes them, to erase the person's data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = [
    "PERSONAL_MEMBERS",
    "SAME_CALL_MS",
    "CallKey",
    "Person",
    "PersonCalls",
    "call_key",
    "erase_values",
    "ids_contain",
    "normalize_phone",
    "notations",
]

CallKey = tuple[int, str]
"""A call's transaction id and session id."""

PERSONAL_MEMBERS = frozenset(
    {
        "account",
        "accountNumber",
        "callerId",
        "firstName",
        "fromEmail",
        "lastName",
        "operatorPhone",
        "phoneDialed",
        "phoneNumber",
        "supervisorPhoneNumber",
        "to",
        "toEmail",
    }
)
"""The members of received and published events that are personal data."""

KEPT_MEMBERS = frozenset(
    {
        "eventId", "id", "seqNum", "sessionId", "source", "specversion", "time", "timestamp",
        "transactionId", "type", "agent", "agent2", "agent2Id", "agentId", "agentLoginId",
        "agentServiceId", "agentTeamId", "callCenterId", "callServiceId", "campaign",
        "campaignId", "clientId", "name", "service", "serviceId", "serviceName", "services",
        "team", "callDirection", "callEventType", "direction", "eventType", "interactionType",
        "state", "duration", "end", "lvResultId", "monitored", "operatorTransfer",
        "operatorTransferSuccessful", "priority", "ringSeconds", "roundedIvrDuration",
        "serviceLevelThreshold", "start", "transferHoldDuration", "completed", "dialable",
        "loaded", "remaining", "timezones", "uploaded", "notReadyReasonCode", "reason",
        "termCode",
    }
)  # fmt: skip
"""The members without which an event could not be folded, or a figure would change.

Their values can equal an account or an internal number by chance, such as the id of a service.
"""
SIGNIFICANT_DIGITS = (
    9  # last digits of a number, which are the same with and without a country code
)
PREFIX_DIGITS = 6  # the most digits in a country code and an international prefix
AGENT_TYPE = "agent.state"  # the type of the events that have their call in ``call``
MAX_DIGITS = 15  # the most digits in a phone number (ITU-T E.164)
SAME_CALL_MS = 52 * 3_600_000
"""How long a floor knows a call (``floor.call_table``). After that, its id is another call's."""

_PHONE = re.compile(r"(?:tel:|sip:)?\s*[+(]?[0-9][0-9()./\s-]*(?:@.*)?", re.IGNORECASE)


class Person(NamedTuple):
    """A person's phone numbers (normalized) and accounts, and the hashes of both in an archive."""

    phones: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    hashes: frozenset[str] = frozenset()

    def owns(self, value: object) -> bool:
        """Return whether a value is one of the person's numbers or accounts."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            return False
        text = str(value)
        if text in self.accounts or text in self.hashes:
            return True
        return any(_phone_search(phone)(text) for phone in self.phones)

    def json_pattern(self) -> str:
        """Return an RE2 pattern that matches the JSON of all events that contain a value.

        It also matches some others, such as those that have the value in an id.
        """
        between = r"(?:[\s()./-]|\\[a-z0-9]+){0,3}"  # JSON escapes some white space
        phones = (between.join(phone[-SIGNIFICANT_DIGITS:]) for phone in self.phones)
        accounts = (re.escape(json.dumps(one, ensure_ascii=False)[1:-1]) for one in self.accounts)
        return "|".join((*phones, *accounts)).encode(errors="replace").decode()

    def appears_in(self, data: Any) -> bool:  # noqa: ANN401 -- decoded JSON
        """Return whether an event contains one of the person's values."""
        if isinstance(data, dict):
            return any(
                self.appears_in(value) for name, value in data.items() if name not in KEPT_MEMBERS
            )
        if isinstance(data, list):
            return any(map(self.appears_in, data))
        return self.owns(data)


class PersonCalls:
    """A person's calls, and the times (ms) at which each one is known to be the person's.

    A phone system can use a call's id again for somebody else's call. An archive has years of
    calls, so an id alone does not identify one.
    """

    def __init__(self) -> None:
        self._times: dict[CallKey, list[tuple[int, int]]] = {}

    def add(self, key: CallKey, begin: int, end: int) -> None:
        """Add a call that is the person's from ``begin`` to ``end``."""
        times = self._times.setdefault(key, [])
        if not any(since <= begin and end <= until for since, until in times):
            times.append((begin, end))

    def has(self, key: CallKey | None, begin: int, end: int) -> bool:
        """Return whether the call with this id from ``begin`` to ``end`` is the person's."""
        return key is not None and any(
            begin <= until + SAME_CALL_MS and end >= since - SAME_CALL_MS
            for since, until in self._times.get(key, ())
        )

    def between(self, begin: int, end: int) -> set[CallKey]:
        """Return the ids that are the person's from ``begin`` to ``end``."""
        return {key for key in self._times if self.has(key, begin, end)}


def normalize_phone(text: str) -> str:
    """Return a phone number's digits without leading zeros and ``+``, or "" if it is no number."""
    if not _PHONE.fullmatch(text.strip()):
        return ""
    digits = re.sub(r"[^0-9]", "", text.partition("@")[0]).lstrip("0")
    return digits if len(digits) <= MAX_DIGITS else ""


def notations(phone: str) -> Iterator[str]:
    """Yield every normalized number that is regarded as the same as a normalized number."""
    digits = phone[-SIGNIFICANT_DIGITS:]
    yield digits.lstrip("0")
    for prefix in range(1, 10 ** _prefix_digits(phone)):
        yield f"{prefix}{digits}"


def call_key(event: dict[str, Any]) -> CallKey | None:
    """Return the call that a received or published event is about, or None."""
    data = event.get("data", event)
    if not isinstance(data, dict):
        return None
    call = data.get("call")
    # a call's event may have a member ``call`` that floorcast does not know
    is_of_agent = event.get("type", AGENT_TYPE) == AGENT_TYPE
    found = call if is_of_agent and isinstance(call, dict) else data
    transaction, session = found.get("transactionId"), found.get("sessionId")
    if transaction is None or not isinstance(session, str):
        return None
    try:
        return int(transaction), session
    except (TypeError, ValueError):
        return None


def erase_values(data: Any, person: Person) -> Any:  # noqa: ANN401 -- decoded JSON
    """Return the person's event with null for personal members and for the person's values."""
    if isinstance(data, dict):
        return {
            name: None
            if name in PERSONAL_MEMBERS
            else value
            if name in KEPT_MEMBERS
            else erase_values(value, person)
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [erase_values(value, person) for value in data]
    return None if person.owns(data) else data


def ids_contain(event: dict[str, Any], person: Person) -> bool:
    """Return whether one of the event's ids, which are kept, contains a value of the person."""
    data = event.get("data")
    ids = [event.get("id"), event.get("source")]
    ids += [data.get("sessionId"), data.get("transactionId")] if isinstance(data, dict) else []
    values = (*person.phones, *person.accounts)
    return any(value in str(one) for one in ids for value in values)


def _prefix_digits(phone: str) -> int:
    """Return how many digits can precede the significant ones."""
    return PREFIX_DIGITS if len(phone) >= SIGNIFICANT_DIGITS else 2


@lru_cache(maxsize=64)
def _phone_search(phone: str) -> Callable[[str], object]:
    """Return a function that finds a phone number, with or without country code or separators."""
    digits = r"[\s()./-]{0,3}".join(phone[-SIGNIFICANT_DIGITS:])
    before = _prefix_digits(phone)
    return re.compile(rf"(?<![0-9])(?:[0-9][\s()./-]{{0,3}}){{0,{before}}}{digits}(?![0-9])").search
