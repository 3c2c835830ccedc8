"""Runs a command on a pseudo terminal and reads its output."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

__all__ = ["Terminal"]

PATIENCE = 60.0  # seconds for what usually takes one or two, on a busy machine
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A terminal of 120 by 40 that runs a command. ``written`` is everything shown so far."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.written = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(theirs)
        # The first process of a session that opens a terminal gets its signals, so Ctrl-C works.
        opening = ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(theirs)]
        sizes = ("COLUMNS", "LINES")  # of the terminal in which the tests run
        kept = {name: value for name, value in environment.items() if name not in sizes}
        # Under nohup, the command would ignore the end of its terminal, as the tests do.
        hangup = signal.signal(signal.SIGHUP, signal.SIG_DFL)
        try:
            self.process = subprocess.Popen(
                [*opening, *command],
                env={**kept, "TERM": "xterm-256color"},
                start_new_session=True,
            )
        finally:
            signal.signal(signal.SIGHUP, hangup)
        self._theirs = theirs  # kept open, so that its settings can be read after the end

    @property
    def text(self) -> str:
        """Return the output without cursor movements and colors."""
        return _CONTROLS.sub("", self.written)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def until(self, pattern: str) -> str:
        """Wait until the pattern appears after the output that was awaited last."""
        begin, over = len(self.written), time.monotonic() + PATIENCE
        while not re.search(pattern, _CONTROLS.sub("", self.written[begin:])):
            if not self._read(over - time.monotonic()):
                raise AssertionError(f"{pattern} was not written, but {self.text[-3000:]}")
        return self.text

    def ended(self) -> int:
        """Wait until the command ends, and return its exit code."""
        while self.process.poll() is None or select.select([self._ours], [], [], 0)[0]:
            self._read(0.1)
        return self.process.returncode

    def hang_up(self) -> int:
        """Close the terminal, wait until the command ends, and return its exit code."""
        os.close(self._ours)
        self._ours = -1
        return self.process.wait(PATIENCE)

    def settings(self) -> list[object]:
        """Return the terminal's current settings."""
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
        if self._ours >= 0:
            os.close(self._ours)
        os.close(self._theirs)
