"""``--record``: writes received data, one JSON object per line, to send with a bug report."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from msgspec import Raw

__all__ = ["Recording"]


class Recording:
    """Writes to ``path``, or nothing if it is None. Received data does not contain the password."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("ab") if path else None

    def event(self, feed: str, raw: bytes, received: float) -> None:
        """Write an event of a feed as received."""
        self._write({"read": feed, "received": received, "event": Raw(raw)})

    def rows(self, what: str, rows: object, received: float) -> None:
        """Write the rows of a response."""
        self._write({"read": what, "received": received, "rows": rows})

    def _write(self, line: dict[str, object]) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.encode(line).replace(b"\n", b" ") + b"\n")
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
