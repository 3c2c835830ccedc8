"""Starts servers for the benchmarks, on loopback and in a temporary folder."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks import workload

__all__ = ["Running", "floorcast", "listening"]

PROGRAM = (sys.executable, "-m", "floorcast")


class Running(NamedTuple):
    """A server's port and process id."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    def log_in(self) -> dict[str, str]:
        """Log in. Returns the header that carries the session."""
        answer = httpx.post(
            f"{self.url}/session/login",
            json=workload.LOGIN,
            headers={"LV-Access": workload.API_TOKEN},
        )
        return {"LV-Session": answer.raise_for_status().json()["sessionId"]}

    def memory(self) -> int:
        """Return the resident memory, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def processor(self) -> float:
        """Return the CPU time of all threads so far, in seconds. See clock_getcpuclockid(3)."""
        return time.clock_gettime(~self.pid << 3 | 2)


@contextmanager
def listening(command: list[str], pattern: str) -> Iterator[Running]:
    """Run a server until the block ends.

    The server prints its port in a line that matches ``pattern``, whose first group is the port.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(pattern, line):
                yield Running(int(found[1]), process.pid)
                return
        raise RuntimeError(f"{command[0]} ended with {process.wait()}")
    finally:
        process.terminate()
        process.wait()


@contextmanager
def floorcast(
    folder: Path,
    *options: str,
    program: Sequence[str] = PROGRAM,
    declares: str = workload.SITE,
) -> Iterator[Running]:
    """Run floorcast on ``folder`` until the block ends. The default site has the client BENCH."""
    site = folder.parent / "site.toml"
    site.write_text(declares)
    # all readers of a load share one session
    command = [*program, "serve", "--data", str(folder), "--session-readers", "20000"]
    command += ["--site", str(site), "--port", "0", "--log-level", "warning"]
    command += ["--max-connections", "1000000", *options]  # all readers have this machine's address
    with listening(command, r"answers at http://127\.0\.0\.1:(\d+)") as server:
        yield server
