"""A command on a pseudo terminal of the test's own, and what it writes there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

__all__ = ["Terminal"]

PATIENCE = 60.0  # seconds for what takes one or two, on a machine with other work to do
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 120 by 40 with a command in it; ``written`` is all that it has shown."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.written = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(theirs)
        # A session's first process that opens a terminal is controlled by it: Ctrl-C is a signal.
        opening = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(theirs)]
        sizes = ("COLUMNS", "LINES")  # of the terminal that the tests run in
        kept = {name: value for name, value in environment.items() if name not in sizes}
        self.process = subprocess.Popen(
            [*opening, *command],
            env={**kept, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        self._theirs = theirs  # kept open: what was set on it can be looked at when all is over

    @property
    def text(self) -> str:
        """What was written, without what moves the cursor or colours."""
        return _CONTROLS.sub("", self.written)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def until(self, pattern: str) -> str:
        """Wait until something of this pattern is written after what was waited for before."""
        begin, over = len(self.written), time.monotonic() + PATIENCE
        while not re.search(pattern, _CONTROLS.sub("", self.written[begin:])):
            if not self._read(over - time.monotonic()):
                raise AssertionError(f"{pattern} was not written, but {self.text[-3000:]}")
        return self.text

    def ended(self) -> int:
        """Wait for the end of the command; its exit code."""
        while self.process.poll() is None or select.select([self._ours], [], [], 0)[0]:
            self._read(0.1)
        return self.process.returncode

    def settings(self) -> list[object]:
        """How the terminal is set now."""
        return list(termios.tcgetattr(self._theirs))

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, seconds))
        if ready:
            self.written += os.read(self._ours, 1 << 16).decode("utf-8", "replace")
        return bool(ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._ours)
        os.close(self._theirs)
