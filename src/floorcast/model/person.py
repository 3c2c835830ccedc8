"""A person to be removed: which values are theirs, and events without them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["MEMBERS", "CallKey", "Person", "call_of", "erased", "names_in_ids", "normal_phone"]

CallKey = tuple[int, str]
"""A call's transaction and session."""

MEMBERS = frozenset(
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

KEPT = frozenset({"eventId", "id", "sessionId", "source", "time", "timestamp", "transactionId"})
SAME_DIGITS = 9  # digits at the end of a number that are the same with and without a country code
PREFIX_DIGITS = 6  # digits of a country code and the international prefix
MOST_DIGITS = 15  # digits of a phone number (ITU-T E.164)

_PHONE = re.compile(r"(?:tel:|sip:)?\s*[+(]?[0-9][0-9()./\s-]*(?:@.*)?", re.IGNORECASE)


class Person(NamedTuple):
    """A person's phone numbers (normalized) and accounts."""

    phones: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()

    def owns(self, value: object) -> bool:
        """Whether a value is one of the person's numbers or accounts."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            return False
        text = str(value)
        return text in self.accounts or any(_written(phone)(text) for phone in self.phones)

    def appears_in(self, data: Any) -> bool:  # noqa: ANN401 -- decoded JSON
        """Whether a value of the person is anywhere in an event."""
        if isinstance(data, dict):
            return any(self.appears_in(value) for name, value in data.items() if name not in KEPT)
        if isinstance(data, list):
            return any(map(self.appears_in, data))
        return self.owns(data)


def normal_phone(text: str) -> str:
    """A phone number's digits without leading zeros and ``+``; empty if it is not a number."""
    if not _PHONE.fullmatch(text.strip()):
        return ""
    digits = re.sub(r"[^0-9]", "", text.partition("@")[0]).lstrip("0")
    return digits if len(digits) <= MOST_DIGITS else ""


def call_of(event: dict[str, Any]) -> CallKey | None:
    """The call that an event, received or published, is about."""
    data = event.get("data", event)
    if not isinstance(data, dict):
        return None
    call = data.get("call")
    found = call if isinstance(call, dict) else data
    transaction, session = found.get("transactionId"), found.get("sessionId")
    if transaction is None or not isinstance(session, str):
        return None
    try:
        return int(transaction), session
    except (TypeError, ValueError):
        return None


def erased(data: Any, person: Person) -> Any:  # noqa: ANN401 -- decoded JSON
    """An event of the person with null for every personal member and for every value of theirs."""
    if isinstance(data, dict):
        return {
            name: None if name in MEMBERS else value if name in KEPT else erased(value, person)
            for name, value in data.items()
        }
    if isinstance(data, list):
        return [erased(value, person) for value in data]
    return None if person.owns(data) else data


def names_in_ids(event: dict[str, Any], person: Person) -> bool:
    """Whether an id of the event, which is kept, contains a value of the person."""
    data = event.get("data")
    ids = [event.get("id"), event.get("source")]
    ids += [data.get("sessionId"), data.get("transactionId")] if isinstance(data, dict) else []
    values = (*person.phones, *person.accounts)
    return any(value in str(one) for one in ids for value in values)


@lru_cache(maxsize=64)
def _written(phone: str) -> Callable[[str], object]:
    """Finds a phone number in a text: with or without country code, with or without separators."""
    digits = r"[\s()./-]{0,3}".join(phone[-SAME_DIGITS:])
    before = PREFIX_DIGITS if len(phone) >= SAME_DIGITS else 2
    return re.compile(rf"(?<![0-9])(?:[0-9][\s()./-]{{0,3}}){{0,{before}}}{digits}(?![0-9])").search
