"""The schemas of the archive's Parquet files. ``docs/archive.md`` describes each column."""

from __future__ import annotations

from functools import cache

import pyarrow as pa

from floorcast.floor.counters import CATEGORIES
from floorcast.floor.intervals import MOVED_ON, Column
from floorcast.model.states import State

__all__ = [
    "AGENT_CALLS",
    "COUNTERS",
    "FILES",
    "REASONS",
    "SCHEMAS",
    "STATE_COLUMNS",
    "VISIT_COLUMNS",
    "moved_on_column",
]

MOMENT = pa.timestamp("ms", tz="UTC")
NUMBER = pa.int64()
TEXT = pa.string()
BOOLEAN = pa.bool_()

COUNTERS = {
    "offered": Column.OFFERED,
    "handled": Column.HANDLED,
    "unqueued": Column.UNQUEUED,
    "answeredWithinSLA": Column.ANSWERED_WITHIN,
    "waitMs": Column.WAIT,
    "abandoned": Column.ABANDONED,
    "abandonedWaitMs": Column.ABANDONED_WAIT,
    "abandonedWithinSLA": Column.ABANDONED_WITHIN,
    "abandonedShort": Column.ABANDONED_SHORT,
    "talks": Column.TALKS,
    "talkMs": Column.TALK,
    "wrapupMs": Column.WRAP_UP,
    "transferred": Column.TRANSFERRED,
    "missed": Column.MISSED,
    "readyTimeMs": Column.READY_TIME,
    "inCallTimeMs": Column.IN_CALL_TIME,
    "holdTimeMs": Column.HOLD_TIME,
    "wrapupTimeMs": Column.WRAP_UP_TIME,
    "notReadyTimeMs": Column.NOT_READY_TIME,
    "otherTimeMs": Column.OTHER_TIME,
}
"""The columns of ``service_intervals`` that correspond to counters of the floor."""


def _camel(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


@cache
def moved_on_column(reason: str) -> str:
    """Return the name of the column for calls that moved on for this reason."""
    return f"movedOn{_camel(reason).capitalize()}"


STATES = [state for state in State if state is not State.LOGOFF]
STATE_COLUMNS = {state: f"{_camel(state.name)}Ms" for state in STATES}
"""The columns of ``agent_intervals`` with the time in each state."""
VISIT_COLUMNS = {state: f"{_camel(state.name)}Visits" for state in STATES}
REASONS = ("lunch", "training", "break", "meeting", "techDiff", "other")
"""The Not Ready reasons that have their own counters, in the order of the counters."""
AGENT_CALLS = ("inboundCalls", "outboundCalls", *CATEGORIES)

_SERVICE = [("serviceId", NUMBER), ("serviceName", TEXT)]
_AGENT = [("agentId", NUMBER), ("agentLoginId", TEXT)]

SCHEMAS: dict[str, pa.Schema] = {
    "events": pa.schema(
        [
            ("position", NUMBER),
            ("token", TEXT),
            ("recordedAt", MOMENT),
            ("time", MOMENT),
            ("type", TEXT),
            ("source", TEXT),
            ("id", TEXT),
            ("transactionId", TEXT),
            ("sessionId", TEXT),
            ("data", TEXT),
        ]
    ),
    "calls": pa.schema(
        [
            ("transactionId", TEXT),
            ("sessionId", TEXT),
            ("segment", NUMBER),
            *_SERVICE,
            ("campaignId", NUMBER),
            ("direction", TEXT),
            ("phone", TEXT),
            ("account", TEXT),
            ("firstName", TEXT),
            ("lastName", TEXT),
            ("started", MOMENT),
            ("joined", MOMENT),
            ("answered", MOMENT),
            ("left", MOMENT),
            ("ended", MOMENT),
            ("expired", MOMENT),
            ("outcome", TEXT),
            ("reason", TEXT),
            ("withinSLA", BOOLEAN),
            ("short", BOOLEAN),
            ("transferred", BOOLEAN),
            ("waitMs", NUMBER),
            ("talkMs", NUMBER),
            ("wrapupMs", NUMBER),
            *_AGENT,
            ("lvResult", TEXT),
            ("termCode", TEXT),
        ]
    ),
    "agent_states": pa.schema(
        [*_AGENT, *_SERVICE, ("state", TEXT), ("reason", TEXT), ("begin", MOMENT), ("end", MOMENT)]
    ),
    "service_intervals": pa.schema(
        [
            *_SERVICE,
            ("start", MOMENT),
            ("end", MOMENT),
            *((name, NUMBER) for name in COUNTERS),
            *((moved_on_column(reason), NUMBER) for reason in MOVED_ON),
            ("agentsMax", NUMBER),
            ("queueMax", NUMBER),
            ("waits", pa.list_(NUMBER)),
        ]
    ),
    "agent_intervals": pa.schema(
        [
            *_AGENT,
            ("agentName", TEXT),
            *_SERVICE,
            ("start", MOMENT),
            ("end", MOMENT),
            *((name, NUMBER) for name in AGENT_CALLS),
            *((name, NUMBER) for name in STATE_COLUMNS.values()),
            *((f"notReady{reason[0].upper()}{reason[1:]}Ms", NUMBER) for reason in REASONS),
            *((name, NUMBER) for name in VISIT_COLUMNS.values()),
        ]
    ),
}
"""The schemas of an hour's files, by file name."""

FILES = tuple(SCHEMAS)
