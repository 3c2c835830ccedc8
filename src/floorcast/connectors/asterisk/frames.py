"""Parses AMI frames: lines of ``Name: value`` followed by an empty line. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.connectors.recording_file import CUT

__all__ = ["AmiFrame", "AmiFrameReader"]

MAX_FRAME_BYTES = 1 << 20
AmiFrame = dict[str, str]


class AmiFrameReader:
    """Splits bytes, which may arrive in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[AmiFrame | Unreadable]:
        """Yield the complete frames, with an Unreadable in place of each invalid frame."""
        text = (self._rest + data).replace(b"\r\n", b"\n")
        *whole, self._rest = text.split(b"\n\n")
        for one in whole:
            if one.strip():
                yield _frame(one)
        if len(self._rest) > MAX_FRAME_BYTES:
            self._rest = b""
            yield Unreadable(f"a frame of more than {MAX_FRAME_BYTES} bytes")

    def finish(self) -> list[Unreadable]:
        """Return an Unreadable if the last frame was cut, after the last byte has been fed.

        A cut frame may look complete: its last value may be shorter, or a line may be missing.
        """
        rest, self._rest = self._rest, b""
        return [Unreadable(f"a frame that was cut: {rest[:200]!r}")] if rest.strip() else []


def _frame(text: bytes) -> AmiFrame | Unreadable:
    if CUT in text:
        return Unreadable(f"a frame that was cut: {text[:200]!r}")
    frame: AmiFrame = {}
    for line in text.decode("utf-8", "replace").split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            value = value.removeprefix(" ")
            # ChanVariable may be repeated; its value begins with the name of the variable
            if name == "ChanVariable":
                name, _, value = value.partition("=")
                name = f"ChanVariable:{name}"
            frame.setdefault(name, value)
    if not {"Event", "Response"} & frame.keys():
        return Unreadable(f"a frame that is neither an event nor a response: {text[:200]!r}")
    return frame
