"""Formats events as lines of text with aligned columns."""

from __future__ import annotations

from datetime import UTC, datetime

from floorcast.client.events import (
    AgentEvent,
    CallDisposition,
    CallStart,
    CallTermination,
    Email,
    Interaction,
    Sms,
)

__all__ = ["AGENT_HEADING", "INTERACTION_HEADING", "agent_line", "interaction_line", "printable"]

_AGENT = (12, 14, 22, 10, 6, 11, 24, 14, 0)  # characters
_INTERACTION = (12, 5, 16, 11, 11, 26, 24, 14, 0)  # characters

Cell = str | int | None


def printable(text: str) -> str:
    """Replace unprintable characters with ``?``, because anybody may have written the text."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def agent_line(event: AgentEvent) -> str:
    """Return the line for an agent's state change."""
    return _line(
        _AGENT,
        _local_time(event.timestamp),
        event.agent_login_id or event.agent_id,
        event.event_type,
        event.not_ready_reason_code,
        event.line_number,
        event.call_service_id or event.agent_service_id,
        event.session_id,
        event.phone_number,
        event.result,
    )


def interaction_line(event: Interaction) -> str:
    """Return the line for a call, an email or an SMS. An unknown type gets the common members."""
    what, customer, agent, result = _details(event)
    return _line(
        _INTERACTION,
        _local_time(event.timestamp),
        (event.interaction_type or "").upper(),
        what,
        event.service_id,
        event.campaign_id,
        event.session_id,
        customer,
        agent,
        result,
    )


def _details(event: Interaction) -> tuple[Cell, Cell, Cell, str]:
    """Return the event type, the customer, the agent and the result."""
    match event:
        case CallTermination():
            took = "" if event.duration is None else f"{event.duration} s"
            return (*_call(event), _join(took, event.lv_result))
        case CallStart():
            return (*_call(event), _join(event.call_direction))
        case CallDisposition():
            result = _join(event.term_code, event.agent_action_type)
            return event.call_event_type, event.phone_dialed, event.agent_id, result
        case Email():
            return event.event_type, event.to_email, None, _join(event.carrier)
        case Sms():
            return event.event_type, event.phone_number, None, _join(event.carrier)
        case _:
            return None, None, None, ""


def _call(event: CallStart) -> tuple[Cell, Cell, Cell]:
    inbound = event.call_direction == "INBOUND"
    customer = event.caller_id if inbound else event.phone_dialed
    return (
        event.call_event_type,
        customer or event.phone_dialed or event.caller_id,
        event.agent_login_id or event.agent_id,
    )


def _join(*words: str | None) -> str:
    return ", ".join(word for word in words if word)


def _line(widths: tuple[int, ...], *cells: Cell) -> str:
    texts = ("-" if cell in {None, ""} else printable(str(cell)) for cell in cells)
    return "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip()


def _local_time(moment: int | str | None) -> str | None:
    """Return the local time of day. Text that is not a time is returned unchanged."""
    try:
        if isinstance(moment, int):
            at = datetime.fromtimestamp(moment / 1000, UTC)
        else:
            at = datetime.fromisoformat(moment or "")
    except (ValueError, OverflowError, OSError):
        return None if moment is None else str(moment)
    return at.astimezone().strftime("%H:%M:%S.%f")[:-3]


AGENT_HEADING = _line(
    _AGENT, "time", "agent", "event", "reason", "line", "service", "session", "phone", "result"
)
INTERACTION_HEADING = _line(
    _INTERACTION,
    "time", "type", "event", "service", "campaign", "session", "customer", "agent", "result",
)  # fmt: skip
