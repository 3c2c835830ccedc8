"""Formats events as lines of text with aligned columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from floorcast.client.events import (
    AgentEvent,
    CallDisposition,
    CallStart,
    CallTermination,
    Email,
    Interaction,
    Sms,
)
from floorcast.model.text import printable

__all__ = ["AgentLines", "InteractionLines"]

Cell = str | int | None

MIN_RESULT = 10  # characters of the last column
MAX_LOGINS = 100_000  # agents whose login is remembered

_NO_NAMES: Mapping[int, str] = MappingProxyType({})


class _Column(NamedTuple):
    """A column, and its width in characters in a wide and in a narrow terminal.

    In a narrow terminal, the column with the highest ``leaves`` leaves first, and 0 always stays.
    """

    heading: str
    wide: int
    narrow: int
    leaves: int = 0


_AGENT = (
    _Column("time", 12, 8),
    _Column("agent", 14, 10),
    _Column("event", 22, 14),
    _Column("reason", 10, 8),
    _Column("line", 6, 6, 2),
    _Column("service", 16, 12),
    _Column("session", 24, 24, 3),
    _Column("phone", 14, 12, 1),
    _Column("result", 0, 0),
)
_INTERACTION = (
    _Column("time", 12, 8),
    _Column("type", 5, 5, 1),
    _Column("event", 16, 16),
    _Column("service", 16, 12),
    _Column("campaign", 11, 11, 2),
    _Column("session", 26, 26, 3),
    _Column("customer", 24, 15),
    _Column("agent", 14, 10),
    _Column("result", 0, 0),
)


class _Lines:
    """Formats the lines of a feed for a terminal of ``width`` characters (None: no limit).

    ``services`` has the names of services by id. Agents' logins are learned from the events.
    """

    def __init__(
        self,
        columns: tuple[_Column, ...],
        width: int | None = None,
        services: Mapping[int, str] = _NO_NAMES,
    ) -> None:
        self._services = services
        self._logins: dict[int, str] = {}
        self._width = width
        self._is_narrow = width is not None and _total([one.wide for one in columns], 2) > width
        self._columns = _remaining(columns, width) if self._is_narrow and width else columns
        self._shown = [columns.index(one) for one in self._columns]
        self.heading = self._line(*(one.heading for one in columns))

    def _line(self, *cells: Cell) -> str:
        texts = ["-" if cell in {None, ""} else printable(str(cell)) for cell in cells]
        shown = [texts[at] for at in self._shown]
        if not self._is_narrow:
            padded = (text.ljust(one.wide) for text, one in zip(shown, self._columns, strict=True))
            return "  ".join(padded).rstrip()
        assert self._width is not None
        padded = (
            _cut(text, one.narrow or len(text)).ljust(one.narrow)
            for text, one in zip(shown, self._columns, strict=True)
        )
        return _cut(" ".join(padded).rstrip(), self._width)

    def _time(self, moment: int | str | None) -> str | None:
        return _local_time(moment, "seconds" if self._is_narrow else "milliseconds")

    def _service(self, number: int | None) -> Cell:
        return number if number is None else self._services.get(number, number)

    def _agent(self, number: int | None, login: str | None = None) -> Cell:
        """Return the agent's login if this or an earlier event has it, or the id."""
        if number is None:
            return login
        if login and (number in self._logins or len(self._logins) < MAX_LOGINS):
            self._logins[number] = login
        return login or self._logins.get(number, number)


class AgentLines(_Lines):
    """Formats the events of the agent feed."""

    def __init__(self, width: int | None = None, services: Mapping[int, str] = _NO_NAMES) -> None:
        super().__init__(_AGENT, width, services)

    def line(self, event: AgentEvent) -> str:
        """Return the line for an agent's state change."""
        return self._line(
            self._time(event.timestamp),
            self._agent(event.agent_id, event.agent_login_id),
            event.event_type,
            event.not_ready_reason_code,
            event.line_number,
            self._service(event.call_service_id or event.agent_service_id),
            event.session_id,
            event.phone_number,
            event.result,
        )


class InteractionLines(_Lines):
    """Formats the events of the interaction feed."""

    def __init__(self, width: int | None = None, services: Mapping[int, str] = _NO_NAMES) -> None:
        super().__init__(_INTERACTION, width, services)

    def line(self, event: Interaction) -> str:
        """Return the line for a call, an email or an SMS.

        An unknown type gets the common members.
        """
        what, customer, agent, result = self._details(event)
        return self._line(
            self._time(event.timestamp),
            (event.interaction_type or "").upper(),
            what,
            self._service(event.service_id),
            event.campaign_id,
            event.session_id,
            customer,
            agent,
            result,
        )

    def _details(self, event: Interaction) -> tuple[Cell, Cell, Cell, str]:
        """Return the event type, the customer, the agent and the result."""
        match event:
            case CallTermination():
                took = "" if event.duration is None else f"{event.duration} s"
                return (*self._call(event), _join(took, event.lv_result))
            case CallStart():
                return (*self._call(event), _join(event.call_direction))
            case CallDisposition():
                result = _join(event.term_code, event.agent_action_type)
                agent = self._agent(event.agent_id)
                return event.call_event_type, event.phone_dialed, agent, result
            case Email():
                return event.event_type, event.to_email, None, _join(event.carrier)
            case Sms():
                return event.event_type, event.phone_number, None, _join(event.carrier)
            case _:
                return None, None, None, ""

    def _call(self, event: CallStart) -> tuple[Cell, Cell, Cell]:
        inbound = event.call_direction == "INBOUND"
        customer = event.caller_id if inbound else event.phone_dialed
        return (
            event.call_event_type,
            customer or event.phone_dialed or event.caller_id,
            self._agent(event.agent_id, event.agent_login_id),
        )


def _remaining(columns: tuple[_Column, ...], width: int) -> tuple[_Column, ...]:
    """Return the columns that stay in a narrow terminal."""
    while _total([one.narrow for one in columns], 1) > width:
        leaving = max(columns, key=lambda one: one.leaves)
        if not leaving.leaves:
            break
        columns = tuple(one for one in columns if one is not leaving)
    return columns


def _total(widths: list[int], gap: int) -> int:
    return sum(widths) + MIN_RESULT + gap * (len(widths) - 1)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _join(*words: str | None) -> str:
    return ", ".join(word for word in words if word)


def _local_time(moment: int | str | None, precision: str) -> str | None:
    """Return the local time of day. Text that is not a time is returned unchanged."""
    try:
        if isinstance(moment, int):
            at = datetime.fromtimestamp(moment / 1000, UTC)
        else:
            at = datetime.fromisoformat(moment or "")
    except (ValueError, OverflowError, OSError):
        return None if moment is None else str(moment)
    return at.astimezone().time().isoformat(precision)
