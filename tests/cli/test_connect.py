"""``floorcast connect``, as it is typed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.intake import running
from tests.connectors.asterisk.fake_ami import FakeAmi, serving
from tests.real.asterisk import wait_until

LOG = "1795813659|1.0|sales|NONE|ENTERQUEUE||512|1\n1795813662|1.0|sales|NONE|ABANDON|1|1|3\n"


@contextmanager
def an_asterisk() -> Iterator[FakeAmi]:
    """A manager interface, in a thread of its own."""
    ready, found = threading.Event(), []
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def main() -> None:
        async with serving() as ami:
            ami.members = [{"Queue": "sales", "Name": "Anna", "Location": "SIP/1", "Status": "1"}]
            found.append(ami)
            ready.set()
            await stopping.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert ready.wait(20)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(20)
        loop.close()


def floorcast(folder: Path, *given: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "floorcast", "connect", *given],
        cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_check_shows_what_it_would_see(tmp_path: Path) -> None:
    """And names what it may not do; the secret may come from a file."""
    (tmp_path / "secret").write_text("secret\n")
    with an_asterisk() as ami:
        ask = ["asterisk", "--ami", f"127.0.0.1:{ami.port}", "--ami-user", "floorcast", "--check"]
        done = floorcast(tmp_path, *ask, "--ami-secret-file", "secret")
        assert done.returncode == 0, done.stderr
        assert "sales  sales    1        0" in done.stdout
        assert "Anna    Anna   SIP/1      sales   free" in done.stdout
        ami.denied = {"QueueStatus"}
        done = floorcast(tmp_path, *ask, FLOORCAST_AMI_SECRET="secret")
        assert (done.returncode, done.stdout) == (1, "")
        assert "AMI refuses QueueStatus: Permission denied" in done.stderr
        done = floorcast(tmp_path, *ask, FLOORCAST_AMI_SECRET="wrong")
        assert "refuses the user 'floorcast'" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["asterisk"], "nothing to read"),
        (["asterisk", "--ami", "h"], "--ami-user must be given"),
        (["asterisk", "--ami", "h:x", "--ami-user", "u"], "must be HOST[:PORT]"),
        (["asterisk", "--ami", "h", "--ami-user", "u"], "secret is needed"),
        (["asterisk", "--ami-secret", "s"], "a secret on the command line"),
        (["asterisk", "--queue-log", "q"], "an ingest key is needed"),
        (["asterisk", "--queue-log", "q", "--check"], ""),
        (["--config", "nowhere.toml"], "nowhere.toml"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, given: list[str], said: str) -> None:
    """In a line, without a traceback."""
    done = floorcast(tmp_path, *given)
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_connect_toml_says_it_all(tmp_path: Path) -> None:
    """It runs until it is told to stop, and ends well; what is given beside it wins."""
    (tmp_path / "queue_log").write_text(LOG, "utf-8")
    with running() as intake:
        (tmp_path / "connect.toml").write_text(
            f"url = '{intake.url}'\nkey = 'k'\n[asterisk]\nqueue_log = 'queue_log'\n"
            "source = 'pbx'\n[asterisk.services]\nsales = 'Sales'\n",
            "utf-8",
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "floorcast", "connect", "asterisk",
             "--config", "connect.toml", "--from", "2026-01-01T00:00:00Z"],
            cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            wait_until(lambda: len(intake.received) == 3, lambda: intake.requests)
        finally:
            process.terminate()
            _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert list(intake.received) == ["1.0/start", "1.0/1/queue", "1.0/end"]
    start = intake.received["1.0/start"]
    assert (start["source"], start["data"]["sessionId"]) == ("asterisk/pbx", "1.0@pbx")
    assert start["data"]["service"] == "Sales"
    assert (tmp_path / "connect.db").exists()
