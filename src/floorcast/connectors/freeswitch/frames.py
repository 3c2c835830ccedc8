"""Parses ESL frames: headers, an empty line, and a body of Content-Length bytes. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from floorcast.connectors.pbx.unreadable import Unreadable
from floorcast.connectors.recording_file import CUT

__all__ = ["RUN_MARK", "EslFrame", "EslFrameReader"]

MAX_HEADER_BYTES = 64 << 10
MAX_BODY_BYTES = 32 << 20  # a list of all channels is the largest
RUN_MARK = CUT + b"\n\n"  # in a recording, before what another run of the connector appended


class EslFrame(NamedTuple):
    """One frame, with the headers as received."""

    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The frame's Content-Type."""
        return self.headers.get("Content-Type", "")

    def encoded(self) -> bytes:
        """Return the frame as it was received."""
        head = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
        return head.encode("utf-8", "replace") + b"\n" + self.body


class EslFrameReader:
    """Splits bytes, which may arrive in pieces of any size, into frames.

    Scans each byte at most twice. In a recording, a frame before ``RUN_MARK`` may be cut, because
    the connector was killed. It becomes an Unreadable, and reading continues after the mark.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer known to have no empty line
        self._head: dict[str, str] | None = None  # headers of a frame with an incomplete body
        self._length = 0  # of that body
        self._bytes_to_discard = 0  # remaining bytes of a body that is being discarded

    def feed(self, data: bytes) -> list[EslFrame | Unreadable]:
        """Return the complete frames, with an Unreadable in place of each invalid frame."""
        found: list[EslFrame | Unreadable] = []
        if self._bytes_to_discard:
            skipped = min(self._bytes_to_discard, len(data))
            self._bytes_to_discard -= skipped
            data = data[skipped:]
        self._buffer += data
        at = 0
        while (end := self._next(at, found)) is not None:
            at = end
        del self._buffer[:at]
        self._searched = max(0, self._searched - at)
        if self._head is None and len(self._buffer) > MAX_HEADER_BYTES:
            self._buffer.clear()
            self._searched = 0
            found.append(Unreadable(f"a frame with more than {MAX_HEADER_BYTES} bytes of headers"))
        return found

    def finish(self) -> list[EslFrame | Unreadable]:
        """Return the remaining frames, after the last byte has been fed.

        Each incomplete frame becomes an Unreadable.
        """
        found: list[EslFrame | Unreadable] = []
        while self._buffer or self._head is not None:
            mark = self._buffer.find(RUN_MARK)
            received = mark if mark >= 0 else len(self._buffer)
            if self._head is not None or self._buffer.strip():
                found.append(self._cut(received))
            del self._buffer[: received + len(RUN_MARK)]
            self._searched = 0
            found += self.feed(b"")
        return found

    def _cut(self, received: int) -> Unreadable:
        self._head = None
        return Unreadable(f"a frame that was cut after {received} bytes of its headers or body")

    def _next(self, at: int, found: list[EslFrame | Unreadable]) -> int | None:
        """Return the end of the next head or body, or None if it is incomplete."""
        if self._head is None:
            return self._next_head(at, found)
        end = at + self._length
        if end > len(self._buffer):
            return None
        mark = self._buffer.find(RUN_MARK, at, end + len(RUN_MARK) - 1)
        if mark >= 0 and mark < end:
            found.append(self._cut(mark - at))
            self._searched = mark + len(RUN_MARK)
            return self._searched
        found.append(EslFrame(self._head, bytes(self._buffer[at:end])))
        self._head = None
        self._searched = end
        return end

    def _next_head(self, at: int, found: list[EslFrame | Unreadable]) -> int | None:
        end = self._buffer.find(b"\n\n", max(at, self._searched - 1))
        if end < 0:
            self._searched = len(self._buffer)
            return None
        head = bytes(self._buffer[at:end]).decode("utf-8", "replace")
        body = self._searched = end + 2
        if not head.strip() or head == CUT.decode():
            return body
        if head.endswith(CUT.decode()):
            found.append(self._cut(len(head)))
            return body
        headers = _headers(head)
        length = headers.get("Content-Length", "0")
        if "Content-Type" not in headers or not (length.isascii() and length.isdigit()):
            found.append(Unreadable(f"a frame without a type or a length: {head[:200]!r}"))
        elif len(length) > len(str(MAX_BODY_BYTES)) or int(length) > MAX_BODY_BYTES:
            found.append(Unreadable(f"a frame of more than {MAX_BODY_BYTES} bytes: {head[:200]!r}"))
            return self._skip(body, int(length[:18]))
        else:
            self._head, self._length = headers, int(length)
        return body

    def _skip(self, body: int, length: int) -> int:
        here = min(length, len(self._buffer) - body)
        self._bytes_to_discard = length - here
        self._searched = body + here
        return body + here


def _headers(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\n"))
    return {name.strip(): value.strip() for name, colon, value in lines if colon}
