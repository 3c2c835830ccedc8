"""The open calls and agents of the followed server, according to its feeds.

All of it is written to the spool, row by row, in the transaction of the events that it led to.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

__all__ = ["AgentNow", "CallNow", "CampaignNow", "State"]

MAX_CALLS = 200_000  # that are open; beyond it, the one that is known longest is forgotten
MAX_ENDED = 10_000  # calls of which is remembered that they ended: a page may come again
MAX_AGE_MS = 26 * 3_600_000  # of a call without an end: the server's feeds reach back 24 h


class CallNow(Struct, kw_only=True, omit_defaults=True):
    """A call that has not ended; times in ms.

    ``waits_at`` is the service at whose queue it was seen, ``turns`` how many it was told to have
    waited at, ``waited_first``: before its first answer, too. ``waited_later`` is how long it
    waited after that. ``served`` is the last service that had it. ``answered`` is its first
    IN_CALL, at ``answered_at``; ``dialed``: the agent of that one made the call. ``agent`` has it
    now, and it has been without one since ``free_since``.
    """

    transaction: int
    session: str
    first_seen: int
    started: int | None = None
    direction: str | None = None
    phone: str | None = None
    account: str | None = None
    waits_at: int | None = None
    turns: int = 0
    waited_first: bool = False
    waited_later: int = 0
    served: int | None = None
    answered: int | None = None
    answered_at: int | None = None
    dialed: bool = False
    agent: str = ""
    free_since: int | None = None

    @property
    def key(self) -> str:
        """Its name in the spool."""
        return name_of(self.transaction, self.session)


class AgentNow(Struct, kw_only=True, omit_defaults=True):
    """An agent's login, last event and its time (ms), and the call in hand."""

    login: str | None = None
    kind: str = ""
    at: int = 0
    call: str = ""


class CampaignNow(Struct, kw_only=True):
    """The counts of a campaign that were sent last, and when (ms)."""

    counts: dict[str, object]
    at: int


class State:
    """Everything that is open, and which of it changed since ``changed`` was last called."""

    def __init__(self) -> None:
        self.calls: dict[str, CallNow] = {}
        self.ended: dict[str, bool] = {}
        self.agents: dict[str, AgentNow] = {}
        self.campaigns: dict[str, CampaignNow] = {}
        self._touched: set[tuple[str, str]] = set()

    def call(self, transaction: int, session: str, at: int) -> CallNow:
        """A call, made where it is not known; changes of it are noted."""
        key = name_of(transaction, session)
        found = self.calls.get(key)
        if found is None:
            found = CallNow(transaction=transaction, session=session, first_seen=at)
            self.calls[key] = found
            self._forget_old(at)
        self._touched.add(("call", key))
        return found

    def release(self, key: str, agent: str, at: int) -> None:
        """An agent has a call no more."""
        call = self.calls.get(key)
        if call is not None and call.agent == agent:
            call.agent, call.free_since, call.waits_at = "", at, None
            self._touched.add(("call", key))

    def has_ended(self, transaction: int, session: str) -> bool:
        """Whether the call has already ended."""
        return name_of(transaction, session) in self.ended

    def end(self, transaction: int, session: str) -> None:
        """Forget a call, but for its name."""
        key = name_of(transaction, session)
        if self.calls.pop(key, None) is not None:
            self._touched.add(("call", key))
        self.ended[key] = True
        self._touched.add(("ended", key))
        while len(self.ended) > MAX_ENDED:
            oldest = next(iter(self.ended))
            del self.ended[oldest]
            self._touched.add(("ended", oldest))

    def agent(self, number: str) -> AgentNow:
        """An agent, made where there is none; changes of it are noted."""
        self._touched.add(("agent", number))
        return self.agents.setdefault(number, AgentNow())

    def keep_campaign(self, number: str, campaign: CampaignNow) -> None:
        """Remember what was sent of a campaign."""
        self.campaigns[number] = campaign
        self._touched.add(("campaign", number))

    def changed(self) -> dict[tuple[str, str], object]:
        """The rows that changed since the last time, None for one that is gone."""
        tables: dict[str, Callable[[str], object]] = {
            "call": self.calls.get,
            "ended": self.ended.get,
            "agent": self.agents.get,
            "campaign": self.campaigns.get,
        }
        rows = {(kind, name): tables[kind](name) for kind, name in self._touched}
        self._touched.clear()
        return rows

    def restore(self, kind: str, name: str, row: bytes) -> None:
        """Take in a row that ``changed`` gave before, as JSON."""
        match kind:
            case "call":
                self.calls[name] = msgspec.json.decode(row, type=CallNow)
            case "ended":
                self.ended[name] = True
            case "agent":
                self.agents[name] = msgspec.json.decode(row, type=AgentNow)
            case "campaign":
                self.campaigns[name] = msgspec.json.decode(row, type=CampaignNow)

    def _forget_old(self, now: int) -> None:
        while True:
            oldest = next(iter(self.calls))
            young = self.calls[oldest].first_seen >= now - MAX_AGE_MS
            if young and len(self.calls) <= MAX_CALLS:
                return
            del self.calls[oldest]
            self._touched.add(("call", oldest))


def name_of(transaction: int, session: str) -> str:
    """A call's name in the spool."""
    return f"{transaction}/{session}"
