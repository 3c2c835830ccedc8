"""One call: what is known of it, and its legs.

A *leg* is the call's turn at one service: from joining the queue (or from an answer without
one) to being answered, passed on or ended. Legs follow the events' own times, not the order
in which they came: an event that arrives late has the legs built anew from all steps, so a
call's figures are the same whatever the order of arrival (events of one time: in the order
taken).
"""

from __future__ import annotations

from msgspec import Struct, field

from floorcast.floor.directory import NO_SERVICE
from floorcast.site.configuration import Category

__all__ = ["ANSWER", "END", "QUEUE", "START", "Call", "Disposition", "Key", "QueueSegment", "Step"]

Key = tuple[int, str]
"""A call's name: its transaction id and its session id."""

START, QUEUE, ANSWER, END = range(4)


class Step(Struct, array_like=True, gc=False):
    """An event that moved the call: when (ms), which, and the service and agent it named."""

    at: int
    kind: int
    service: int | None
    agent: int | None


class QueueSegment(Struct, gc=False):
    """The call's turn at one service; moments in ms, None for what did not happen (yet).

    ``within`` and ``short``: the wait as it was last judged (``floorcast.floor.tally``).
    """

    service: int
    joined: int | None = None
    answered: int | None = None
    agent: int | None = None
    left: int | None = None
    within: bool = False
    short: bool = False

    def wait(self, until: int) -> int:
        """The wait in queue up to its end, or to ``until`` while it lasts; in ms."""
        if self.joined is None:
            return 0
        end = self.answered if self.answered is not None else self.left
        return (end if end is not None else until) - self.joined


class Disposition(Struct, gc=False):
    """The latest term code of a call."""

    at: int
    code: str | None
    category: Category
    agent: int | None
    service: int


class Call(Struct, gc=False):
    """A call in progress or lately ended."""

    transaction: int
    session: str
    steps: list[Step] = field(default_factory=list)
    legs: list[QueueSegment] = field(default_factory=list)
    service: int | None = None
    started: int | None = None
    ended: int | None = None
    last_step: int = 0
    last_event: int = 0
    last_taken: int = 0
    direction: str | None = None
    campaign: int | None = None
    campaign_type: str | None = None
    phone_dialed: str | None = None
    caller_id: str | None = None
    account: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    total_due: float | None = None
    zip_code: str | None = None
    area_code_state: str | None = None
    phone_position: str | int | None = None
    priority: int | None = None
    operator_phone: str | None = None
    skill: str | int | None = None
    lv_result: str | None = None
    disposition: Disposition | None = None

    @property
    def key(self) -> Key:
        """The call's name."""
        return (self.transaction, self.session)

    @property
    def leg(self) -> QueueSegment | None:
        """The present leg: the one that waits or talks, or the last one."""
        return self.legs[-1] if self.legs else None

    @property
    def waiting(self) -> bool:
        """It waits for an agent now."""
        leg = self.leg
        return leg is not None and leg.answered is None and leg.left is None

    @property
    def waiting_since(self) -> int | None:
        """When it began to wait for an agent, in ms; None: it does not wait now."""
        leg = self.leg
        if leg is None or leg.answered is not None or leg.left is not None:
            return None
        return leg.joined

    @property
    def progress(self) -> str:
        """How far it has come: DIALING, QUEUED or CONNECTED."""
        leg = self.leg
        if leg is None:
            return "DIALING"
        return "QUEUED" if leg.answered is None else "CONNECTED"

    @property
    def customer_phone(self) -> str | None:
        """The customer's number: the caller's of an inbound call, else the one dialed.

        A call of which no direction is known has the one of the two that is. Source: section 7 of
        the contract.
        """
        if self.direction == "INBOUND" or (self.direction is None and self.phone_dialed is None):
            return self.caller_id
        return self.phone_dialed

    @property
    def connected(self) -> bool:
        """It is with an agent now."""
        leg = self.leg
        return leg is not None and leg.answered is not None and leg.left is None

    @property
    def agent(self) -> int | None:
        """The agent that answered it last; None when nobody did, or somebody unnamed."""
        for leg in reversed(self.legs):
            if leg.answered is not None:
                return leg.agent
        return None

    @property
    def first_answer(self) -> int | None:
        """When it was first answered, in ms."""
        for leg in self.legs:
            if leg.answered is not None:
                return leg.answered
        return None

    @property
    def present_service(self) -> int:
        """The service that has the call now."""
        leg = self.leg
        if leg is not None and leg.service != NO_SERVICE:
            return leg.service
        return NO_SERVICE if self.service is None else self.service

    def waited_over(self, midnight: int, quiet_ms: int) -> bool:
        """It waits since before ``midnight``, and was not quiet by then."""
        leg = self.leg
        if leg is None or leg.joined is None or not self.waiting:
            return False
        return leg.joined < midnight < self.last_event + quiet_ms

    def take(self, step: Step) -> None:
        """Add what happened; steps may come in any order of time."""
        self.steps.append(step)
        # a beginning that comes after others may hold the service that they lacked
        begins_late = step.kind == START and (self.legs or self.service is not None)
        if step.at >= self.last_step and not begins_late:
            self.last_step = step.at
            self._apply(step)
            return
        self.legs.clear()
        self.service = self.started = self.ended = None
        starts = [known for known in self.steps if known.kind == START]
        if starts:
            self.service = min(starts, key=lambda known: known.at).service
        for known in sorted(self.steps, key=lambda known: known.at):
            self._apply(known)

    def _apply(self, step: Step) -> None:
        if step.kind == START:
            if self.started is None:
                self.started = step.at
            if self.service is None:
                self.service = step.service
        elif self.ended is not None:
            return
        elif step.kind == QUEUE:
            self._join(step)
        elif step.kind == ANSWER:
            self._answer(step)
        else:
            self.ended = step.at
            if self.leg is not None:
                self.leg.left = step.at
            elif self.service is None:
                self.service = step.service

    def _join(self, step: Step) -> None:
        service = step.service if step.service is not None else self.present_service
        leg = self.leg
        if leg is not None and leg.left is None:
            if leg.answered is None and leg.service == service:
                return  # said again: it has been waiting there all along
            leg.left = step.at
        if self.service is None and step.service is not None:
            self.service = service
        self.legs.append(QueueSegment(service, joined=step.at))

    def _answer(self, step: Step) -> None:
        leg = self.leg
        if leg is None or leg.left is not None:
            service = self.service if self.service is not None else step.service
            self.service = service
            named = NO_SERVICE if service is None else service
            self.legs.append(QueueSegment(named, answered=step.at, agent=step.agent))
        elif leg.answered is None:
            leg.answered, leg.agent = step.at, step.agent
        elif leg.agent is None:
            leg.agent = step.agent  # answered by someone unnamed, who is named now
