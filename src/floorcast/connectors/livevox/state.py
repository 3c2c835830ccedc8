"""The open calls and agents of the followed server, according to its feeds.

Changed rows are written to the spool in the same transaction as the events that result from them.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

__all__ = ["FeedAgent", "FeedCall", "FeedState", "SentCampaign"]

MAX_CALLS = 200_000  # open calls; if there are more, the oldest is forgotten
MAX_ENDED = 10_000  # ended calls that are remembered, because a page may arrive again
MAX_AGE_MS = 26 * 3_600_000  # of a call without an end; the server's feeds reach back 24 h


class FeedCall(Struct, kw_only=True, omit_defaults=True):
    """A call that has not ended. Times are in ms.

    ``waits_at`` is the service in whose queue the call was seen. ``turns`` is the number of
    services at which the call is known to have waited. ``waited_first`` is true if its wait before
    the first answer is known. ``waited_later`` is the time that it waited after the first answer.
    ``served`` is the last service that had the call. ``answered`` is the time of the first IN_CALL,
    and ``answered_at`` is the service of that IN_CALL. ``dialed`` is true if the agent of that
    IN_CALL dialed the call. ``agent`` is the agent who has the call now. If it is
    empty, ``free_since`` is the time when the call began to have no agent.
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
        """The name of the call in the spool."""
        return call_key(self.transaction, self.session)


class FeedAgent(Struct, kw_only=True, omit_defaults=True):
    """An agent's login, the type and time (ms) of the last event, and the current call."""

    login: str | None = None
    kind: str = ""
    at: int = 0
    call: str = ""


class SentCampaign(Struct, kw_only=True):
    """The counts last sent for a campaign, and the time when they were sent (ms)."""

    counts: dict[str, object]
    at: int


class FeedState:
    """All open calls and agents, and the changes since ``take_changes`` was last called."""

    def __init__(self) -> None:
        self.calls: dict[str, FeedCall] = {}
        self.ended: dict[str, bool] = {}
        self.agents: dict[str, FeedAgent] = {}
        self.campaigns: dict[str, SentCampaign] = {}
        self._changed: set[tuple[str, str]] = set()

    def call(self, transaction: int, session: str, at: int) -> FeedCall:
        """Return a call, which is created if necessary, and mark it as changed."""
        key = call_key(transaction, session)
        found = self.calls.get(key)
        if found is None:
            found = FeedCall(transaction=transaction, session=session, first_seen=at)
            self.calls[key] = found
            self._forget_old(at)
        self._changed.add(("call", key))
        return found

    def release(self, key: str, agent: str, at: int) -> None:
        """Note that an agent no longer has a call."""
        call = self.calls.get(key)
        if call is not None and call.agent == agent:
            call.agent, call.free_since, call.waits_at = "", at, None
            self._changed.add(("call", key))

    def has_ended(self, transaction: int, session: str) -> bool:
        """Return whether the call has already ended."""
        return call_key(transaction, session) in self.ended

    def end(self, transaction: int, session: str) -> None:
        """Forget a call, but remember that it has ended."""
        key = call_key(transaction, session)
        if self.calls.pop(key, None) is not None:
            self._changed.add(("call", key))
        self.ended[key] = True
        self._changed.add(("ended", key))
        while len(self.ended) > MAX_ENDED:
            oldest = next(iter(self.ended))
            del self.ended[oldest]
            self._changed.add(("ended", oldest))

    def agent(self, number: str) -> FeedAgent:
        """Return an agent, which is created if necessary, and mark it as changed."""
        self._changed.add(("agent", number))
        return self.agents.setdefault(number, FeedAgent())

    def store_campaign(self, number: str, campaign: SentCampaign) -> None:
        """Store the counts last sent for a campaign."""
        self.campaigns[number] = campaign
        self._changed.add(("campaign", number))

    def take_changes(self) -> dict[tuple[str, str], object]:
        """Return the rows that changed since the last call of this method.

        A removed row is None.
        """
        tables: dict[str, Callable[[str], object]] = {
            "call": self.calls.get,
            "ended": self.ended.get,
            "agent": self.agents.get,
            "campaign": self.campaigns.get,
        }
        rows = {(kind, name): tables[kind](name) for kind, name in self._changed}
        self._changed.clear()
        return rows

    def restore(self, kind: str, name: str, row: bytes) -> None:
        """Restore a row that ``take_changes`` returned earlier. The row is encoded as JSON."""
        match kind:
            case "call":
                self.calls[name] = msgspec.json.decode(row, type=FeedCall)
            case "ended":
                self.ended[name] = True
            case "agent":
                self.agents[name] = msgspec.json.decode(row, type=FeedAgent)
            case "campaign":
                self.campaigns[name] = msgspec.json.decode(row, type=SentCampaign)

    def _forget_old(self, now: int) -> None:
        while True:
            oldest = next(iter(self.calls))
            is_recent = self.calls[oldest].first_seen >= now - MAX_AGE_MS
            if is_recent and len(self.calls) <= MAX_CALLS:
                return
            del self.calls[oldest]
            self._changed.add(("call", oldest))


def call_key(transaction: int, session: str) -> str:
    """Return a call's name in the spool."""
    return f"{transaction}/{session}"
