"""Starts the program in a child of a process that has already loaded it.

Loading takes most of the CPU time of a start, and the tests start hundreds of servers. The program
itself does not notice: it runs its own main function in a process of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from floorcast.__main__ import main

__all__ = ["PreloadedProgram"]

_context = get_context("forkserver")
_context.set_forkserver_preload(
    [
        "floorcast.cli.app",
        "floorcast.cli.serve",
        "floorcast.server.logging",
        "floorcast.server.uvicorn_server",
        "encodings.idna",
        "typer._adapters",  # loads Pydantic if it is installed
        "uvicorn.lifespan.off",
    ]
)


class PreloadedProgram:
    """The program with these arguments in a folder. Its standard input is empty.

    ``stdout`` and ``stderr`` are the descriptors for its output.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        variables: Mapping[str, str],
        stdout: int,
        stderr: int,
    ) -> None:
        outputs = [Connection(os.dup(output), readable=False) for output in (stdout, stderr)]
        self._process = _context.Process(target=_run, args=(arguments, folder, variables, *outputs))
        self._process.start()
        for output in outputs:
            output.close()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def wait(self, timeout: float) -> int:
        """Wait until the process exits. Returns its exit code."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"it still runs after {timeout} s"
        return self._process.exitcode

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._process.kill()


def _run(
    arguments: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    stdout: Connection,
    stderr: Connection,
) -> None:
    for output, number in ((stdout, 1), (stderr, 2)):
        os.dup2(output.fileno(), number)
        output.close()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["floorcast", *arguments]
    main()
