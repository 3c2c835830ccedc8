"""Tracks which channels hear each other, through bridges and Local channels. No I/O.

A Local channel that is not optimized away (``/n``) connects a caller to their agent's telephone. It
has two halves. The queue sees the near half, and a transfer affects the far half.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Bridges", "interface_of"]

MAX_REACHABLE = 64  # channels searched; a larger bridge is a conference and not a transfer


class Bridges:
    """The bridges of one Asterisk server. Channels are identified by their Uniqueid."""

    def __init__(self, channels: Iterable[tuple[str, str, str]] = ()) -> None:
        """``channels`` has the Uniqueid, name and bridge of each existing channel."""
        self._bridge: dict[str, str] = {}
        self._channels: dict[str, set[str]] = {}
        self._other_half: dict[str, str] = {}
        self._names: dict[str, str] = {}
        halves: dict[str, str] = {}
        for channel, name, bridge in channels:
            self._names[channel] = name
            if bridge:
                self.enter(bridge, channel, name)
            prefix, _, half = name.rpartition(";")
            if half in {"1", "2"} and (other := halves.setdefault(prefix, channel)) != channel:
                self.pair(channel, other)

    def enter(self, bridge: str, channel: str, name: str) -> None:
        """Note that a channel is in this bridge and in no other."""
        self.leave(self._bridge.get(channel, ""), channel)
        self._names[channel] = name
        self._bridge[channel] = bridge
        self._channels.setdefault(bridge, set()).add(channel)

    def leave(self, bridge: str, channel: str) -> None:
        """Note that a channel left a bridge.

        If the event is late, the channel may already be in another bridge.
        """
        if self._bridge.get(channel) != bridge:
            return
        del self._bridge[channel]
        channels = self._channels[bridge]
        channels.discard(channel)
        if not channels:
            del self._channels[bridge]

    def pair(self, one: str, two: str) -> None:
        """Note that two channels are the halves of a Local channel."""
        self._other_half[one], self._other_half[two] = two, one

    def remove(self, channel: str) -> None:
        """Forget a channel that hung up."""
        self.leave(self._bridge.get(channel, ""), channel)
        self._names.pop(channel, None)
        other = self._other_half.pop(channel, None)
        if other is not None:
            self._other_half.pop(other, None)

    def reachable_from(self, channel: str) -> list[str]:
        """Return the channels that hear this channel, nearest first, beginning with itself."""
        found = [channel]
        for one in found:  # grows during the loop
            neighbors = sorted(self._channels.get(self._bridge.get(one, ""), ()))
            neighbors += filter(None, [self._other_half.get(one)])
            found += [neighbor for neighbor in neighbors if neighbor not in found][
                : MAX_REACHABLE - len(found)
            ]
        return found

    def interface(self, channel: str) -> str:
        """Return the interface of a channel, or an empty string if it is unknown."""
        return interface_of(self._names.get(channel, ""))


def interface_of(name: str) -> str:
    """Return the interface of a telephone's channel: ``PJSIP/anna`` for ``PJSIP/anna-0000002a``.

    Returns an empty string for half of a Local channel, which is not a telephone.
    """
    return "" if ";" in name else name.rpartition("-")[0]
