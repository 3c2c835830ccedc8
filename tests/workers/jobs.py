"""Functions that worker processes run in tests."""

from __future__ import annotations

import os
import signal
import sys
import threading

import structlog

from floorcast.model.errors import InvalidParameter

_log = structlog.get_logger(__name__)
_seen: list[bytes] = []


def echo(argument: bytes) -> bytes:
    """Return all arguments that this process has received, the new one last."""
    _seen.append(argument)
    return b" ".join(_seen)


def pid(_argument: bytes) -> bytes:
    """Return the id of the process."""
    return str(os.getpid()).encode()


def forever(argument: bytes) -> bytes:
    """Write the process id to a file and never return."""
    with open(argument, "w", encoding="ascii") as file:  # noqa: PTH123 -- the path is bytes
        file.write(str(os.getpid()))
    threading.Event().wait()
    return b""


def refuse(argument: bytes) -> bytes:
    """Refuse the argument after logging a line."""
    _log.warning("about_to_refuse", argument=argument.decode())
    raise InvalidParameter(f"{argument.decode()} is wrong")


def fail(_argument: bytes) -> bytes:
    """Raise an unexpected error."""
    raise KeyError("a bug")


def die(_argument: bytes) -> bytes:
    """End the process with SIGKILL, as the kernel does."""
    os.kill(os.getpid(), signal.SIGKILL)
    return b""


def grow(_argument: bytes) -> bytes:
    """Try to allocate more memory than there is."""
    return bytes(1 << 40)


def printing(_argument: bytes) -> bytes:
    """Print to standard output, as a library might do."""
    sys.stdout.write("not a reply")
    sys.stdout.flush()
    return b"the reply"


def large(argument: bytes) -> bytes:
    """Return as many bytes as the argument says."""
    return bytes(int(argument))
