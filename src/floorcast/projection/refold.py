"""Folds a floor again from entries, for answers about the past and for ``floorcast verify``.

A refold keeps the calls that leave its floor's memory. The live floor keeps them in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from floorcast.floor.calls import Call
from floorcast.floor.floor import LATE_MS, QUIET_AGENT_MS, QUIET_CALL_MS, Floor
from floorcast.floor.state import FloorState, decode_call, encode_call
from floorcast.model.inbound import LoggedEvent, UnknownEvent, read_lines
from floorcast.model.token import MAX_INDEX, end_of_entry, entry_of, event_id_maker, position, to_ms
from floorcast.projection.runner import RELOAD_EVENTS
from floorcast.site.configuration import FloorConfig

__all__ = ["FoldLimits", "Refold"]

_CallKey = tuple[int, str]
FindCalls = Callable[[Collection[_CallKey]], Mapping[_CallKey, bytes]]
_config_decoder = msgspec.json.Decoder(FloorConfig)


class FoldLimits(NamedTuple):
    """A floor's limits in ms. See ``Floor``."""

    quiet_call: int = QUIET_CALL_MS
    quiet_agent: int = QUIET_AGENT_MS
    late: int = LATE_MS


def _find_no_calls(_keys: Collection[_CallKey]) -> Mapping[_CallKey, bytes]:
    return {}


class Refold:
    """Folds a client's entries after the entry ``base``, starting from the ``state`` at its end.

    ``reached`` is the position up to which events have been folded. ``find_calls`` returns calls
    that had left memory before ``base``.
    """

    def __init__(
        self, state: FloorState, limits: FoldLimits, find_calls: FindCalls = _find_no_calls
    ) -> None:
        self.find_calls = find_calls
        self.floor = Floor(state, *limits)
        self.base = state.entry
        self.reached = end_of_entry(state.entry)
        self._evicted: dict[_CallKey, bytes] = {}

    def fold_entry(
        self, number: int, recorded_at: int, kind: str, payload: bytes, through: int = MAX_INDEX
    ) -> None:
        """Fold an entry up to the event at index ``through``. ``recorded_at`` is in ticks."""
        floor = self.floor
        floor.folded.now = to_ms(recorded_at)
        floor.begin_entry(number, recorded_at)
        self._evicted.update((call.key, encode_call(call)) for call in floor.call_table.evicted)
        floor.call_table.evicted.clear()
        if kind == "site":
            self._apply_site(payload)
        elif kind == "events":
            events = read_lines(payload)
            floor.note_source_events(events)
            if through < len(events) - 1:
                self._fold(number, recorded_at, events[: through + 1])
                self.reached = position(number, through)
                return
            self._fold(number, recorded_at, events)
        self.reached = end_of_entry(number)

    def evicted_calls(self) -> Iterator[Call]:
        """Return the calls that have left the floor's memory."""
        return map(decode_call, self._evicted.values())

    def is_whole(self) -> bool:
        """Return whether the last entry has been folded to its end."""
        return self.reached == end_of_entry(entry_of(self.reached))

    def _apply_site(self, payload: bytes) -> None:
        try:
            config = _config_decoder.decode(payload)
        except msgspec.MsgspecError:  # a newer release wrote it: keep the previous configuration
            return
        self.floor.apply(config)

    def _fold(self, number: int, recorded_at: int, events: Sequence[LoggedEvent]) -> None:
        fold = self.floor.fold
        event_id = event_id_maker(self.floor.state.client, recorded_at, number)
        for begin in range(0, len(events), RELOAD_EVENTS):
            batch = events[begin : begin + RELOAD_EVENTS]
            self._reload_calls(batch)
            for index, event in enumerate(batch, begin):
                if isinstance(event, UnknownEvent):
                    continue
                try:
                    fold(event, recorded_at, event_id(index))
                except Exception:  # noqa: BLE001, S112 -- the live floor logs the error and goes on
                    continue

    def _reload_calls(self, events: Sequence[LoggedEvent]) -> None:
        reload = self.floor.call_table.reload
        older = []
        for key in self.floor.unloaded_calls(events):
            blob = self._evicted.pop(key, None)
            if blob is None:
                older.append(key)
            else:
                reload(decode_call(blob))
        if older:
            for blob in self.find_calls(older).values():
                reload(decode_call(blob))
