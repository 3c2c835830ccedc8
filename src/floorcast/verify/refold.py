"""The floor as the server has it: the log folded, by the real fold, entry after entry."""

from __future__ import annotations

import msgspec

from floorcast.floor.floor import Floor
from floorcast.floor.state import FloorState, decode_call, encode_call
from floorcast.model.inbound import UnknownEvent, read_lines
from floorcast.model.token import event_id_maker
from floorcast.site.configuration import FloorConfig
from floorcast.statistics.visibility import Moment

__all__ = ["Refold"]

_config_decoder = msgspec.json.Decoder(FloorConfig)


class Refold:
    """Folds a client's entries from nothing; what leaves the floor is kept beside it."""

    def __init__(self, client: int, limits: Moment) -> None:
        state = FloorState(client=client)
        self.floor = Floor(state, limits.quiet_call, limits.quiet_agent, limits.late_state)
        self._gone: dict[tuple[int, str], bytes] = {}

    def take(self, number: int, recorded_at: int, kind: str, payload: bytes) -> None:
        """Fold an entry; ``recorded_at`` in ticks."""
        floor = self.floor
        floor.begin_entry(number, recorded_at)
        self._gone.update((call.key, encode_call(call)) for call in floor.call_table.evicted)
        floor.call_table.evicted.clear()
        if kind == "site":
            floor.apply(_config_decoder.decode(payload))
            return
        if kind != "events":  # of a newer release
            return
        events = read_lines(payload)
        for key in floor.unknown_calls(events):
            if key in self._gone:
                floor.call_table.reload(decode_call(self._gone.pop(key)))
        event_id = event_id_maker(floor.state.client, recorded_at, number)
        for index, event in enumerate(events):
            if not isinstance(event, UnknownEvent):
                floor.fold(event, recorded_at, event_id(index))
