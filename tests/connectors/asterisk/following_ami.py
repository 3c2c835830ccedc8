"""A manager interface whose lists follow the events that Asterisk sent, received or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from floorcast.connectors.asterisk.frames import AmiFrame
from tests.connectors.asterisk.fake_ami import FakeAmi, encoded
from tests.connectors.breaking_writer import BreakingWriter

__all__ = ["FollowingAmi"]

MEMBER_EVENTS = {"QueueMemberStatus", "QueueMemberAdded", "QueueMemberPause"}
LIST_EVENTS = {"QueueMember", "QueueEntry", "CoreShowChannel"}


class FollowingAmi(FakeAmi):
    """Sends a capture's events, and answers with the state after the last one.

    ``clock`` returns Asterisk's time. ``output`` can break the connection.
    """

    def __init__(self, clock: Callable[[], float], members: list[AmiFrame]) -> None:
        super().__init__()
        self._clock = clock
        self._members = {(one["Queue"], one["Location"]): one for one in members}
        self._entries: dict[str, AmiFrame] = {}
        self._channels: dict[str, AmiFrame] = {}
        self._began: dict[str, float] = {}
        self.output = BreakingWriter(self._writers)

    async def play(self, frame: AmiFrame, times: int = 1) -> None:
        """Change the state, and send the event to the connection, if there is one."""
        self._follow(frame)
        for writer in list(self._writers):
            self.output.write(writer, encoded(frame) * times)

    def _send_answer(self, writer: asyncio.StreamWriter, answer: AmiFrame) -> None:
        self.output.write(writer, encoded(answer))

    def _answers(self, asked: AmiFrame, writer: asyncio.StreamWriter) -> list[AmiFrame]:
        self.members = list(self._members.values())
        self.entries = [
            {**one, "Wait": str(int(self._clock() - self._began[f"entry {caller}"]))}
            for caller, one in self._entries.items()
        ]
        self.channels = [
            {**one, "Duration": _duration(self._clock() - self._began[channel])}
            for channel, one in self._channels.items()
        ]
        now = {"Timestamp": f"{self._clock():.6f}"}
        return [
            one if one.get("Event") in LIST_EVENTS else {**one, **now}
            for one in super()._answers(asked, writer)
        ]

    def _follow(self, frame: AmiFrame) -> None:
        event, channel = frame["Event"], frame.get("Uniqueid", "")
        if event == "Newchannel":
            self._channels[channel] = {
                name: frame[name] for name in ("Uniqueid", "Linkedid", "Channel", "ChannelState")
            }
            self._began[channel] = float(frame["Timestamp"])
        elif event == "Newstate":
            self._channels[channel]["ChannelState"] = frame["ChannelState"]
        elif event == "Hangup":
            self._channels.pop(channel, None)
            self._entries.pop(channel, None)
        elif event == "BridgeEnter":
            self._channels[channel] |= {
                "BridgeId": frame["BridgeUniqueid"],
                "Channel": frame["Channel"],
            }
        elif event == "BridgeLeave":
            self._channels[channel]["BridgeId"] = ""
        elif event == "QueueCallerJoin":
            self._entries[channel] = {"Queue": frame["Queue"], "Uniqueid": channel}
            self._began[f"entry {channel}"] = float(frame["Timestamp"])
            self._channels[channel] |= {"Application": "Queue", "ApplicationData": frame["Queue"]}
        elif event == "QueueCallerLeave":
            self._entries.pop(channel, None)
        elif event == "QueueMemberRemoved":
            self._members.pop((frame["Queue"], frame["Interface"]), None)
        elif event in MEMBER_EVENTS:
            member = {"Name": frame["MemberName"], "Location": frame["Interface"]}
            self._members[frame["Queue"], frame["Interface"]] = {
                name: value
                for name, value in (frame | member).items()
                if name not in {"Event", "Timestamp"}  # an old time: the clock would seem set back
            }


def _duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
